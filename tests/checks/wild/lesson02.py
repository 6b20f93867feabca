"""Wild code for softmax, scaled_dot_product_attention and self_attention."""
# ruff: noqa: E501

from __future__ import annotations

import math
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import einsum as eins
from einops import rearrange

from ._wild import Correct, Wild

# --------------------------------------------------------------------------- softmax, wrong


def softmax_textbook(scores):
    exps = torch.exp(scores)
    return exps / exps.sum(dim=-1, keepdim=True)


def softmax_np_textbook(x):
    return np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)


def softmax_no_keepdims(scores):
    e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return e / e.sum(axis=-1)


def softmax_axis_zero(scores):
    # worked for my 1-D vector
    e = np.exp(scores - scores.max(axis=0))
    return e / e.sum(axis=0)


def softmax_over_everything(scores):
    e = torch.exp(scores - scores.max())
    return e / e.sum()


def softmax_dim1(scores):
    return F.softmax(scores, dim=1) if scores.dim() > 2 else F.softmax(scores, dim=0)


def softmax_log(scores):
    m = scores.max(-1, keepdim=True).values
    return scores - m - torch.log(torch.exp(scores - m).sum(-1, keepdim=True))


def softmax_min_shift(scores):
    shifted = scores - scores.min(dim=-1, keepdim=True)[0]
    return torch.exp(shifted) / torch.exp(shifted).sum(-1, keepdim=True)


def softmax_max_tuple(scores):
    biggest = scores.max(dim=-1, keepdim=True)
    e = (scores - biggest).exp()
    return e / e.sum(-1, keepdim=True)


def softmax_shift_only_on_top(scores):
    top = torch.exp(scores - scores.amax(-1, keepdim=True))
    bottom = torch.exp(scores).sum(-1, keepdim=True)
    return top / bottom


def softmax_base_two(scores):
    z = scores - scores.amax(-1, keepdim=True)
    return 2**z / (2**z).sum(-1, keepdim=True)


def softmax_plain_ratio(x):
    total = x.sum(axis=-1, keepdims=True)
    return x / total


def softmax_sigmoid(scores):
    return torch.sigmoid(scores)


def softmax_epsilon(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / (e.sum(-1, keepdims=True) + 0.1)


def softmax_unfinished(scores):
    biggest = scores.max(dim=-1, keepdim=True).values
    weights = torch.exp(scores - biggest)
    weights = weights / weights.sum(dim=-1, keepdim=True)


def softmax_exp_only(scores):
    return torch.exp(scores - scores.max(dim=-1, keepdim=True).values)


def softmax_max_over_all_then_rows(scores):
    # right for friendly rows; far-away rows underflow to 0/0
    e = np.exp(scores - np.max(scores))
    return e / np.sum(e, axis=-1, keepdims=True)


def softmax_in_place(scores):
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def softmax_never_ends(scores):
    out = torch.zeros_like(scores)
    row = 0
    while row < scores.shape[0]:
        out[row] = torch.softmax(scores[row], -1)
    return out


# --------------------------------------------------------------------------- softmax, right


def softmax_list_comprehension(scores):
    flat = scores.reshape(-1, scores.shape[-1])
    rows = []
    for row in flat:
        top = max(float(s) for s in row)
        e = [math.exp(float(s) - top) for s in row]
        rows.append([a / sum(e) for a in e])
    return np.array(rows).reshape(scores.shape)


def softmax_via_logsumexp(scores):
    return (scores - scores.logsumexp(-1, keepdim=True)).exp()


def softmax_clip_free_module(scores):
    return nn.Softmax(dim=-1)(scores)


def softmax_transposed(x):
    t = np.moveaxis(x, -1, 0)
    e = np.exp(t - t.max(axis=0))
    return np.moveaxis(e / e.sum(axis=0), 0, -1)


def softmax_online(scores):
    """One pass with a running maximum, as in flash attention."""
    m = torch.full(scores.shape[:-1], -math.inf, dtype=scores.dtype)
    total = torch.zeros(scores.shape[:-1], dtype=scores.dtype)
    for s in scores.unbind(-1):
        new = torch.maximum(m, s)
        total = total * torch.exp(m - new) + torch.exp(s - new)
        m = new
    return torch.exp(scores - m[..., None]) / total[..., None]


def softmax_base_two_right(scores):
    s = scores * np.log2(np.e)
    p = np.exp2(s - s.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def softmax_pairwise(scores):
    """w_i = 1 / sum_j exp(s_j - s_i); overflow to inf is harmless, 1/inf is 0."""
    difference = scores[..., None, :] - scores[..., :, None]
    return 1 / torch.exp(difference).sum(-1)


# ------------------------------------------------------------------- attention, wrong: scores


def attention_annotated_dim1(query, key, value, mask=None):
    """Softmax over 'dim=1', copied from a (seq, seq, batch, heads) code base."""
    scores = torch.einsum("bhid,bhjd->bhij", query, key) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=1) @ value


def attention_softmax_queries(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    p_attn = F.softmax(scores, dim=-2)
    return torch.matmul(p_attn, v), p_attn


def attention_axis_default_numpy(Q, K, V, mask=None):
    d_k = Q.shape[-1]
    S = np.matmul(Q, np.swapaxes(K, -1, -2)) / np.sqrt(d_k)
    if mask is not None:
        S = np.where(mask, S, -1e9)
    E = np.exp(S - S.max())
    A = E / E.sum()
    return np.matmul(A, V)


def attention_no_scale(q, k, v, mask=None):
    s = torch.einsum("... i d, ... j d -> ... i j", q, k)
    if mask is not None:
        s = torch.where(mask, s, torch.tensor(-torch.inf, dtype=s.dtype))
    return torch.einsum("... i j, ... j d -> ... i d", s.softmax(-1), v)


def attention_divides_by_dk(q, k, v, mask=None):
    scores = torch.matmul(q, k.mT) / k.shape[-1]
    if mask is not None:
        scores.masked_fill_(mask.logical_not(), torch.finfo(scores.dtype).min)
    return torch.matmul(torch.softmax(scores, dim=-1), v)


def attention_scale_attr(q, k, v, mask=None):
    class Attn:
        scale = q.shape[-1] ** -0.5

        def __call__(self):
            sim = (q @ k.transpose(-1, -2)) / self.scale
            if mask is not None:
                sim = sim.masked_fill(~mask, -torch.inf)
            return sim.softmax(-1) @ v

    return Attn()()


def attention_sqrt_seq_len(q, k, v, mask=None):
    T = q.shape[-2]
    att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(T))
    if mask is not None:
        att = att.masked_fill(~mask, float("-inf"))
    return F.softmax(att, dim=-1) @ v


def attention_sqrt_dv(Q, K, V, mask=None):
    scale = np.sqrt(V.shape[-1])
    logits = Q @ np.swapaxes(K, -1, -2) / scale
    logits = logits if mask is None else np.where(mask, logits, -np.inf)
    w = np.exp(logits - logits.max(-1, keepdims=True))
    w /= w.sum(-1, keepdims=True)
    return w @ V


def attention_hard_coded_eight(q, k, v, mask=None):
    # sqrt(64) = 8, as in the paper
    scores = q @ k.transpose(-2, -1) / 8
    if mask is not None:
        scores = scores.masked_fill(mask == False, -1e20)  # noqa: E712
    return scores.softmax(dim=-1) @ v


def attention_scaled_twice(q, k, v, mask=None):
    q = q / math.sqrt(q.shape[-1])
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(-1) @ v


def attention_scale_after_softmax(q, k, v, mask=None):
    w = q @ k.transpose(-2, -1)
    if mask is not None:
        w = w.masked_fill(~mask, float("-inf"))
    w = torch.softmax(w, dim=-1) / np.sqrt(q.shape[-1])
    return w @ v, w


def attention_forgot_transpose(q, k, v, mask=None):
    scores = np.dot(q, k) if q.ndim == 2 else np.matmul(q, k)
    scores = scores / np.sqrt(k.shape[-1])
    if mask is not None:
        scores = scores + np.where(mask, 0, -1e9)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)) @ v


def attention_view_for_transpose(q, k, v, mask=None):
    b, h, m, d = k.shape
    scores = q @ k.reshape(b, h, d, m) / d**0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    return scores.softmax(-1) @ v


def attention_T_reverses_all_axes(q, k, v, mask=None):
    # .T looked so convenient
    scores = q @ k.T / np.sqrt(q.shape[-1])
    if mask is not None:
        scores[~mask] = -np.inf
    w = np.exp(scores)
    return w / w.sum(-1, keepdims=True) @ v


def attention_key_query_order(q, k, v, mask=None):
    s = torch.einsum("bhid,bhjd->bhij", k, q) / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return torch.einsum("bhij,bhjd->bhid", s.softmax(-1), v)


def attention_no_softmax(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores * mask
    return scores @ v


def attention_relu_normalised(q, k, v, mask=None):
    s = torch.relu(q @ k.mT / q.shape[-1] ** 0.5)
    if mask is not None:
        s = s * mask
    return s / (s.sum(-1, keepdim=True) + 1e-9) @ v


def attention_sigmoid_weights(q, k, v, mask=None):
    s = (q @ k.mT / math.sqrt(q.shape[-1])).sigmoid()
    if mask is not None:
        s = s.masked_fill(~mask, 0.0)
    return s @ v, s


def attention_softmax_twice(q, k, v, mask=None):
    def attention_weights(a, b):
        s = a @ b.transpose(-1, -2) / a.shape[-1] ** 0.5
        if mask is not None:
            s = s.masked_fill(~mask, float("-inf"))
        return F.softmax(s, -1)

    weights = attention_weights(q, k)
    return F.softmax(weights, dim=-1) @ v


def attention_log_softmax(q, k, v, mask=None):
    s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -1e9)
    return F.log_softmax(s, dim=-1) @ v


def attention_exp_unnormalised(q, k, v, mask=None):
    out = np.zeros(q.shape[:-1] + v.shape[-1:])
    b, h, n, d = q.shape
    allowed = np.ones((b, h, n, k.shape[2]), bool) if mask is None else mask
    allowed = np.broadcast_to(allowed, (b, h, n, k.shape[2]))
    for bi in range(b):
        for hi in range(h):
            for i in range(n):
                for j in range(k.shape[2]):
                    if allowed[bi, hi, i, j]:
                        a = np.exp(q[bi, hi, i].dot(k[bi, hi, j]) / np.sqrt(d))
                        out[bi, hi, i] += a * v[bi, hi, j]
    return out


def attention_cosine(q, k, v, mask=None):
    q = F.normalize(q, dim=-1)
    k = F.normalize(k, dim=-1)
    s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


def attention_hard(q, k, v, mask=None):
    s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return F.one_hot(s.argmax(-1), k.shape[-2]).to(v.dtype) @ v


# ------------------------------------------------------------------- attention, wrong: values


def attention_weights_only(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    attention = F.softmax(scores, dim=-1)
    return attention


def attention_times_keys(query, key, value, mask=None):
    energy = torch.einsum("bhqd,bhkd->bhqk", query, key) / query.shape[-1] ** 0.5
    if mask is not None:
        energy = energy.masked_fill(mask == 0, float("-1e20"))
    attention = torch.softmax(energy, dim=3)
    return torch.einsum("bhql,bhld->bhqd", attention, key)


def attention_weights_transposed(q, k, v, mask=None):
    w = (q @ k.transpose(-2, -1)) / q.shape[-1] ** 0.5
    if mask is not None:
        w = w.masked_fill(~mask, -torch.inf)
    w = w.softmax(-1)
    return torch.einsum("bhji,bhjd->bhid", w, v)


def attention_mean_instead_of_sum(q, k, v, mask=None):
    s = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if mask is not None:
        s = np.where(mask, s, -1e30)
    w = np.exp(s - s.max(-1, keepdims=True))
    w = w / w.sum(-1, keepdims=True)
    return (w[..., None] * v[..., None, :, :]).mean(axis=-2)


def attention_swapped_tuple(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    w = s.softmax(-1)
    return w, w @ v


def attention_output_transposed(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return (s.softmax(-1) @ v).transpose(1, 2)


def attention_residual_inside(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    out = s.softmax(-1) @ v
    return out + q if out.shape == q.shape else out


def attention_last_key_forgotten(q, k, v, mask=None):
    b, h, n, d = q.shape
    m = k.shape[2]
    scores = torch.full((b, h, n, m), -torch.inf, dtype=q.dtype)
    for j in range(m - 1):
        scores[..., j] = (q * k[:, :, j : j + 1]).sum(-1) / d**0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(-1) @ v


def attention_loop_first_head_only(q, k, v, mask=None):
    out = np.zeros((*q.shape[:-1], v.shape[-1]))
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            s = q[b, 0] @ k[b, 0].T / np.sqrt(q.shape[-1])
            if mask is not None:
                m = mask if mask.ndim == 2 else mask[b, 0]
                s = np.where(m, s, -np.inf)
            e = np.exp(s - s.max(1, keepdims=True))
            out[b, h] = e / e.sum(1, keepdims=True) @ v[b, h]
    return out


# ------------------------------------------------------------------- attention, wrong: masks


def attention_mask_inverted(q, k, v, mask=None):
    attn_scores = q @ k.transpose(2, 3)
    if mask is not None:
        mask_bool = mask.bool()
        attn_scores = attn_scores.masked_fill(mask_bool, -torch.inf)
    attn_weights = torch.softmax(attn_scores / k.shape[-1] ** 0.5, dim=-1)
    return attn_weights @ v


def attention_mask_inverted_finite(Q, K, V, mask=None):
    S = Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])
    if mask is not None:
        S = S + mask * -1e9
    P = np.exp(S - S.max(-1, keepdims=True))
    return P / P.sum(-1, keepdims=True) @ V


def attention_fill_zero(q, k, v, mask=None):
    sim = torch.einsum("b h i d, b h j d -> b h i j", q, k) * (q.shape[-1] ** -0.5)
    if mask is not None:
        sim = sim.masked_fill(~mask, 0)
    attn = sim.softmax(dim=-1)
    return torch.einsum("b h i j, b h j d -> b h i d", attn, v)


def attention_scores_times_mask(q, k, v, mask=None):
    scores = np.einsum("bhid,bhjd->bhij", q, k) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores * mask
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("bhij,bhjd->bhid", e / e.sum(-1, keepdims=True), v)


def attention_small_fill(q, k, v, mask=None):
    scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(q.size(-1))
    if mask is not None:
        scores = scores.masked_fill(mask == 0, 1e-9)
    return torch.matmul(scores.softmax(-1), v)


def attention_fill_minus_one(q, k, v, mask=None):
    scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(q.size(-1))
    if mask is not None:
        scores = torch.where(mask, scores, -torch.ones_like(scores))
    return torch.matmul(scores.softmax(-1), v)


def attention_mask_after_softmax(q, k, v, mask=None):
    att = F.softmax(q @ k.transpose(-2, -1) / math.sqrt(k.size(-1)), dim=-1)
    if mask is not None:
        att = att * mask
    return att @ v, att


def attention_mask_after_with_inf(q, k, v, mask=None):
    att = F.softmax(q @ k.transpose(-2, -1) / math.sqrt(k.size(-1)), dim=-1)
    if mask is not None:
        att = att.masked_fill(~mask, -torch.inf)
    return att @ v


def attention_bool_added(q, k, v, mask=None):
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if mask is not None:
        scores += mask
    return torch.softmax(scores, -1) @ v


def attention_bool_added_numpy(q, k, v, mask=0):
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]) + (0 if mask is None else mask)
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True) @ v


def attention_fill_thrown_away(q, k, v, mask=None):
    dots = torch.einsum("bhid,bhjd->bhij", q, k) * q.shape[-1] ** -0.5
    if mask is not None:
        dots.masked_fill(~mask, -torch.finfo(dots.dtype).max)
    return torch.einsum("bhij,bhjd->bhid", dots.softmax(dim=-1), v)


def attention_mask_argument_ignored(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v)


def attention_mask_transposed(q, k, v, mask=None):
    s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask.transpose(-1, -2), -torch.inf)
    return s.softmax(-1) @ v


def attention_one_minus_mask_inf(q, k, v, mask=None):
    s = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if mask is not None:
        s = s + (1 - mask) * -np.inf
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def attention_always_causal(q, k, v, mask=None):
    n, m = q.shape[-2], k.shape[-2]
    s = q @ k.mT / q.shape[-1] ** 0.5
    s = s.masked_fill(torch.ones(n, m).triu(1).bool(), -torch.inf)
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


def attention_masks_query_vectors(q, k, v, mask=None):
    if mask is not None and mask.shape[-1] == v.shape[-2]:
        v = v * mask.any(-2)[..., None]
    return F.scaled_dot_product_attention(q, k, v)


def attention_truthy_mask(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


def attention_sdpa_float_mask(q, k, v, mask=None):
    mask = None if mask is None else mask.to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


# ------------------------------------------------------------------- attention, wrong: the rest


def attention_no_return(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    output = scores.softmax(-1) @ v  # noqa: F841


def attention_prints(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    print(scores.softmax(-1) @ v)


def attention_undefined_name(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / math.sqrt(d_k)  # noqa: F821
    return scores.softmax(-1) @ v


def attention_no_mask_parameter(q, k, v):
    return torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]), -1) @ v


def attention_dropout(q, k, v, mask=None, p=0.1):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return F.dropout(s.softmax(-1), p=p) @ v


def attention_dropout_layer(q, k, v, mask=None):
    return nn.Dropout(0.2)(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))


def attention_sdpa_dropout(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=0.1)


def attention_fresh_projection(q, k, v, mask=None):
    w = nn.Linear(q.shape[-1], q.shape[-1]).to(q.dtype)
    return F.scaled_dot_product_attention(w(q), w(k), v, attn_mask=mask)


def attention_half_precision(q, k, v, mask=None):
    out = F.scaled_dot_product_attention(q.half(), k.half(), v.half(), attn_mask=mask)
    return out.to(q.dtype)


def attention_integer_scale(q, k, v, mask=None):
    scale = int(math.sqrt(q.shape[-1] + 2))
    s = q @ k.mT // scale
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


def attention_sleeps(q, k, v, mask=None):
    while time.time() > 0:
        scores = q @ k.transpose(-2, -1)
    return scores @ v


def attention_random(q, k, v, mask=None):
    return torch.rand(*q.shape[:-1], v.shape[-1])


def attention_returns_values(q, k, v, mask=None):
    return v


def attention_python_list(q, k, v, mask=None):
    s = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if mask is not None:
        s = np.where(mask, s, -1e9)
    e = np.exp(s)
    return [
        [(e[b, h] / e[b, h].sum(0)) @ v[b, h] for h in range(q.shape[1])] for b in range(len(q))
    ]


def attention_two_at_once(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(mask, -1e9)
    return torch.softmax(scores, -1) @ v


def attention_two_at_once_axis(q, k, v, mask=None):
    s = q @ k.transpose(-2, -1) / q.shape[-1]
    if mask is not None:
        s = s.masked_fill(~mask, -1e9)
    return s.softmax(-2) @ v


# right numbers, but something deserves a word


def attention_scales_callers_q(q, k, v, mask=None):
    q /= math.sqrt(q.shape[-1])
    s = q @ k.transpose(-2, -1)
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return s.softmax(-1) @ v


def attention_flips_callers_mask(q, k, v, mask=None):
    s = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if mask is not None:
        np.logical_not(mask, out=mask)
        s[np.broadcast_to(mask, s.shape)] = -1e9
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def attention_through_numpy(q, k, v, mask=None):
    a, b, c = (t.detach().numpy() for t in (q, k, v))
    s = a @ b.swapaxes(-1, -2) / np.sqrt(a.shape[-1])
    if mask is not None:
        s = np.where(mask.numpy(), s, -1e9)
    e = np.exp(s - s.max(-1, keepdims=True))
    return torch.from_numpy(e / e.sum(-1, keepdims=True) @ c)


def attention_data_attribute(q, k, v, mask=None):
    weights = (q.data @ k.data.mT) / q.shape[-1] ** 0.5
    if mask is not None:
        weights = weights.masked_fill(~mask, -1e9)
    return weights.softmax(-1) @ v.data


def attention_overflowing_exp(q, k, v, mask=None):
    e = torch.exp(q @ k.mT / q.shape[-1] ** 0.5)
    if mask is not None:
        e = e * mask
    return e / e.sum(-1, keepdim=True) @ v


def attention_uniform_when_empty(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = torch.where(mask, s, torch.finfo(s.dtype).min)
    return s.softmax(-1) @ v


def attention_nan_when_empty(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(mask == 0, -math.inf)
    return s.softmax(-1) @ v


# ------------------------------------------------------------------------- attention, right


def right_attention_four_loops(q, k, v, mask=None):
    lead, n, m = q.shape[:-2], q.shape[-2], k.shape[-2]
    allowed = np.broadcast_to(np.True_ if mask is None else mask, (*lead, n, m))
    result = np.zeros((*lead, n, v.shape[-1]))
    for at in np.ndindex(*lead):
        for i in range(n):
            e = []
            for j in range(m):
                dot = 0.0
                for a, b in zip(q[at][i], k[at][j], strict=True):
                    dot += a * b
                e.append(math.exp(dot / math.sqrt(q.shape[-1])) if allowed[at][i, j] else 0.0)
            for j in range(m):
                if sum(e) > 0:
                    result[at][i] += e[j] / sum(e) * v[at][j]
    return result


def right_attention_sdpa(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def right_attention_sdpa_bias(q, k, v, mask=None):
    bias = None
    if mask is not None:
        bias = torch.zeros(mask.shape, dtype=q.dtype).masked_fill(~mask, -1e9)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def right_attention_einops(q, k, v, mask=None):
    s = eins(q, k, "... i d, ... j d -> ... i j") / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.finfo(s.dtype).max)
    return eins(s.softmax(-1), v, "... i j, ... j e -> ... i e")


def right_attention_tuple_numpy(Q, K, V, mask=None):
    S = np.einsum("...id,...jd->...ij", Q, K) / np.sqrt(Q.shape[-1])
    S = S if mask is None else np.where(mask, S, -np.inf)
    W = np.exp(S - S.max(axis=-1, keepdims=True))
    W /= W.sum(axis=-1, keepdims=True)
    return np.einsum("...ij,...je->...ie", W, V), W


def right_attention_prescaled_quarter(q, k, v, mask=None):
    root = q.shape[-1] ** 0.25
    s = (q / root) @ (k / root).transpose(-2, -1)
    s = s if mask is None else s.masked_fill(torch.logical_not(mask), -torch.inf)
    return torch.softmax(s, dim=-1) @ v


def right_attention_mask_then_renormalise(q, k, v, mask=None):
    w = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1)
    if mask is not None:
        w = w * mask
        w = w / w.sum(-1, keepdim=True)
    return w @ v, w


def right_attention_multiplicative_exp(q, k, v, mask=None):
    s = q @ np.swapaxes(k, -1, -2) * q.shape[-1] ** -0.5
    e = np.exp(s - s.max(-1, keepdims=True))
    if mask is not None:
        e = e * mask
    return (e @ v) / e.sum(-1, keepdims=True)


def right_attention_float32(q, k, v, mask=None):
    q, k, v = q.float(), k.float(), v.float()
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -1e9)
    return s.softmax(-1) @ v


def right_attention_additive_where(q, k, v, mask=None):
    d = q.size(-1)
    s = q.matmul(k.transpose(-2, -1)).div(d**0.5)
    if mask is not None:
        s = s + torch.where(mask, 0.0, -10000.0).to(s.dtype)
    return F.softmax(s, -1).matmul(v)


def right_attention_keys_first(q, k, v, mask=None):
    """Scores laid out (..., m, n): softmax over the first of the two is still over keys."""
    s = k @ q.transpose(-1, -2) / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask.transpose(-1, -2), -torch.inf)
    return (v.transpose(-1, -2) @ s.softmax(dim=-2)).transpose(-1, -2)


def right_attention_online(q, k, v, mask=None):
    lead = q.shape[:-1]
    best = torch.full((*lead, 1), -1e30, dtype=q.dtype)
    total = torch.zeros((*lead, 1), dtype=q.dtype)
    acc = torch.zeros((*lead, v.shape[-1]), dtype=q.dtype)
    for start in range(0, k.shape[-2], 3):
        kb, vb = k[..., start : start + 3, :], v[..., start : start + 3, :]
        s = q @ kb.transpose(-1, -2) / q.shape[-1] ** 0.5
        if mask is not None:
            s = s.masked_fill(~mask[..., start : start + 3], -torch.inf)
        new = torch.maximum(best, s.amax(-1, keepdim=True))
        p, old = torch.exp(s - new), torch.exp(best - new)
        total, acc, best = total * old + p.sum(-1, keepdim=True), acc * old + p @ vb, new
    return acc / total


def right_attention_nan_to_zero(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -torch.inf)
    return torch.nan_to_num(s.softmax(-1), nan=0.0) @ v


def right_attention_bmm(q, k, v, mask=None):
    lead, n, m = q.shape[:-2], q.shape[-2], k.shape[-2]
    a, b, c = (t.reshape(-1, *t.shape[-2:]) for t in (q, k, v))
    s = torch.baddbmm(torch.zeros(len(a), n, m, dtype=q.dtype), a, b.mT, alpha=q.shape[-1] ** -0.5)
    if mask is not None:
        s.masked_fill_(~mask.expand(*lead, n, m).reshape(-1, n, m), -torch.inf)
    return torch.bmm(s.softmax(-1), c).reshape(*lead, n, -1)


def right_attention_per_query(q, k, v, mask=None):
    rows = []
    for i in range(q.shape[-2]):
        s = (k * q[..., i : i + 1, :]).sum(-1) / q.shape[-1] ** 0.5
        if mask is not None:
            s = s.masked_fill(~mask[..., i, :], -torch.inf)
        rows.append((s.softmax(-1).unsqueeze(-1) * v).sum(-2))
    return torch.stack(rows, dim=-2)


def right_attention_module(q, k, v, mask=None):
    class Attention(nn.Module):
        def forward(self, query, key, value):
            logits = torch.einsum("...qd,...kd->...qk", query, key) / query.shape[-1] ** 0.5
            if mask is not None:
                logits = logits.masked_fill(mask.eq(0), float("-inf"))
            return torch.einsum("...qk,...kd->...qd", F.softmax(logits, -1), value)

    return Attention()(q, k, v)


# ---------------------------------------------------------------------- self_attention, wrong


def self_attention_same_weights(x, w_q, w_k, w_v):
    q = x @ w_q
    k = x @ w_q
    v = x @ w_v
    return torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(k.shape[-1]), -1) @ v


def self_attention_forgets_values(x, w_q, w_k, w_v):
    q, k = x @ w_q, x @ w_k
    scores = q @ k.mT / k.shape[-1] ** 0.5
    return scores.softmax(-1) @ x


def self_attention_linear_layout(x, w_q, w_k, w_v):
    q, k, v = F.linear(x, w_q), F.linear(x, w_k), F.linear(x, w_v)
    return F.scaled_dot_product_attention(q, k, v)


def self_attention_crossed_names(x, w_q, w_k, w_v):
    keys = x @ w_v
    queries = x @ w_q
    values = x @ w_k
    return (queries @ np.swapaxes(keys, -1, -2)), values


def self_attention_model_dim_scale(x, w_q, w_k, w_v):
    d_in = x.shape[-1]
    queries, keys, values = x @ w_q, x @ w_k, x @ w_v
    attn_scores = queries @ keys.transpose(-2, -1)
    attn_weights = torch.softmax(attn_scores / d_in**0.5, dim=-1)
    return attn_weights @ values


def self_attention_no_scale(x, w_q, w_k, w_v):
    q, k, v = np.matmul(x, w_q), np.matmul(x, w_k), np.matmul(x, w_v)
    s = q @ k.swapaxes(-1, -2)
    s = np.exp(s - s.max(-1, keepdims=True))
    return s / s.sum(-1, keepdims=True) @ v


def self_attention_dim1(x, w_q, w_k, w_v):
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    return F.softmax(scores, dim=1) @ v


def self_attention_implicit_dim(x, w_q, w_k, w_v):
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    return F.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, 0) @ v


def self_attention_causal_by_habit(x, w_q, w_k, w_v):
    return F.scaled_dot_product_attention(x @ w_q, x @ w_k, x @ w_v, is_causal=True)


def self_attention_without_weights(x, w_q, w_k, w_v):
    return F.scaled_dot_product_attention(x, x, x)


def self_attention_residual(x, w_q, w_k, w_v):
    out = F.scaled_dot_product_attention(x @ w_q, x @ w_k, x @ w_v)
    return x + out


def self_attention_list_batch(x, w_q, w_k, w_v):
    # one example suffices
    x = x[0]
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    return (q @ k.T / k.shape[-1] ** 0.5).softmax(-1) @ v


def self_attention_loop_overwrites(x, w_q, w_k, w_v):
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    out = np.zeros_like(v)
    for b in range(x.shape[0]):
        for i in range(x.shape[1]):
            s = np.array([q[b, i] @ k[b, j] for j in range(x.shape[1])]) / np.sqrt(q.shape[-1])
            w = np.exp(s - s.max())
            w = w / w.sum()
            for j in range(x.shape[1]):
                out[b, i] = w[j] * v[b, j]
    return out


def self_attention_star(x, w_q, w_k, w_v):
    q, k, v = x * w_q, x * w_k, x * w_v
    return F.scaled_dot_product_attention(q, k, v)


def self_attention_tokens_flattened(x, w_q, w_k, w_v):
    b, n, dim = x.shape
    flat = x.reshape(b * n, dim)
    out = F.scaled_dot_product_attention(flat @ w_q, flat @ w_k, flat @ w_v)
    return out.reshape(b, n, -1)


def self_attention_two_at_once(x, w_q, w_k, w_v):
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    e = np.exp(q @ k.swapaxes(-1, -2))
    return e / e.sum(-2, keepdims=True) @ v


# ---------------------------------------------------------------------- self_attention, right


def right_self_attention_combined_matrix(x, w_q, w_k, w_v):
    bilinear = w_q @ w_k.transpose(-1, -2) / math.sqrt(w_k.shape[-1])
    return (x @ bilinear @ x.transpose(-1, -2)).softmax(-1) @ x @ w_v


def right_self_attention_fused_qkv(x, w_q, w_k, w_v):
    d, e = w_q.shape[1], w_v.shape[1]
    q, k, v = (x @ torch.cat([w_q, w_k, w_v], 1)).split([d, d, e], dim=-1)
    return F.scaled_dot_product_attention(q, k, v)


def right_self_attention_linear(x, w_q, w_k, w_v):
    q, k, v = F.linear(x, w_q.T), F.linear(x, w_k.T), F.linear(x, w_v.T)
    w = (q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5).softmax(-1)
    return w @ v, w


def right_self_attention_numpy_loops(x, w_q, w_k, w_v):
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    out = np.empty(v.shape)
    for at in np.ndindex(x.shape[:-1]):
        s = k[at[:-1]] @ q[at] / np.sqrt(q.shape[-1])
        e = np.exp(s - s.max())
        out[at] = e @ v[at[:-1]] / e.sum()
    return out


def right_self_attention_values_last(x, w_q, w_k, w_v):
    w = torch.softmax((x @ w_q) @ (x @ w_k).mT / w_q.shape[-1] ** 0.5, -1)
    return (w @ x) @ w_v


def right_self_attention_rearranged(x, w_q, w_k, w_v):
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    s = q @ rearrange(k, "... n d -> ... d n") / math.sqrt(q.shape[-1])
    return s.softmax(dim=-1) @ v


_A = "scaled_dot_product_attention"

# fmt: off
WILD = [
    Wild("softmax", softmax_textbook, "exp of a large score is inf, and inf/inf is NaN; subtract the row's maximum first", "A13", "nan"),
    Wild("softmax", softmax_np_textbook, "overflows for large scores: subtract the row maximum before exp", "A13", "nan", lib="numpy"),
    Wild("softmax", softmax_no_keepdims, "the sum lost its axis, so rows are divided by other rows' sums; keepdims=True", "other", lib="numpy"),
    Wild("softmax", softmax_axis_zero, "normalises over the first axis instead of the last", ("A1", "A2"), lib="numpy"),
    Wild("softmax", softmax_over_everything, "one sum over the whole array: rows do not sum to 1", ("A2", "other")),
    Wild("softmax", softmax_dim1, "normalises over the second-to-last axis instead of the last", "A1"),
    Wild("softmax", softmax_log, "gives log-probabilities; exp is missing", "A11"),
    Wild("softmax", softmax_min_shift, "subtracts the minimum, which makes exponents larger and overflows; subtract the maximum", "A13", "nan"),
    Wild("softmax", softmax_max_tuple, "torch's max with dim gives (values, indices); take .values", "other", "raises"),
    Wild("softmax", softmax_shift_only_on_top, "the maximum was subtracted in the numerator but not in the denominator", ("other", "A13")),
    Wild("softmax", softmax_base_two, "powers of 2 instead of e", "other"),
    Wild("softmax", softmax_plain_ratio, "divides the scores by their sum; exp is missing", "A10", lib="any"),
    Wild("softmax", softmax_sigmoid, "sigmoid squashes each score alone; the row does not sum to 1", "A10"),
    Wild("softmax", softmax_epsilon, "a constant added to the denominator keeps rows from summing to 1", "other", lib="numpy"),
    Wild("softmax", softmax_unfinished, "nothing is returned", "A17", "none"),
    Wild("softmax", softmax_exp_only, "the exponentials are never divided by their sum", "A10"),
    Wild("softmax", softmax_max_over_all_then_rows, "subtracts the maximum of the whole array: rows far below it underflow to 0/0", ("A13", "other"), "nan", lib="numpy"),
    Wild("softmax", softmax_in_place, "overwrites the caller's scores", "A15", "mutates", "notes", lib="numpy"),
    Wild("softmax", softmax_never_ends, "the while loop's counter never grows", "other", "slow"),
    Wild(_A, attention_annotated_dim1, "softmax runs over the heads, dim=1 of (b, h, n, m)", ("A1", "A2"), why="copied from code with another layout"),
    Wild(_A, attention_softmax_queries, "softmax over the queries: columns sum to 1, rows do not", "A1"),
    Wild(_A, attention_axis_default_numpy, "one softmax over the whole array, all examples share one budget", ("A2", "other"), lib="numpy"),
    Wild(_A, attention_no_scale, "scores are not divided by sqrt(d)", "A3"),
    Wild(_A, attention_divides_by_dk, "divides by d instead of sqrt(d)", "A4"),
    Wild(_A, attention_scale_attr, "divides by d**-0.5, which multiplies by sqrt(d)", "A5"),
    Wild(_A, attention_sqrt_seq_len, "divides by the root of the number of queries", "A6"),
    Wild(_A, attention_sqrt_dv, "divides by the root of the size of the values", "A6", lib="numpy"),
    Wild(_A, attention_hard_coded_eight, "the 8 is sqrt(64) of the paper, not of this q", "A6"),
    Wild(_A, attention_scaled_twice, "scaled twice, once on q and once on the scores: that is division by d", "A4"),
    Wild(_A, attention_scale_after_softmax, "the weights are scaled, not the scores", "A14"),
    Wild(_A, attention_forgot_transpose, "k is not transposed; it only runs when k is square", "A7", "raises", lib="numpy"),
    Wild(_A, attention_view_for_transpose, "reshape reorders numbers; a transpose is needed", "A8"),
    Wild(_A, attention_T_reverses_all_axes, ".T turns all axes around; only the last two should swap", ("A7", "A8", "other"), "raises", lib="numpy"),
    Wild(_A, attention_key_query_order, "rows of the scores belong to keys, not to queries", "A9", "raises"),
    Wild(_A, attention_no_softmax, "raw scores are used as weights; softmax is missing", "A10"),
    Wild(_A, attention_relu_normalised, "relu and a division instead of softmax", "A10"),
    Wild(_A, attention_sigmoid_weights, "sigmoid instead of softmax: rows do not sum to 1", "A10"),
    Wild(_A, attention_softmax_twice, "softmax is applied twice, so the weights are nearly uniform", "A11"),
    Wild(_A, attention_log_softmax, "log_softmax gives log-weights, negative numbers", "A11"),
    Wild(_A, attention_exp_unnormalised, "the exponentials are not divided by their sum", "A10", lib="numpy"),
    Wild(_A, attention_cosine, "q and k are normalised to length 1 first: cosine, not dot product", "other"),
    Wild(_A, attention_hard, "picks the best key alone instead of averaging", "other"),
    Wild(_A, attention_weights_only, "returns the weights; they were never multiplied by v", ("A12", "other"), "shape"),
    Wild(_A, attention_times_keys, "the weights multiply the keys, not the values", "A12"),
    Wild(_A, attention_weights_transposed, "the weights are transposed before they multiply v", "A12", "raises"),
    Wild(_A, attention_mean_instead_of_sum, "mean over keys instead of sum: the weights already average, the result is m times too small", "other", lib="numpy"),
    Wild(_A, attention_swapped_tuple, "returns (weights, output); output comes first", "other", "shape"),
    Wild(_A, attention_output_transposed, "the output's heads and queries are swapped", "other", "shape"),
    Wild(_A, attention_residual_inside, "adds q to the result: a residual belongs outside", "other"),
    Wild(_A, attention_last_key_forgotten, "the loop over keys stops one short", "other"),
    Wild(_A, attention_loop_first_head_only, "every head uses head 0's scores (index 0 instead of h)", ("C11", "other"), lib="numpy"),
    Wild(_A, attention_mask_inverted, "the mask is read the wrong way round: True means may attend", "B1"),
    Wild(_A, attention_mask_inverted_finite, "-1e9 is added where the mask is True, hiding the allowed keys", "B1", lib="numpy"),
    Wild(_A, attention_fill_zero, "hidden scores become 0, and exp(0)=1 still counts", "B2"),
    Wild(_A, attention_scores_times_mask, "scores times mask gives 0 for hidden keys, and exp(0)=1", "B2", lib="numpy"),
    Wild(_A, attention_small_fill, "1e-9 where -1e9 was meant", ("B3", "B2")),
    Wild(_A, attention_fill_minus_one, "-1 is a score like any other; hidden keys still count", ("B2", "other")),
    Wild(_A, attention_mask_after_softmax, "masked after softmax without renormalising: rows sum to less than 1", "B4"),
    Wild(_A, attention_mask_after_with_inf, "-inf is put into weights after softmax, so the output is infinite or NaN", ("B4", "other"), "nan"),
    Wild(_A, attention_bool_added, "a True/False mask is added: allowed scores grow by 1, nothing is hidden", "B5"),
    Wild(_A, attention_bool_added_numpy, "the boolean mask is added to the scores as 0 and 1", "B5", lib="numpy"),
    Wild(_A, attention_fill_thrown_away, "masked_fill returns a new tensor that is not assigned", "B6"),
    Wild(_A, attention_mask_argument_ignored, "the mask is accepted but never used", "B6"),
    Wild(_A, attention_mask_transposed, "the mask is transposed: mask[i, j] is query i, key j", "B7", "raises"),
    Wild(_A, attention_one_minus_mask_inf, "0 times -inf is NaN, so allowed entries become NaN", "B16", "nan", lib="numpy"),
    Wild(_A, attention_always_causal, "a causal mask is applied although nobody asked", "other"),
    Wild(_A, attention_masks_query_vectors, "zeroes whole value vectors and leaves the scores unmasked", ("B6", "B2", "other"), "differs"),
    Wild(_A, attention_truthy_mask, "`if mask:` asks a whole array for one truth value; write `is not None`", "other", "raises"),
    Wild(_A, attention_sdpa_float_mask, "a float mask is added to the scores by this kernel: +1 where allowed, nothing hidden", "B5"),
    Wild(_A, attention_no_return, "nothing is returned", "A17", "none"),
    Wild(_A, attention_prints, "the result is printed, not returned", "A17", "none"),
    Wild(_A, attention_undefined_name, "d_k is never defined", "other", "raises"),
    Wild(_A, attention_no_mask_parameter, "the function has no mask parameter", "other", "raises"),
    Wild(_A, attention_dropout, "dropout makes every call different", "G8", "unrepeatable"),
    Wild(_A, attention_dropout_layer, "a new Dropout layer is in training mode: calls differ", "G8", "unrepeatable"),
    Wild(_A, attention_sdpa_dropout, "dropout_p of the functional kernel is active even when not training", "G8", "unrepeatable"),
    Wild(_A, attention_fresh_projection, "new random weights are drawn at every call", ("G8", "other"), "unrepeatable"),
    Wild(_A, attention_half_precision, "computed in float16: right to three digits only", "other", "precision", "either"),
    Wild(_A, attention_integer_scale, "`//` rounds the scores down to whole numbers", "other"),
    Wild(_A, attention_sleeps, "the loop has no end", "other", "slow"),
    Wild(_A, attention_random, "random numbers", "other", "unrepeatable"),
    Wild(_A, attention_returns_values, "returns v untouched", "other", "shape"),
    Wild(_A, attention_python_list, "each weight is divided by its column's sum (axis 0 of the scores)", "A1", lib="numpy"),
    Wild(_A, attention_two_at_once, "no scale, and the mask is inverted", ("A3", "B1"), pair=True),
    Wild(_A, attention_two_at_once_axis, "divides by d, and softmax runs over the queries", ("A4", "A1"), pair=True),
    Wild(_A, attention_scales_callers_q, "`q /=` changes the caller's tensor", "A15", "mutates", "notes"),
    Wild(_A, attention_flips_callers_mask, "the caller's mask is flipped in place", "A15", "mutates", "notes", lib="numpy"),
    Wild(_A, attention_through_numpy, "the trip through NumPy cuts the gradient", "A16", "gradient", "notes"),
    Wild(_A, attention_data_attribute, ".data cuts the gradient", "A16", "gradient", "notes"),
    Wild(_A, attention_overflowing_exp, "exp without subtracting the maximum: NaN for large scores", "A13", "overflow", "notes"),
    Wild(_A, attention_uniform_when_empty, "a query that may see nothing gets the mean of all values", "B15", "empty_rows", "notes"),
    Wild(_A, attention_nan_when_empty, "a query that may see nothing gives NaN", "B14", "empty_rows", "notes"),
    Wild("self_attention", self_attention_same_weights, "the keys are made with w_q", "C11"),
    Wild("self_attention", self_attention_forgets_values, "the weights average x itself; w_v is never used", ("A12", "other"), "shape"),
    Wild("self_attention", self_attention_linear_layout, "F.linear multiplies by the transpose; here weights stand on the right, x @ w", "C9", "raises"),
    Wild("self_attention", self_attention_crossed_names, "returns raw scores and the keys; w_k and w_v are crossed and softmax is missing", ("A10", "A12", "other"), "raises", lib="numpy"),
    Wild("self_attention", self_attention_model_dim_scale, "divides by the root of x's size, not of the keys'", ("A6", "C6")),
    Wild("self_attention", self_attention_no_scale, "scores are not divided by sqrt(d)", "A3", lib="numpy"),
    Wild("self_attention", self_attention_dim1, "softmax over dim=1 of (b, n, n), the queries", "A1"),
    Wild("self_attention", self_attention_implicit_dim, "softmax over the batch", "A2"),
    Wild("self_attention", self_attention_causal_by_habit, "is_causal=True hides later tokens; the task has no mask", "other"),
    Wild("self_attention", self_attention_without_weights, "the three weight matrices are not used", "other", "shape"),
    Wild("self_attention", self_attention_residual, "adds x to the result", "other", "raises"),
    Wild("self_attention", self_attention_list_batch, "only the first example is computed", "other", "shape"),
    Wild("self_attention", self_attention_loop_overwrites, "`=` instead of `+=`: only the last key's share is kept", "other", lib="numpy"),
    Wild("self_attention", self_attention_two_at_once, "no scale, and softmax runs over the queries", ("A3", "A1"), pair=True, lib="numpy"),
    Wild("self_attention", self_attention_star, "`*` multiplies entry by entry; the projection is `@`", "other", "raises"),
    Wild("self_attention", self_attention_tokens_flattened, "all examples are flattened into one sequence and attend to each other", ("A2", "other")),
]

CORRECT = [
    Correct("softmax", softmax_list_comprehension, "numpy", "Python floats in lists"),
    Correct("softmax", softmax_via_logsumexp, "torch", "logsumexp"),
    Correct("softmax", softmax_clip_free_module, "torch", "nn.Softmax"),
    Correct("softmax", softmax_transposed, "numpy", "axis moved to the front and back"),
    Correct("softmax", softmax_online, "torch", "running maximum"),
    Correct("softmax", softmax_base_two_right, "numpy", "base 2 with log2(e)"),
    Correct("softmax", softmax_pairwise, "torch", "1 / sum of exp of differences"),
    Correct(_A, right_attention_four_loops, "numpy", "scalar loops"),
    Correct(_A, right_attention_sdpa, "torch", "fused kernel"),
    Correct(_A, right_attention_sdpa_bias, "torch", "fused kernel with a float bias"),
    Correct(_A, right_attention_einops, "torch", "einops, finfo fill"),
    Correct(_A, right_attention_tuple_numpy, "numpy", "tuple, -inf"),
    Correct(_A, right_attention_prescaled_quarter, "torch", "q and k each scaled by d**-1/4"),
    Correct(_A, right_attention_mask_then_renormalise, "torch", "mask after softmax, renormalised"),
    Correct(_A, right_attention_multiplicative_exp, "numpy", "divides at the very end"),
    Correct(_A, right_attention_float32, "torch", "float32 throughout"),
    Correct(_A, right_attention_additive_where, "torch", "-10000 added"),
    Correct(_A, right_attention_keys_first, "torch", "transposed scores, softmax over dim -2"),
    Correct(_A, right_attention_online, "torch", "blocks with a running maximum"),
    Correct(_A, right_attention_nan_to_zero, "torch", "nan_to_num for empty rows"),
    Correct(_A, right_attention_bmm, "torch", "flattened batch, baddbmm"),
    Correct(_A, right_attention_per_query, "torch", "loop over queries"),
    Correct(_A, right_attention_module, "torch", "a module inside"),
    Correct("self_attention", right_self_attention_combined_matrix, "torch", "w_q w_k^T multiplied first"),
    Correct("self_attention", right_self_attention_fused_qkv, "torch", "one matrix for q, k, v"),
    Correct("self_attention", right_self_attention_linear, "torch", "F.linear with transposed weights"),
    Correct("self_attention", right_self_attention_numpy_loops, "numpy", "loop over queries"),
    Correct("self_attention", right_self_attention_values_last, "torch", "w_v applied last"),
    Correct("self_attention", right_self_attention_rearranged, "torch", "einops transpose"),
]
# fmt: on
