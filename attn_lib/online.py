"""Attention with a running softmax: exact, and memory that grows with n, not with n * n.

One block of queries meets one block of keys at a time. A running maximum and a running sum keep
the softmax exact (Milakov & Gimelshein 2018, arXiv:1805.02867); the gradient computes each block
of weights again from the log-sum-exp (Dao 2023, FlashAttention-2, arXiv:2307.08691).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ._inputs import batch_and_heads, check_bool_mask, check_qkv, fold
from ._mask import whole
from .masks import Mask

_HALF = (torch.float16, torch.bfloat16)


def online_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Mask | Tensor | None = None,
    block: int = 256,
    scale: float | None = None,
    return_lse: bool = False,
) -> Any:
    """`attention` over blocks of `block` queries and keys: no (n, m) tensor in either direction.

    q (..., n, d); k (..., m, d); v (..., m, d_v) -> out (..., n, d_v) and, with `return_lse`,
    lse (..., n), the log of the softmax's denominator; both have gradients (of first order). With
    4-D q (b, h, n, d), k and v may have fewer heads (see `attention`).

    mask: a `Mask`, asked for one row of blocks at a time, or a bool tensor as in `attention`.
    Blocks in which nothing may be seen are skipped: under `causal`, all that lie in the future.
    scale: 1/sqrt(d) by default. A query that may see no key gives zeros and lse -inf.

    Half types are summed in float32, and their lse is float32. CPU: tested. CUDA and MPS: the
    same plain operations, not tested here; each row of blocks then waits for one small copy.
    Raises TypeError or ValueError that names the argument. Source: Rabe & Staats 2021,
    arXiv:2112.05682; Dao et al. 2022, arXiv:2205.14135.
    """
    whole("block", block)
    check_qkv(q, k, v, scale)
    (*lead, n, _), m = q.shape, k.shape[-2]
    if isinstance(mask, Mask):
        batch, heads = batch_and_heads(lead)
        mask.check(n, m, batch=batch, heads=heads)
    elif mask is not None:
        check_bool_mask(mask, (*lead, n, m), q.device)
        size = mask.shape[-2:]
        if len(lead) != 2 and mask.ndim != 2:  # as `fold` does: all leading sizes are the batch
            mask = mask.expand(*lead, *size).reshape(-1, 1, *size)
        mask = mask.view(1, 1, *size) if mask.ndim == 2 else mask
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    shape = (*q.shape[:-1], v.shape[-1])
    out, lse = _Online.apply(*fold(q, k, v), mask, block, scale)  # type: ignore[no-untyped-call]
    out, lse = out.reshape(shape), lse.reshape(shape[:-1])
    return (out, lse) if return_lse else out


def merge(out_a: Tensor, lse_a: Tensor, out_b: Tensor, lse_b: Tensor) -> tuple[Tensor, Tensor]:
    """Attention over the keys of a and b together, from the results of each alone.

    out_a, out_b (..., n, d_v) and lse_a, lse_b (..., n), of the same queries over two sets of keys
    -> out (..., n, d_v), lse (..., n). Each side counts by exp(lse); where one saw no key
    (lse -inf) the other stands alone, and where both saw none out is 0 and lse -inf. Gradients
    are exact and finite. CPU: tested; CUDA and MPS: the same plain operations, not tested here.
    Raises TypeError or ValueError that names the argument.
    Source: Dao et al. 2022, arXiv:2205.14135; Liu et al. 2023, arXiv:2310.01889 (ring attention).
    """
    _check_parts(out_a, lse_a, out_b, lse_b)
    top = torch.maximum(lse_a, lse_b).detach()  # any constant gives the same sum: no gradient
    top = top.masked_fill(top == -math.inf, 0.0)
    share_a, share_b = torch.exp(lse_a - top), torch.exp(lse_b - top)
    empty = (share_a + share_b) == 0
    total = (share_a + share_b).masked_fill(empty, 1.0)
    out = (share_a / total)[..., None] * out_a + (share_b / total)[..., None] * out_b
    return out.to(out_a.dtype), (top + torch.log(total)).masked_fill(empty, -math.inf)


def _check_parts(out_a: Tensor, lse_a: Tensor, out_b: Tensor, lse_b: Tensor) -> None:
    parts = {"out_a": out_a, "lse_a": lse_a, "out_b": out_b, "lse_b": lse_b}
    for name, part in parts.items():
        if not isinstance(part, Tensor) or not part.is_floating_point():
            got = part.dtype if isinstance(part, Tensor) else type(part).__name__
            raise TypeError(
                f"{name}: expected a floating-point tensor, got {got}; merge takes the two results "
                "of attention(..., return_lse=True)"
            )
    if out_a.ndim < 2 or out_b.shape != out_a.shape:
        raise ValueError(
            "out_b: expected the shape (..., n, d_v) of out_a, got out_a "
            f"{tuple(out_a.shape)} and out_b {tuple(out_b.shape)}; both answer the same queries"
        )
    for name in ("lse_a", "lse_b"):
        if parts[name].shape != out_a.shape[:-1]:
            raise ValueError(
                f"{name}: expected one number for each query, {tuple(out_a.shape[:-1])}, got "
                f"{tuple(parts[name].shape)}; use the lse that return_lse=True gives"
            )


class _Online(torch.autograd.Function):
    """The blocks of `online_attention` on 4-D q, k, v, forward and backward."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Mask | Tensor | None,
        block: int,
        scale: float,
    ) -> tuple[Tensor, Tensor]:
        n, m, wide = q.shape[2], k.shape[2], torch.float32 if q.dtype in _HALF else q.dtype
        out = torch.empty((*q.shape[:-1], v.shape[-1]), dtype=wide, device=q.device)
        lse = torch.empty(q.shape[:-1], dtype=wide, device=q.device)
        space = q.new_empty(q.shape[0] * q.shape[1] * min(block, n) * min(block, m), dtype=wide)
        for rows, row in _rows(q, k, mask, block):
            q_rows = q[:, :, rows].to(wide) * scale
            # greatest score so far, beginning with a number: -inf - -inf would be NaN
            top = q_rows.new_full((*q_rows.shape[:-1], 1), torch.finfo(wide).min)
            total = torch.zeros_like(top)  # sum of exp(score - top)
            acc = torch.zeros_like(out[:, :, rows])  # sum of exp(score - top) * value
            for cols, seen in row:
                scores = _product(q_rows, k[:, :, cols].to(wide).mT, space)
                if seen is not None:
                    scores.masked_fill_(~seen, -math.inf)
                best = scores.amax(dim=-1, keepdim=True)
                # a row that sees no key of this block: no NaN, and below it counts exp(best) = 0
                scores[..., :1].masked_fill_(best == -math.inf, 0.0)
                # softmax is one pass where exp and sum are three; its greatest weight is 1 / sum
                weights = torch.softmax(scores, dim=-1, out=scores)
                mean = weights @ v[:, :, cols].to(wide)
                count = weights.amax(dim=-1, keepdim=True).reciprocal_()  # sum of exp(score - best)
                higher = torch.maximum(top, best)
                shrink, count = top.sub_(higher).exp_(), best.sub_(higher).exp_().mul_(count)
                total.mul_(shrink).add_(count)
                acc.mul_(shrink).addcmul_(mean, count)
                top = higher
            out[:, :, rows] = acc / total.masked_fill(total == 0, 1.0)
            lse[:, :, rows] = (top + total.log()).squeeze(-1)
        out = out.to(q.dtype)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.mask, ctx.block, ctx.scale = mask, block, scale
        return out, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor, d_lse: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out, lse = ctx.saved_tensors
        wide, scale = lse.dtype, ctx.scale
        d_q, d_k, d_v = (torch.zeros_like(t, dtype=wide) for t in (q, k, v))
        for rows, row in _rows(q, k, ctx.mask, ctx.block):
            q_rows, d_rows = q[:, :, rows].to(wide) * scale, d_out[:, :, rows].to(wide)
            base = lse[:, :, rows, None]
            base = base.masked_fill(base == -math.inf, 0.0)
            # the softmax's own gradient: what a row's weights have in common
            shared = (d_rows * out[:, :, rows]).sum(dim=-1, keepdim=True) - d_lse[:, :, rows, None]
            for cols, seen in row:
                k_cols, v_cols = k[:, :, cols].to(wide), v[:, :, cols].to(wide)
                scores = q_rows @ k_cols.mT
                if seen is not None:
                    scores.masked_fill_(~seen, -math.inf)
                weights = scores.sub_(base).exp_()
                d_v[:, :, cols] += weights.mT @ d_rows
                d_scores = (d_rows @ v_cols.mT).sub_(shared).mul_(weights)
                d_q[:, :, rows] += d_scores @ k_cols
                d_k[:, :, cols] += d_scores.mT @ q_rows
        d_q *= scale
        return d_q.to(q.dtype), d_k.to(k.dtype), d_v.to(v.dtype), None, None, None


def _product(a: Tensor, b: Tensor, space: Tensor) -> Tensor:
    """a @ b written into `space`, since fresh memory for every block would cost as much again."""
    shape = (*a.shape[:-1], b.shape[-1])
    return torch.matmul(a, b, out=space[: math.prod(shape)].view(shape))


Row = list[tuple[slice, Tensor | None]]


def _rows(
    q: Tensor, k: Tensor, mask: Mask | Tensor | None, block: int
) -> Iterator[tuple[slice, Row]]:
    """For each block of queries the blocks of keys that it sees, with a mask where it needs one."""
    n, m = q.shape[2], k.shape[2]
    columns = [slice(start, min(start + block, m)) for start in range(0, m, block)]
    for start in range(0, n, block):
        rows = slice(start, min(start + block, n))
        yield rows, _row(rows, columns, _seen(mask, rows, m, q.device))


def _row(rows: slice, columns: list[slice], seen: Tensor | None) -> Row:
    if seen is None:
        return [(cols, None) for cols in columns]
    parts = [seen[..., cols] for cols in columns]
    if torch.compiler.is_compiling() or not seen.numel():
        return list(zip(columns, parts, strict=True))  # no graph may depend on what the mask holds
    bits = seen.flatten(0, -2).view(torch.uint8)  # ten times as fast as any() and all() on bool
    some, every = torch.stack([bits.amax(dim=0), bits.amin(dim=0)]).tolist()
    return [
        (cols, None if all(every[cols]) else part)
        for cols, part in zip(columns, parts, strict=True)
        if any(some[cols])
    ]


def _seen(mask: Mask | Tensor | None, rows: slice, m: int, device: torch.device) -> Tensor | None:
    """The mask for some queries and all m keys: bool, (b or 1, h or 1, rows, m)."""
    if mask is None:
        return None
    count = rows.stop - rows.start
    if isinstance(mask, Tensor):
        part = mask if mask.shape[2] == 1 else mask[:, :, rows]
        return part.expand(-1, -1, count, m)
    b = torch.arange(mask.fixes.get("batch", 1), device=device)[:, None, None, None]
    h = torch.arange(mask.fixes.get("heads", 1), device=device)[:, None, None]
    q_idx = torch.arange(rows.start, rows.stop, device=device)[:, None]
    seen: Tensor = mask(b, h, q_idx, torch.arange(m, device=device))
    return seen.expand(*seen.shape[:-2], count, m)
