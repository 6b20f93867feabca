"""Checks shared by every attention function: they run before any kernel does.

They matter for more than manners: PyTorch's CPU kernel reads past the end of k when v is longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .masks import Mask


def check_inputs(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Mask | Tensor | None = None,
    bias: Tensor | None = None,
    sink: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor | None:
    """Raise TypeError or ValueError unless the arguments fit together; return the dense mask.

    The dense mask is bool and broadcasts to the scores (..., n, m); None where nothing is hidden.
    """
    check_qkv(q, k, v, scale)
    return check_beside(q, k, mask=mask, bias=bias, sink=sink, dropout=dropout)


def check_beside(
    q: Tensor,
    k: Tensor,
    *,
    mask: Mask | Tensor | None = None,
    bias: Tensor | None = None,
    sink: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor | None:
    """`check_inputs` where q, k and v were checked before: what stands beside them."""
    scores = (*q.shape[:-1], k.shape[-2])
    if bias is not None:
        check_bias(bias, q, scores)
    if sink is not None:
        _check_tensor("sink", sink, q)
        if q.ndim != 4 or sink.shape != q.shape[1:2]:
            raise ValueError(
                "sink: expected one logit per head, shape (h,), beside q (b, h, n, d), got sink "
                f"{_shape(sink)} and q {_shape(q)}; use q.view(b, h, n, d)"
            )
    if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ValueError(
            f"dropout: expected a probability, 0 <= dropout < 1, got {dropout!r}; 0 switches it off"
        )
    return dense_mask(mask, scores, q.device)


def check_qkv(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> None:
    """Raise unless q (..., n, d), k (..., m, d) and v (..., m, d_v) fit together."""
    if scale is not None and not isinstance(scale, (int, float)):
        raise TypeError(
            f"scale: expected a number, got {type(scale).__name__}; multiply q by a learned scale"
        )
    for name, tensor in (("q", q), ("k", k), ("v", v)):
        _check_tensor(name, tensor, q)
        if tensor.ndim < 2:
            raise ValueError(
                f"{name}: expected at least two dimensions, (..., tokens, features), got "
                f"{_shape(tensor)}; use {name}.unsqueeze(0) for one token"
            )
        if tensor.dtype != q.dtype:
            raise TypeError(
                f"{name}: expected {q.dtype} like q, got {tensor.dtype}; use {name}.to(q.dtype)"
            )
    if q.shape[-1] != k.shape[-1] or q.shape[-1] == 0:
        raise ValueError(
            "k: expected the head size of q, since each score is a dot product of one query and "
            f"one key, got q {_shape(q)} and k {_shape(k)}; project both to the same last size"
        )
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"v: expected one value for each of the {k.shape[-2]} keys, got k {_shape(k)} and v "
            f"{_shape(v)}; k and v come from the same tokens"
        )
    if not q.ndim == k.ndim == v.ndim:
        raise ValueError(
            f"q, k, v: expected the same number of dimensions, got q {_shape(q)}, k {_shape(k)}, "
            f"v {_shape(v)}; use unsqueeze or expand on the shorter one"
        )
    if k.shape[:-2] != v.shape[:-2]:
        raise ValueError(
            "v: expected the batch and heads of k, got k "
            f"{_shape(k)} and v {_shape(v)}; split both into the same heads"
        )
    if q.ndim == 4 and q.shape[0] == k.shape[0] and q.shape[1] != k.shape[1]:
        if k.shape[1] == 0 or q.shape[1] % k.shape[1]:
            raise ValueError(
                f"k: expected a number of heads that divides the {q.shape[1]} heads of q, got "
                f"{k.shape[1]}; layouts are (b, h, n, d), use transpose(1, 2) on (b, n, h, d)"
            )
    elif q.shape[:-2] != k.shape[:-2]:
        raise ValueError(
            f"k: expected the leading sizes {tuple(q.shape[:-2])} of q, got k {_shape(k)} beside "
            f"q {_shape(q)}; layouts are (..., tokens, features), use expand to share keys"
        )


def check_bias(bias: Tensor, q: Tensor, scores: tuple[int, ...]) -> None:
    """Raise unless bias is floating and broadcasts to the scores (..., n, m)."""
    _check_tensor("bias", bias, q)
    if not _broadcasts(bias.shape, scores):
        raise ValueError(
            f"bias: expected a shape that broadcasts to the scores {scores}, got {_shape(bias)}"
        )


def dense_mask(
    mask: Mask | Tensor | None, scores: tuple[int, ...], device: torch.device
) -> Tensor | None:
    """The mask as a bool tensor that broadcasts to the scores (..., n, m), or None."""
    if mask is None:
        return None
    *lead, n, m = scores
    if isinstance(mask, Mask):
        batch, heads = batch_and_heads(lead)
        table = mask.dense(n, m, batch=batch, heads=heads, device=device)
        return table if len(lead) == 2 else table[:, 0] if len(lead) == 1 else table[0, 0]
    check_bool_mask(mask, scores, device)
    return mask


def batch_and_heads(lead: Sequence[int]) -> tuple[int, int]:
    """What a Mask and `keep` count as examples and heads among the leading sizes of q."""
    return lead[0] if len(lead) in (1, 2) else 1, lead[1] if len(lead) == 2 else 1


def check_bool_mask(mask: Any, scores: Sequence[int], device: torch.device) -> None:
    """Raise unless mask is a bool tensor (n, m), or of the scores' number of dimensions."""
    *_, n, m = scores
    if not isinstance(mask, Tensor):
        raise TypeError(
            f"mask: expected a Mask or a bool tensor, got {type(mask).__name__}; use "
            "torch.as_tensor(mask), True = may attend"
        )
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask: expected bool, True = may attend, got {mask.dtype}; use mask.bool() if its "
            "ones may attend, mask == 0 if its zeros may, or pass it as bias= if it is added"
        )
    if mask.device != device:
        raise ValueError(
            f"mask: expected device {device} like q, got {mask.device}; use mask.to(q.device)"
        )
    if mask.ndim not in (2, len(scores)) or not _broadcasts(mask.shape, scores):
        raise ValueError(
            f"mask: expected shape ({n}, {m}) or one of {len(scores)} dimensions that broadcasts "
            f"to the scores {scores}, got {_shape(mask)}; padding of shape (b, m) goes in as "
            "attn_lib.padding(keep) or keep[:, None, None, :]"
        )


def check_keep(keep: Any, q: Tensor) -> None:
    """Raise unless keep is None or bool (b, n) on the device of q (..., n, d)."""
    if keep is None:
        return
    shape = (batch_and_heads(q.shape[:-2])[0], q.shape[-2])
    if not isinstance(keep, Tensor):
        raise TypeError(
            f"keep: expected a bool tensor, got {type(keep).__name__}; use torch.as_tensor(keep)"
        )
    if keep.dtype != torch.bool:
        raise TypeError(
            f"keep: expected bool, True for a real token, got {keep.dtype}; use keep.bool() if its "
            "ones are real tokens"
        )
    if keep.shape != shape:
        raise ValueError(
            f"keep: expected shape (b, n) = {shape} beside q {_shape(q)}, got {_shape(keep)}; it "
            "says of each token whether it is real"
        )
    if keep.device != q.device:
        raise ValueError(
            f"keep: expected device {q.device} like q, got {keep.device}; use keep.to(q.device)"
        )


def fold(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """q, k, v as (b, h, tokens, features), each key head repeated for the query heads it serves.

    One leading size is the batch, and more than two become one: see `batch_and_heads`.
    """
    if q.ndim != 4:
        q, k, v = (t.reshape(-1, 1, *t.shape[-2:]) for t in (q, k, v))
    if k.shape[1] != q.shape[1]:
        k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) for t in (k, v))
    return q, k, v


def _check_tensor(name: str, tensor: Any, q: Tensor) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"{name}: expected a torch tensor, got {type(tensor).__name__}; "
            f"use torch.as_tensor({name})"
        )
    if not tensor.is_floating_point():
        raise TypeError(
            f"{name}: expected floating-point numbers, got {tensor.dtype}; use {name}.float()"
        )
    if isinstance(q, Tensor) and tensor.device != q.device:
        raise ValueError(
            f"{name}: expected device {q.device} like q, got {tensor.device}; "
            f"use {name}.to(q.device)"
        )


def _broadcasts(shape: torch.Size, scores: Sequence[int]) -> bool:
    pairs = zip(reversed(shape), reversed(scores), strict=False)
    return len(shape) <= len(scores) and all(size in (1, full) for size, full in pairs)


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
