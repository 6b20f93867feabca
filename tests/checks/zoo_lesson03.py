"""Correct ways of writing the exercises of lesson 03; each must pass."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

INF = float("inf")

# ------------------------------------------------------------------- split and merge


def split_loops(x, heads):
    b, n, dim = x.shape
    d = dim // heads
    out = torch.zeros(b, heads, n, d)
    for h in range(heads):
        for t in range(n):
            for f in range(d):
                out[:, h, t, f] = x[:, t, h * d + f]
    return out


def split_numpy_loops(x, heads):
    d = x.shape[-1] // heads
    out = np.zeros((x.shape[0], heads, x.shape[1], d))
    for h in range(heads):
        out[:, h] = np.asarray(x)[:, :, h * d : (h + 1) * d]
    return out


def split_by_index(x, heads):
    d = x.shape[-1] // heads
    place = torch.arange(heads)[:, None] * d + torch.arange(d)
    return x[:, :, place].movedim(2, 1)


SPLIT = [
    lambda x, heads: x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2),
    lambda x, heads: x.reshape(*x.shape[:2], heads, x.shape[2] // heads).permute(0, 2, 1, 3),
    lambda x, heads: rearrange(x, "b n (h d) -> b h n d", h=heads),
    lambda x, heads: torch.stack(x.chunk(heads, dim=-1), dim=1),
    lambda x, heads: torch.stack(x.split(x.shape[-1] // heads, -1)).transpose(0, 1),
    lambda x, heads: torch.cat([p[:, None] for p in x.tensor_split(heads, 2)], 1),
    lambda x, heads: x.unflatten(-1, (heads, -1)).swapaxes(1, 2),
    lambda x, heads: np.stack(np.split(x, heads, axis=-1), axis=1),
    lambda x, heads: x.reshape(x.shape[0], x.shape[1], heads, -1).swapaxes(1, 2),
    lambda x, heads: np.transpose(x.reshape(len(x), x.shape[1], heads, -1), (0, 2, 1, 3)),
    lambda x, heads: torch.stack([row.reshape(len(row), heads, -1).transpose(0, 1) for row in x]),
    lambda x, heads: x.unfold(-1, x.shape[-1] // heads, x.shape[-1] // heads).transpose(1, 2),
    lambda x, num_heads: x.view(x.size(0), x.size(1), num_heads, -1).movedim(2, 1).contiguous(),
    split_loops, split_numpy_loops, split_by_index,
]  # fmt: skip


def merge_loops(x):
    b, h, n, d = x.shape
    out = torch.zeros(b, n, h * d)
    for i in range(h):
        for f in range(d):
            out[:, :, i * d + f] = x[:, i, :, f]
    return out


def merge_numpy_loops(x):
    b, h, n, d = x.shape
    out = np.zeros((b, n, h * d))
    for i in range(b):
        for t in range(n):
            out[i, t] = np.concatenate([x[i, head, t] for head in range(h)])
    return out


def merge_contiguous(x):
    b, h, n, d = x.shape
    return x.transpose(1, 2).contiguous().view(b, n, h * d)


MERGE = [
    lambda x: x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1),
    lambda x: x.permute(0, 2, 1, 3).flatten(2),
    lambda x: x.transpose(1, 2).flatten(-2),
    lambda x: rearrange(x, "b h n d -> b n (h d)"),
    lambda x: torch.cat(x.unbind(1), dim=-1),
    lambda x: torch.cat([x[:, h] for h in range(x.shape[1])], -1),
    lambda x: torch.hstack([*x.movedim(1, 0).mT]).mT,
    lambda x: np.concatenate([x[:, h] for h in range(x.shape[1])], axis=-1),
    lambda x: x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], x.shape[1] * x.shape[3]),
    lambda x: np.moveaxis(x, 1, 2).reshape(x.shape[0], x.shape[2], -1),
    lambda x: torch.stack([torch.cat([*row], -1) for row in x]),
    lambda x: torch.einsum("bhnd->bnhd", x).reshape(x.size(0), x.size(2), -1),
    merge_loops, merge_numpy_loops, merge_contiguous,
]  # fmt: skip

# -------------------------------------------------------------- multi-head attention


def heads_of(x, heads):
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


def back(x):
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], -1)


def plain(q, k, v, mask, fill=-INF):
    s = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return (s if mask is None else s.masked_fill(~mask, fill)).softmax(-1) @ v


def with_attention(attend):
    def fn(x, w_q, w_k, w_v, w_o, heads, mask=None):
        q, k, v = (heads_of(x @ w, heads) for w in (w_q, w_k, w_v))
        return back(attend(q, k, v, mask)) @ w_o

    return fn


def mha_tuple(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (heads_of(x @ w, heads) for w in (w_q, w_k, w_v))
    s = q @ k.mT / q.shape[-1] ** 0.5
    w = (s if mask is None else s.masked_fill(~mask, -INF)).softmax(-1)
    return back(w @ v) @ w_o, w


def mha_loop_over_heads(x, w_q, w_k, w_v, w_o, heads, mask=None):
    d = x.shape[-1] // heads
    outs = []
    for h in range(heads):
        part = slice(h * d, (h + 1) * d)
        outs.append(plain(x @ w_q[:, part], x @ w_k[:, part], x @ w_v[:, part], mask))
    return torch.cat(outs, -1) @ w_o


def mha_sum_over_heads(x, w_q, w_k, w_v, w_o, heads, mask=None):
    d = x.shape[-1] // heads
    out = torch.zeros_like(x)
    for q, k, v, o in zip(*(w.split(d, 1) for w in (w_q, w_k, w_v)), w_o.split(d, 0), strict=True):
        out = out + plain(x @ q, x @ k, x @ v, mask) @ o
    return out


def mha_einsum(x, w_q, w_k, w_v, w_o, heads, mask=None):
    cut = [w.unflatten(1, (heads, -1)) for w in (w_q, w_k, w_v)]
    q, k, v = (torch.einsum("bnc,chd->bhnd", x, w) for w in cut)
    s = torch.einsum("bhid,bhjd->bhij", q, k) * q.shape[-1] ** -0.5
    if mask is not None:
        s = torch.where(mask[None, None], s, -INF)
    o = torch.einsum("bhij,bhjd->bihd", s.softmax(-1), v)
    return torch.einsum("bihd,hdc->bic", o, w_o.unflatten(0, (heads, -1)))


def mha_folded(x, w_q, w_k, w_v, w_o, heads, mask=None):
    b, n, dim = x.shape
    q, k, v = (heads_of(x @ w, heads).reshape(b * heads, n, -1) for w in (w_q, w_k, w_v))
    o = plain(q, k, v, mask)
    return o.reshape(b, heads, n, -1).transpose(1, 2).reshape(b, n, dim) @ w_o


def mha_fused_projection(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (x @ torch.cat([w_q, w_k, w_v], 1)).chunk(3, -1)
    q, k, v = (heads_of(t, heads) for t in (q, k, v))
    return back(F.scaled_dot_product_attention(q, k, v, attn_mask=mask)) @ w_o


def mha_einops(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    return rearrange(plain(q, k, v, mask), "b h n d -> b n (h d)") @ w_o


def mha_numpy(x, w_q, w_k, w_v, w_o, heads, mask=None):
    b, n, dim = x.shape
    q, k, v = (
        (x @ w).reshape(b, n, heads, dim // heads).transpose(0, 2, 1, 3) for w in (w_q, w_k, w_v)
    )
    s = q @ k.transpose(0, 1, 3, 2) / np.sqrt(dim / heads)
    if mask is not None:
        s = np.where(mask, s, -1e9)
    e = np.exp(s - s.max(-1, keepdims=True))
    o = e / e.sum(-1, keepdims=True) @ v
    return o.transpose(0, 2, 1, 3).reshape(b, n, dim) @ w_o


def mha_module(x, w_q, w_k, w_v, w_o, heads, mask=None):
    layer = torch.nn.MultiheadAttention(x.shape[-1], heads, bias=False, batch_first=True)
    layer.to(x.dtype)
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.cat([w_q.T, w_k.T, w_v.T]))
        layer.out_proj.weight.copy_(w_o.T)
    return layer(x, x, x, attn_mask=None if mask is None else ~mask, need_weights=False)[0]


def mha_float64(x, w_q, w_k, w_v, w_o, heads, mask=None):
    args = [t.double() for t in (x, w_q, w_k, w_v, w_o)]
    return mha_folded(*args, heads, mask).to(x.dtype)


def renormalised(q, k, v, mask):
    w = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    w = w if mask is None else w * mask / (w * mask).sum(-1, keepdim=True)
    return w @ v


MULTI_HEAD = [
    with_attention(plain),
    with_attention(lambda q, k, v, mask: plain(q, k, v, mask, -1e9)),
    with_attention(lambda q, k, v, mask: plain(q, k, v, mask, torch.finfo(q.dtype).min)),
    with_attention(lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask)),
    with_attention(renormalised),
    mha_tuple, mha_loop_over_heads, mha_sum_over_heads, mha_einsum, mha_folded,
    mha_fused_projection, mha_einops, mha_numpy, mha_module, mha_float64,
]  # fmt: skip

STYLES = {"split_heads": SPLIT, "merge_heads": MERGE, "multi_head_attention": MULTI_HEAD}

# Which entries of the catalogue of mistakes a name stands for (for `test_wild.py`).
FAMILIES = {
    "split_by_view": "C1", "merge_by_view": "C2", "split_and_merge_by_view": "C3 C1 C2",
    "heads_before_batch": "C4", "heads_folded_into_batch": "C4", "batch_mixed_in": "C4",
    "heads_and_batch_unfolded_wrongly": "C4", "heads_interleaved": "C5",
    "split_interleaved": "C5", "merge_interleaved": "C5", "scale_sqrt_heads": "C7",
    "no_output_projection": "C8", "output_projection_transposed": "C9",
    "projections_transposed": "C9", "columns_read_by_head": "C10", "mean_of_heads": "C11",
    "sum_of_heads": "C11", "one_head_repeated": "C11", "attention_over_batch": "C13",
    "wrong_axes_swapped": "C2",
}  # fmt: skip
