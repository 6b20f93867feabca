"""Scaled dot-product attention: the specification, and the same contract on a fused kernel.

Shapes: b batch, h heads, n queries, m keys, d head size. Source: Vaswani et al. 2017,
arXiv:1706.03762; grouped key heads: Ainslie et al. 2023, arXiv:2305.13245; sink logits: gpt-oss,
2025, after Xiao et al. 2023, arXiv:2309.17453. CPU: tested, under autocast and torch.compile too.
CUDA and MPS: the same public operations of PyTorch, not tested here.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ._inputs import check_beside, check_inputs, check_qkv
from .masks import Mask, is_causal

_HALF = (torch.float16, torch.bfloat16)


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Mask | Tensor | None = None,
    bias: Tensor | None = None,
    scale: float | None = None,
    sink: Tensor | None = None,
    dropout: float = 0.0,
    return_weights: bool = False,
    return_lse: bool = False,
) -> Any:
    """softmax(scale * q kᵀ + bias) v: every query averages the values of the keys it may see.

    q (..., n, d); k (..., m, d); v (..., m, d_v) -> out (..., n, d_v). With 4-D q (b, h, n, d),
    k and v may have fewer heads, (b, h_kv, m, d): each serves r = h / h_kv query heads in a row.

    mask: a `Mask`, or a bool tensor (n, m) or of q's number of dimensions; True = may attend.
    bias: added to the scaled scores, broadcastable to (..., n, m).  scale: 1/sqrt(d) by default.
    sink: (h,) one logit per head that joins the softmax and has no value.  dropout: probability,
    applied to the weights. A query that may see no key gives zeros, weights 0 and lse -inf.

    Returns out, then weights (..., n, m) before dropout, then lse (..., n), the log of the
    softmax's denominator without the sink, as asked. Half types are summed in float32; out and
    weights have q's type. Raises TypeError or ValueError that names the argument, before anything
    is computed.
    """
    allowed = check_inputs(q, k, v, mask=mask, bias=bias, sink=sink, scale=scale, dropout=dropout)
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    if q.ndim == 4 and k.shape[1] != q.shape[1]:
        k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) for t in (k, v))
    wide = torch.float32 if q.dtype in _HALF else q.dtype

    scores = q.to(wide) * scale @ k.to(wide).mT  # (..., n, m)
    if bias is not None:
        scores = scores + bias.to(wide)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
    weights = _softmax(scores, sink)
    out = F.dropout(weights, dropout) @ v.to(wide)  # (..., n, d_v)

    results = [out.to(q.dtype)]
    if return_weights:
        results.append(weights.to(q.dtype))
    if return_lse:
        results.append(_lse(scores))
    return results[0] if len(results) == 1 else tuple(results)


def _softmax(scores: Tensor, sink: Tensor | None) -> Tensor:
    """Softmax over the keys, with zeros (and finite gradients) for a query that sees none."""
    if sink is not None:
        extra = sink.to(scores.dtype).view(-1, 1, 1).expand(*scores.shape[:-1], 1)
        return torch.softmax(torch.cat([scores, extra], dim=-1), dim=-1)[..., :-1]
    if scores.shape[-1] == 0:
        return scores
    empty = _empty(scores)
    return torch.softmax(scores.masked_fill(empty, 0.0), dim=-1).masked_fill(empty, 0.0)


def _lse(scores: Tensor) -> Tensor:
    """Log of the sum of exp over the keys; -inf, with finite gradients, where a query sees none."""
    if scores.shape[-1] == 0:
        return torch.logsumexp(scores, dim=-1)
    empty = _empty(scores)
    found = torch.logsumexp(scores.masked_fill(empty, 0.0), dim=-1)
    return found.masked_fill(empty.squeeze(-1), -math.inf)


def _empty(scores: Tensor) -> Tensor:
    return scores.amax(dim=-1, keepdim=True) == -math.inf


def fused_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Mask | Tensor | None = None,
    bias: Tensor | None = None,
    scale: float | None = None,
    sink: Tensor | None = None,
    dropout: float = 0.0,
    return_weights: bool = False,
    return_lse: bool = False,
) -> Any:
    """`attention` on PyTorch's fused kernel: same arguments, same result, no (n, m) tensor kept.

    A plain causal mask takes the kernel's causal path; any other mask is made dense once per shape.
    Weights, lse and sinks are not in the kernel: with them this is `attention`.
    """
    check_qkv(q, k, v, scale)
    if return_weights or return_lse or sink is not None or k.shape[-2] == 0:
        return attention(
            q, k, v, mask=mask, bias=bias, scale=scale, sink=sink, dropout=dropout,
            return_weights=return_weights, return_lse=return_lse,
        )  # fmt: skip
    plain = isinstance(mask, Mask) and bias is None and is_causal(mask, q.shape[-2], k.shape[-2])
    allowed = check_beside(q, k, mask=None if plain else mask, bias=bias, dropout=dropout)
    added = allowed
    if bias is not None:
        added = bias.to(torch.float32 if q.dtype in _HALF else q.dtype)
        if added.ndim < 2:  # the kernel asks for two dimensions
            added = added.expand(1, k.shape[-2])
        added = added if allowed is None else added.masked_fill(~allowed, -math.inf)
    shape = q.shape[:-1] + v.shape[-1:]
    if q.ndim != 4:  # the kernel's fast path takes four dimensions and no other number
        if added is not None:
            added = _four(added.expand(*q.shape[:-1], k.shape[-2]))
        q, k, v = _four(q), _four(k), _four(v)
    out = F.scaled_dot_product_attention(
        q, k, v, attn_mask=added, dropout_p=dropout, is_causal=plain, scale=scale,
        enable_gqa=q.shape[1] != k.shape[1],
    )  # fmt: skip
    return out.reshape(shape)


def _four(tensor: Tensor) -> Tensor:
    """(..., n, d) as (b, 1, n, d): all leading sizes become the batch."""
    return tensor.reshape(-1, 1, *tensor.shape[-2:])
