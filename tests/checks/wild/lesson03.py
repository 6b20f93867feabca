"""Wild code for split_heads, merge_heads and multi_head_attention."""
# ruff: noqa: E501

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange, repeat

from ._wild import Correct, Wild

# ------------------------------------------------------------------------ split_heads, wrong


def split_straight_view(x, heads):
    b, n, dim = x.shape
    return x.view(b, heads, n, dim // heads)


def split_reshape_minus_one(x, heads):
    return np.reshape(x, (x.shape[0], heads, x.shape[1], -1))


def split_head_size_first(x, heads):
    b, n, dim = x.shape
    return x.view(b, n, dim // heads, heads).permute(0, 3, 1, 2)


def split_einops_d_h(x, heads):
    return rearrange(x, "b n (d h) -> b h n d", h=heads)


def split_no_transpose(x, heads):
    batch_size, seq_len, d_model = x.size()
    head_dim = d_model // heads
    return x.reshape(batch_size, seq_len, heads, head_dim)


def split_wrong_transpose(x, heads):
    x = x.reshape(x.shape[0], x.shape[1], heads, -1)
    return x.transpose(2, 3)


def split_heads_leading(x, heads):
    b, n, dim = x.shape
    return x.view(b, n, heads, dim // heads).permute(2, 0, 1, 3)


def split_chunks_along_tokens(x, heads):
    return torch.stack(torch.chunk(x, heads, dim=1), dim=1)


def split_float_division(x, heads):
    b, n, dim = x.shape
    return x.view(b, n, heads, dim / heads).transpose(1, 2)


def split_heads_as_size(x, heads):
    b, n, dim = x.shape
    return x.reshape(b, n, dim // heads, heads).transpose(1, 2)


def split_first_slice_everywhere(x, heads):
    d = x.shape[-1] // heads
    return np.stack([x[..., :d] for h in range(heads)], axis=1)


def split_strided_slices(x, heads):
    return torch.stack([x[:, :, h::heads] for h in range(heads)], dim=1)


def split_whole_model_per_head(x, heads):
    """Every head looks at all of x."""
    return repeat(x, "b n d -> b h n d", h=heads)


def split_resize(x, heads):
    b, n, dim = x.shape
    x.shape = (b, n, heads, dim // heads)
    return x.transpose(0, 2, 1, 3)


# ------------------------------------------------------------------------ split_heads, right


def right_split_list(x, heads):
    d = x.shape[-1] // heads
    return np.array([[[list(t[h * d : h * d + d]) for t in ex] for h in range(heads)] for ex in x])


def right_split_einops(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


def right_split_chunk(x, heads):
    return torch.stack(x.chunk(heads, dim=-1), dim=1)


def right_split_unflatten(x, heads):
    return x.unflatten(-1, (heads, -1)).movedim(2, 1)


def right_split_np_split(x, heads):
    return np.stack(np.split(x, heads, axis=2), axis=1)


def right_split_selection_matrices(x, heads):
    dim = x.shape[-1]
    pick = torch.eye(dim, dtype=x.dtype).view(dim, heads, dim // heads)
    return torch.einsum("bnc,chd->bhnd", x, pick)


# ------------------------------------------------------------------------ merge_heads, wrong


def merge_reshape_only(x):
    b, h, n, d = x.shape
    return x.reshape(b, n, h * d)


def merge_contiguous_view(x):
    batch, heads, seq, dim = x.size()
    return x.contiguous().view(batch, seq, heads * dim)


def merge_swapped_then_wrong_order(x):
    return rearrange(x, "b h n d -> b n (d h)")


def merge_transpose_two_three(x):
    b, h, n, d = x.shape
    return x.transpose(0, 1, 3, 2).reshape(b, n, h * d)


def merge_sums_heads(x):
    return x.sum(dim=1)


def merge_mean_heads(x):
    return np.mean(x, axis=1)


def merge_view_after_transpose(x):
    b, h, n, d = x.shape
    return x.transpose(1, 2).view(b, n, h * d)


def merge_cat_batch(x):
    return torch.cat(list(x), dim=-1)


def merge_cat_tokens(x):
    return torch.cat([x[:, h] for h in range(x.shape[1])], dim=1)


def merge_permute_not_assigned(x):
    x.permute(0, 2, 1, 3)
    return x.reshape(x.shape[0], x.shape[2], -1)


def merge_heads_reversed(x):
    parts = []
    for h in range(x.shape[1]):
        parts.insert(0, x[:, h])
    return np.concatenate(parts, axis=-1)


# ------------------------------------------------------------------------ merge_heads, right


def right_merge_cat(x):
    return torch.cat(x.unbind(1), dim=-1)


def right_merge_flatten(x):
    return x.movedim(1, 2).flatten(start_dim=2)


def right_merge_einops(x):
    return rearrange(x, "b h n d -> b n (h d)")


def right_merge_hstack(x):
    return np.array([np.hstack(example) for example in x])


def right_merge_fill(x):
    b, h, n, d = x.shape
    out = np.zeros((b, n, h * d), dtype=x.dtype)
    for head in range(h):
        out[..., head * d : (head + 1) * d] = x[:, head]
    return out


# ----------------------------------------------------------------------- multi-head, wrong


def mha_view_split(x, w_q, w_k, w_v, w_o, heads, mask=None):
    bs, n, dim = x.shape
    q = (x @ w_q).view(bs, heads, n, dim // heads)
    k = (x @ w_k).view(bs, heads, n, dim // heads)
    v = (x @ w_v).view(bs, heads, n, dim // heads)
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return o.transpose(1, 2).reshape(bs, n, dim) @ w_o


def mha_view_merge(x, w_q, w_k, w_v, w_o, heads, mask=None):
    b, t, k = x.size()
    s = k // heads
    queries = (x @ w_q).view(b, t, heads, s).transpose(1, 2)
    keys = (x @ w_k).view(b, t, heads, s).transpose(1, 2)
    values = (x @ w_v).view(b, t, heads, s).transpose(1, 2)
    dot = queries @ keys.transpose(2, 3) / math.sqrt(s)
    if mask is not None:
        dot = dot.masked_fill(~mask, -1e9)
    out = F.softmax(dot, dim=-1) @ values
    return out.reshape(b, t, k) @ w_o


def mha_view_both_ways(x, w_q, w_k, w_v, w_o, heads, mask=None):
    b, n, dim = x.shape
    q, k, v = ((x @ w).reshape(b, heads, n, dim // heads) for w in (w_q, w_k, w_v))
    s = np.einsum("bhid,bhjd->bhij", q, k) / np.sqrt(dim // heads)
    if mask is not None:
        s = np.where(mask, s, -1e9)
    e = np.exp(s - s.max(-1, keepdims=True))
    o = np.einsum("bhij,bhjd->bhid", e / e.sum(-1, keepdims=True), v)
    return o.reshape(b, n, dim) @ w_o


def mha_model_size_scale(x, w_q, w_k, w_v, w_o, heads, mask=None):
    B, T, C = x.shape
    k = (x @ w_k).view(B, T, heads, C // heads).transpose(1, 2)
    q = (x @ w_q).view(B, T, heads, C // heads).transpose(1, 2)
    v = (x @ w_v).view(B, T, heads, C // heads).transpose(1, 2)
    wei = q @ k.transpose(-2, -1) * C**-0.5
    if mask is not None:
        wei = wei.masked_fill(mask == 0, float("-inf"))
    wei = F.softmax(wei, dim=-1)
    return (wei @ v).transpose(1, 2).contiguous().view(B, T, C) @ w_o


def mha_sqrt_heads(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    att = torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(heads)
    if mask is not None:
        att = att.masked_fill(~mask, -torch.inf)
    return rearrange(att.softmax(-1) @ v, "b h n d -> b n (h d)") @ w_o


def mha_no_scale(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)
    return rearrange(o, "b h n d -> b n (h d)") @ w_o


def mha_no_output_projection(x, w_q, w_k, w_v, w_o, heads, mask=None):
    outs = []
    for wq, wk, wv in zip(
        w_q.chunk(heads, 1), w_k.chunk(heads, 1), w_v.chunk(heads, 1), strict=True
    ):
        outs.append(F.scaled_dot_product_attention(x @ wq, x @ wk, x @ wv, attn_mask=mask))
    return torch.cat(outs, dim=-1)


def mha_linear_layout(x, w_q, w_k, w_v, w_o, heads, mask=None):
    b, n, dim = x.shape

    def project(w):
        layer = nn.Linear(dim, dim, bias=False, dtype=x.dtype)
        layer.weight.data = w.detach()
        return layer

    q, k, v = (project(w)(x).view(b, n, heads, -1).transpose(1, 2) for w in (w_q, w_k, w_v))
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return project(w_o)(o.transpose(1, 2).reshape(b, n, dim))


def mha_output_weight_transposed(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return F.linear(rearrange(o, "b h n d -> b n (h d)"), w_o)


def mha_d_h_split(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (d h) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return rearrange(o, "b h n d -> b n (d h)") @ w_o


def mha_splits_before_projecting(x, w_q, w_k, w_v, w_o, heads, mask=None):
    """Each head gets its slice of the embedding."""
    d = x.shape[-1] // heads
    out = []
    for h in range(heads):
        part = x[..., h * d : (h + 1) * d]
        block = slice(h * d, (h + 1) * d)
        q, k, v = part @ w_q[block, block], part @ w_k[block, block], part @ w_v[block, block]
        out.append(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
    return torch.cat(out, -1) @ w_o


def mha_shared_projection(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q = k = v = rearrange(x @ w_q, "b n (h d) -> b h n d", h=heads)
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return rearrange(o, "b h n d -> b n (h d)") @ w_o


def mha_key_is_query(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_q, w_v))
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return rearrange(o, "b h n d -> b n (h d)") @ w_o


def mha_mean_of_heads(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).mean(dim=1)
    return repeat(o, "b n d -> b n (h d)", h=heads) @ w_o


def mha_first_head_repeated(x, w_q, w_k, w_v, w_o, heads, mask=None):
    d = x.shape[-1] // heads
    head_outputs = []
    for _ in range(heads):
        q, k, v = x @ w_q[:, :d], x @ w_k[:, :d], x @ w_v[:, :d]
        s = q @ k.swapaxes(-1, -2) / np.sqrt(d)
        s = s if mask is None else np.where(mask, s, -np.inf)
        e = np.exp(s - s.max(-1, keepdims=True))
        head_outputs.append(e / e.sum(-1, keepdims=True) @ v)
    return np.concatenate(head_outputs, axis=-1) @ w_o


def mha_one_big_head(x, w_q, w_k, w_v, w_o, heads, mask=None):
    return F.scaled_dot_product_attention(x @ w_q, x @ w_k, x @ w_v, attn_mask=mask) @ w_o


def mha_attends_over_heads(x, w_q, w_k, w_v, w_o, heads, mask=None):
    """The transpose is missing, so heads attend to heads inside one token."""
    b, n, dim = x.shape
    q, k, v = ((x @ w).view(b, n, heads, dim // heads) for w in (w_q, w_k, w_v))
    s = q @ k.transpose(-2, -1) / math.sqrt(dim // heads)
    if mask is not None and mask.shape[-1] == heads:
        s = s.masked_fill(~mask, -torch.inf)
    return (s.softmax(-1) @ v).reshape(b, n, dim) @ w_o


def mha_fold_batch_unfold_wrong(x, w_q, w_k, w_v, w_o, heads, mask=None):
    b, n, dim = x.shape
    d = dim // heads

    def fold(t):
        return t.view(b, n, heads, d).permute(2, 0, 1, 3).reshape(heads * b, n, d)

    o = F.scaled_dot_product_attention(fold(x @ w_q), fold(x @ w_k), fold(x @ w_v), attn_mask=mask)
    return o.view(b, heads, n, d).transpose(1, 2).reshape(b, n, dim) @ w_o


def mha_softmax_over_heads(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    s = torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(q.shape[-1])
    if mask is not None:
        s = s.masked_fill(~mask, -1e9)
    o = torch.softmax(s, dim=1) @ v
    return rearrange(o, "b h n d -> b n (h d)") @ w_o


def mha_softmax_queries(x, w_q, w_k, w_v, w_o, heads, mask=None):
    b, n, dim = x.shape
    q, k, v = ((x @ w).reshape(b, n, heads, -1).swapaxes(1, 2) for w in (w_q, w_k, w_v))
    s = q @ k.swapaxes(2, 3) / math.sqrt(q.shape[-1])
    if mask is not None:
        s = np.where(mask, s, -1e9)
    e = np.exp(s)
    return (e / e.sum(2, keepdims=True) @ v).swapaxes(1, 2).reshape(b, n, dim) @ w_o


def mha_batch_is_sequence(x, w_q, w_k, w_v, w_o, heads, mask=None):
    """Written for (n, b, dim), the default of nn.MultiheadAttention."""
    n, b, dim = x.shape
    d = dim // heads
    q, k, v = ((x @ w).reshape(n, b * heads, d).transpose(0, 1) for w in (w_q, w_k, w_v))
    o = F.scaled_dot_product_attention(q, k, v)
    return o.transpose(0, 1).reshape(n, b, dim) @ w_o


def mha_module_default(x, w_q, w_k, w_v, w_o, heads, mask=None):
    m = nn.MultiheadAttention(x.shape[-1], heads, bias=False, dtype=x.dtype)
    m.in_proj_weight.data = torch.cat([w_q.T, w_k.T, w_v.T]).detach()
    m.out_proj.weight.data = w_o.T.detach()
    return m(x, x, x, need_weights=False)[0]


def mha_module_mask_meaning(x, w_q, w_k, w_v, w_o, heads, mask=None):
    """nn.MultiheadAttention reads True as hidden; its rows without keys come out as zeros."""
    m = nn.MultiheadAttention(x.shape[-1], heads, bias=False, batch_first=True, dtype=x.dtype)
    m.in_proj_weight.data = torch.cat([w_q.T, w_k.T, w_v.T]).detach()
    m.out_proj.weight.data = w_o.T.detach()
    return m(x, x, x, attn_mask=mask, need_weights=False)[0]


def mha_mask_ignored(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    p = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return rearrange(p @ v, "b h n d -> b n (h d)") @ w_o


def mha_inverted_mask(x, w_q, w_k, w_v, w_o, heads, mask=None):
    b, num_tokens, d_out = x.shape
    head_dim = d_out // heads
    keys = (x @ w_k).view(b, num_tokens, heads, head_dim).transpose(1, 2)
    values = (x @ w_v).view(b, num_tokens, heads, head_dim).transpose(1, 2)
    queries = (x @ w_q).view(b, num_tokens, heads, head_dim).transpose(1, 2)
    attn_scores = queries @ keys.transpose(2, 3)
    if mask is not None:
        attn_scores = torch.where(mask, -torch.inf, attn_scores)
    attn_weights = torch.softmax(attn_scores / head_dim**0.5, dim=-1)
    context = (attn_weights @ values).transpose(1, 2).reshape(b, num_tokens, d_out)
    return context @ w_o


def mha_last_head_wins(x, w_q, w_k, w_v, w_o, heads, mask=None):
    d = x.shape[-1] // heads
    out = np.zeros_like(x)
    for h in range(heads):
        c = slice(h * d, h * d + d)
        q, k, v = (x @ w_q)[..., c], (x @ w_k)[..., c], (x @ w_v)[..., c]
        s = q @ k.swapaxes(1, 2) / np.sqrt(d)
        if mask is not None:
            s = np.where(mask, s, -np.inf)
        e = np.exp(s - s.max(-1, keepdims=True))
        out[..., :d] = e / e.sum(-1, keepdims=True) @ v
    return out @ w_o


def mha_three_way_view(x, w_q, w_k, w_v, w_o, heads, mask=None):
    """qkv stored q | k | v, read as (heads, 3, d)."""
    b, n, dim = x.shape
    qkv = x @ torch.cat([w_q, w_k, w_v], dim=1)
    q, k, v = qkv.view(b, n, heads, 3, dim // heads).permute(3, 0, 2, 1, 4)
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return o.transpose(1, 2).reshape(b, n, dim) @ w_o


def mha_two_at_once(x, w_q, w_k, w_v, w_o, heads, mask=None):
    b, n, dim = x.shape
    q, k, v = ((x @ w).view(b, n, heads, -1).transpose(1, 2) for w in (w_q, w_k, w_v))
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=dim**-0.5)
    return o.reshape(b, n, dim) @ w_o


def mha_two_at_once_again(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    s = q @ k.transpose(-2, -1)
    if mask is not None:
        s = s.masked_fill(~mask, -1e9)
    return rearrange(s.softmax(-1) @ v, "b h n d -> b n (h d)")


def mha_no_wo_no_merge(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def mha_residual(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return x + rearrange(o, "b h n d -> b n (h d)") @ w_o


def mha_layer_norm(x, w_q, w_k, w_v, w_o, heads, mask=None):
    x = F.layer_norm(x, x.shape[-1:])
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return rearrange(o, "b h n d -> b n (h d)") @ w_o


def mha_view_without_contiguous(x, w_q, w_k, w_v, w_o, heads, mask=None):
    b, n, dim = x.shape
    q, k, v = ((x @ w).view(b, n, heads, -1).transpose(1, 2) for w in (w_q, w_k, w_v))
    s = q @ k.mT / math.sqrt(dim // heads)
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return (s.softmax(-1) @ v).transpose(1, 2).view(b, n, dim) @ w_o


def mha_dropout(x, w_q, w_k, w_v, w_o, heads, mask=None):
    q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=heads) for w in (w_q, w_k, w_v))
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=0.1)
    return rearrange(o, "b h n d -> b n (h d)") @ w_o


# ----------------------------------------------------------------------- multi-head, right


def right_mha_slices(x, w_q, w_k, w_v, w_o, heads, mask=None):
    """Sum over heads of head @ its rows of w_o; nothing is ever concatenated."""
    b, n, dim = x.shape
    d = dim // heads
    allowed = np.broadcast_to(np.True_ if mask is None else mask, (b, heads, n, n))
    total = np.zeros(x.shape)
    for h in range(heads):
        c = slice(h * d, (h + 1) * d)
        q, k, v = x @ w_q[:, c], x @ w_k[:, c], x @ w_v[:, c]
        s = np.where(allowed[:, h], q @ k.swapaxes(1, 2) / math.sqrt(d), -1e9)
        e = np.exp(s - s.max(2, keepdims=True))
        total += e / e.sum(2, keepdims=True) @ v @ w_o[c]
    return total


def right_mha_einsum_all(x, w_q, w_k, w_v, w_o, heads, mask=None):
    dim = x.shape[-1]
    q, k, v = (torch.einsum("bnc,chd->bhnd", x, w.reshape(dim, heads, -1)) for w in (w_q, w_k, w_v))
    s = torch.einsum("bhid,bhjd->bhij", q, k) * q.shape[-1] ** -0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    o = torch.einsum("bhij,bhjd->bihd", s.softmax(-1), v)
    return torch.einsum("bihd,hdc->bic", o, w_o.reshape(heads, -1, dim))


def right_mha_fused_qkv_sdpa(x, w_q, w_k, w_v, w_o, heads, mask=None):
    qkv = x @ torch.cat([w_q, w_k, w_v], dim=-1)
    q, k, v = rearrange(qkv, "b n (three h d) -> three b h n d", three=3, h=heads)
    o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return rearrange(o, "b h n d -> b n (h d)") @ w_o


def right_mha_folded_batch(x, w_q, w_k, w_v, w_o, heads, mask=None):
    b, n, dim = x.shape
    d = dim // heads
    q, k, v = (
        (x @ w).view(b, n, heads, d).transpose(1, 2).reshape(b * heads, n, d)
        for w in (w_q, w_k, w_v)
    )
    s = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(d)
    if mask is not None:
        s = s.masked_fill(~mask.expand(b, heads, n, n).reshape(b * heads, n, n), -1e9)
    o = torch.bmm(F.softmax(s, -1), v).view(b, heads, n, d)
    return o.permute(0, 2, 1, 3).contiguous().view(b, n, dim) @ w_o


def right_mha_heads_last(x, w_q, w_k, w_v, w_o, heads, mask=None):
    """Keeps (b, n, h, d) throughout; scores (b, i, j, h), softmax over axis 2."""
    b, n, dim = x.shape
    q, k, v = ((x @ w).reshape(b, n, heads, -1) for w in (w_q, w_k, w_v))
    s = np.einsum("bihd,bjhd->bijh", q, k) / np.sqrt(q.shape[-1])
    if mask is not None:
        s = np.where(np.moveaxis(np.broadcast_to(mask, (b, heads, n, n)), 1, 3), s, -np.inf)
    e = np.exp(s - s.max(2, keepdims=True))
    return np.einsum("bijh,bjhd->bihd", e / e.sum(2, keepdims=True), v).reshape(b, n, dim) @ w_o


def right_mha_module(x, w_q, w_k, w_v, w_o, heads, mask=None):
    weights = torch.cat([w_q.T, w_k.T, w_v.T])
    hidden = None
    if mask is not None:
        b, n = x.shape[:2]
        hidden = ~mask.expand(b, heads, n, n).reshape(b * heads, n, n)
    t = x.transpose(0, 1)
    y, _ = F.multi_head_attention_forward(
        t, t, t, x.shape[-1], heads, weights, None, None, None, False, 0.0, w_o.T, None,
        attn_mask=hidden, need_weights=False,
    )  # fmt: skip
    return y.transpose(0, 1)


_M = "multi_head_attention"

# fmt: off
WILD = [
    Wild("split_heads", split_straight_view, "view straight to (b, h, n, d) mixes several tokens into one head; view (b, n, h, d), then transpose", "C1"),
    Wild("split_heads", split_reshape_minus_one, "reshape to the final shape scrambles tokens and heads", "C1", lib="numpy"),
    Wild("split_heads", split_head_size_first, "(d, h) order: a valid layout elsewhere, here each head takes consecutive columns", "C5", outcome="convention"),
    Wild("split_heads", split_einops_d_h, "(d h) instead of (h d): another layout", "C5", outcome="convention"),
    Wild("split_heads", split_no_transpose, "still (b, n, h, d): heads must come before tokens", "other", "shape"),
    Wild("split_heads", split_wrong_transpose, "swaps heads with the head size, not tokens with heads", "other", "shape"),
    Wild("split_heads", split_heads_leading, "heads come first, before the batch", ("C4", "other"), "shape"),
    Wild("split_heads", split_chunks_along_tokens, "cuts the sequence into pieces, not the features", "other", "raises"),
    Wild("split_heads", split_float_division, "`/` gives a float; sizes need //", "other", "raises"),
    Wild("split_heads", split_heads_as_size, "heads and head size swapped: dim // heads heads of size `heads`", "other", "shape"),
    Wild("split_heads", split_first_slice_everywhere, "every head gets the first slice; h is not used", ("C11", "other"), lib="numpy"),
    Wild("split_heads", split_strided_slices, "each head takes every heads-th column: the (d, h) layout", "C5", outcome="convention"),
    Wild("split_heads", split_whole_model_per_head, "every head gets all features; d must be dim / heads", "other", "shape"),
    Wild("split_heads", split_resize, "assigning .shape changes the caller's array", "A15", "mutates", "notes", lib="numpy"),
    Wild("merge_heads", merge_reshape_only, "reshape without transposing first mixes tokens", "C2"),
    Wild("merge_heads", merge_contiguous_view, "contiguous() does not swap axes; transpose(1, 2) comes first", "C2"),
    Wild("merge_heads", merge_swapped_then_wrong_order, "(d h) instead of (h d): heads interleaved", "C5", outcome="convention"),
    Wild("merge_heads", merge_transpose_two_three, "swaps tokens with features instead of heads with tokens", ("C2", "other"), lib="numpy"),
    Wild("merge_heads", merge_sums_heads, "the heads are added up, not put side by side", ("C11", "other"), "shape"),
    Wild("merge_heads", merge_mean_heads, "the heads are averaged, not put side by side", "C11", "shape", lib="numpy"),
    Wild("merge_heads", merge_view_after_transpose, "view needs contiguous memory after a transpose; use reshape", "other", "raises"),
    Wild("merge_heads", merge_cat_batch, "joins the examples of the batch, not the heads", ("C4", "other"), "shape"),
    Wild("merge_heads", merge_cat_tokens, "heads are joined along the tokens", "other", "shape"),
    Wild("merge_heads", merge_permute_not_assigned, "permute returns a new tensor that was thrown away", "C2"),
    Wild("merge_heads", merge_heads_reversed, "the heads come out in reverse order", "other", lib="numpy"),
    Wild(_M, mha_view_split, "heads are made by view without a transpose, each mixes several tokens", "C1"),
    Wild(_M, mha_view_merge, "the heads are merged by reshape without a transpose", "C2"),
    Wild(_M, mha_view_both_ways, "both split and merge lack the transpose", ("C3", "C1", "C2"), lib="numpy"),
    Wild(_M, mha_model_size_scale, "scales by the model size instead of the head size", "C6", why="the single-head code of a lecture, with heads added"),
    Wild(_M, mha_sqrt_heads, "scales by the root of the number of heads", "C7"),
    Wild(_M, mha_no_scale, "scores are not divided by sqrt(d)", "A3"),
    Wild(_M, mha_no_output_projection, "w_o is never used", "C8"),
    Wild(_M, mha_linear_layout, "all weights are used transposed, as nn.Linear stores them", "C9"),
    Wild(_M, mha_output_weight_transposed, "w_o is used transposed", ("C9", "other")),
    Wild(_M, mha_d_h_split, "heads take every h-th column: another layout, so the weights do not fit", "C5", outcome="convention"),
    Wild(_M, mha_splits_before_projecting, "each head sees only its slice of x; the projections are sliced, not the input", "other"),
    Wild(_M, mha_shared_projection, "q, k and v are all made with w_q", "C11"),
    Wild(_M, mha_key_is_query, "keys are made with w_q", "C11"),
    Wild(_M, mha_mean_of_heads, "the heads are averaged instead of put side by side", "C11"),
    Wild(_M, mha_first_head_repeated, "every head uses the first head's columns", "C11", lib="numpy"),
    Wild(_M, mha_one_big_head, "one head over all features; heads is never used", "other", why="heads unused"),
    Wild(_M, mha_attends_over_heads, "transpose missing: inside each token heads attend to heads", ("other", "C1")),
    Wild(_M, mha_fold_batch_unfold_wrong, "folded as (h, b), unfolded as (b, h): examples and heads are mixed", "C4"),
    Wild(_M, mha_softmax_over_heads, "softmax over the heads", "A2"),
    Wild(_M, mha_softmax_queries, "softmax over the queries", "A1", lib="numpy"),
    Wild(_M, mha_batch_is_sequence, "reads (n, b, dim): attends across the batch", "C13"),
    Wild(_M, mha_module_default, "batch_first is missing: attends across the batch", "C13"),
    Wild(_M, mha_module_mask_meaning, "nn.MultiheadAttention reads True as hidden, so the mask is inverted", "B1"),
    Wild(_M, mha_mask_ignored, "the mask is never used", "B6"),
    Wild(_M, mha_inverted_mask, "the allowed keys are hidden", "B1", "nan"),
    Wild(_M, mha_last_head_wins, "each head overwrites the same columns", ("other", "C11"), lib="numpy"),
    Wild(_M, mha_three_way_view, "columns are q | k | v, but are read as (h, 3, d)", "C10"),
    Wild(_M, mha_two_at_once, "scales by the model size and merges without a transpose", ("C6", "C2"), pair=True),
    Wild(_M, mha_two_at_once_again, "scores are not scaled and w_o is never used", ("A3", "C8"), pair=True),
    Wild(_M, mha_no_wo_no_merge, "heads are neither merged nor projected", ("C8", "other"), "shape"),
    Wild(_M, mha_residual, "x is added; the residual belongs outside", "other"),
    Wild(_M, mha_layer_norm, "x is normalised first; the norm belongs outside", ("other", "C14")),
    Wild(_M, mha_view_without_contiguous, "view after transpose fails; reshape copies where needed", "other", "raises"),
    Wild(_M, mha_dropout, "dropout is active on every call", "G8", "unrepeatable"),
]

CORRECT = [
    Correct("split_heads", right_split_list, "numpy", "nested lists"),
    Correct("split_heads", right_split_einops, "torch", "einops"),
    Correct("split_heads", right_split_chunk, "torch", "chunk and stack"),
    Correct("split_heads", right_split_unflatten, "torch", "unflatten"),
    Correct("split_heads", right_split_np_split, "numpy", "np.split"),
    Correct("split_heads", right_split_selection_matrices, "torch", "einsum with an identity"),
    Correct("merge_heads", right_merge_cat, "torch", "cat of heads"),
    Correct("merge_heads", right_merge_flatten, "torch", "flatten"),
    Correct("merge_heads", right_merge_einops, "torch", "einops"),
    Correct("merge_heads", right_merge_hstack, "numpy", "hstack per example"),
    Correct("merge_heads", right_merge_fill, "numpy", "filled slice by slice"),
    Correct(_M, right_mha_slices, "numpy", "sum of projected heads"),
    Correct(_M, right_mha_einsum_all, "torch", "einsum with folded weights"),
    Correct(_M, right_mha_fused_qkv_sdpa, "torch", "one qkv matrix, einops, fused kernel"),
    Correct(_M, right_mha_folded_batch, "torch", "bmm on b*h"),
    Correct(_M, right_mha_heads_last, "numpy", "heads on the last axis"),
    Correct(_M, right_mha_module, "torch", "F.multi_head_attention_forward"),
]
# fmt: on
