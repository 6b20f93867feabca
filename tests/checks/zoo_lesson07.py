"""Correct ways of writing the exercises of lesson 07; each must pass."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, repeat

from attn_lib import causal, dilated, local_attention, window

INF = float("inf")

# ---------------------------------------------------------------------------------- masks


def window_loops(n, w):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for j in range(n):
            mask[i, j] = 0 <= i - j < w
    return mask


def window_lists(n, w):
    return [[j <= i < j + w for j in range(n)] for i in range(n)]


def window_slices(n, w):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        mask[i, max(0, i - w + 1) : i + 1] = True
    return mask


def window_numpy_slices(n, w):
    mask = np.zeros((n, n), dtype=bool)
    for i in range(n):
        mask[i, max(0, i + 1 - w) : i + 1] = True
    return mask


def window_diagonals(n, w):
    return sum(np.eye(n, k=-d, dtype=int) for d in range(w)) > 0


def window_grid(n, w):
    i, j = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    return (j <= i) & (j > i - w)


def window_of_ones(n, w):
    return torch.ones(n, n).tril() - torch.ones(n, n).tril(-w)


def window_from_gap(n, w):
    gap = np.subtract.outer(np.arange(n), np.arange(n))
    return np.logical_and(gap >= 0, gap < w)


def window_scatter(n, w):
    mask = torch.zeros(n, n, dtype=torch.bool)
    rows, back = torch.arange(n)[:, None], torch.arange(w)
    keys = rows - back
    mask[rows.expand_as(keys)[keys >= 0], keys[keys >= 0]] = True
    return mask


WINDOW = [
    lambda n, w: torch.ones(n, n, dtype=torch.bool).tril().triu(1 - w),
    lambda n, w: torch.tril(torch.triu(torch.ones(n, n), diagonal=-(w - 1))).bool(),
    lambda n, w: np.tril(np.ones((n, n), bool)) & ~np.tril(np.ones((n, n), bool), -w),
    lambda n, w: (torch.arange(n)[:, None] - torch.arange(n)).clamp(-1, w) % w
    == (torch.arange(n)[:, None] - torch.arange(n)),
    lambda n, w: (causal & window(w)).dense(n)[0, 0],
    lambda num_tokens, size: np.tri(num_tokens) - np.tri(num_tokens, k=-size),
    lambda n, w: np.fromfunction(lambda i, j: (i >= j) & (i - j < w), (n, n)),
    lambda n, w: torch.stack([(torch.arange(n) <= i) & (torch.arange(n) > i - w)
                              for i in range(n)]),
    window_loops, window_lists, window_slices, window_numpy_slices, window_diagonals, window_grid,
    window_of_ones, window_from_gap, window_scatter,
]  # fmt: skip


def dilated_loops(n, w, step):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for a in range(w):
            if i - a * step >= 0:
                mask[i, i - a * step] = True
    return mask


def dilated_break(n, w, step):
    mask = np.zeros((n, n), dtype=bool)
    for i in range(n):
        j = i
        for _ in range(w):
            if j < 0:
                break
            mask[i, j] = True
            j -= step
    return mask


def dilated_backwards(n, w, step):
    mask = torch.zeros(n, n)
    for i in range(n):
        for j in range(i, max(-1, i - w * step), -step):
            mask[i, j] = 1
    return mask.bool()


def dilated_gap(n, w, step):
    gap = torch.arange(n).unsqueeze(1) - torch.arange(n).unsqueeze(0)
    return (gap >= 0) & (gap <= (w - 1) * step) & (gap % step == 0)


def dilated_diagonals(n, w, step):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for a in range(w):
        mask |= (
            torch.eye(n).bool()
            if a == 0
            else torch.ones(n, n).tril(-a * step).triu(-a * step).bool()
        )
    return mask  # fmt: skip


def dilated_isin(n, w, step):
    gap = np.arange(n)[:, None] - np.arange(n)
    return np.isin(gap, step * np.arange(w))


def dilated_any(n, w, step):
    gap = torch.arange(n)[:, None] - torch.arange(n)
    return (gap[..., None] == torch.arange(w) * step).any(-1)


def dilated_divmod(n, w, step):
    gap = np.subtract.outer(np.arange(n), np.arange(n))
    turns, rest = np.divmod(gap, step)
    return (rest == 0) & (turns >= 0) & (turns < w)


def dilated_kron(n, w, step):
    small = np.tri(n) - np.tri(n, k=-w)
    return np.kron(small, np.eye(step))[:n, :n]


DILATED = [
    lambda n, w, step: (causal & dilated(w, step)).dense(n)[0, 0],
    lambda n, w, step: [[0 <= i - j < w * step and (i - j) % step == 0 for j in range(n)]
                        for i in range(n)],
    lambda n, w, step: [[j in range(i, i - w * step, -step) for j in range(n)] for i in range(n)],
    lambda n, w, step: sum(np.eye(n, k=-a * step) for a in range(w)),
    lambda n, w, r: np.fromfunction(lambda i, j: (i >= j) & (i - j < w * r) & ((i - j) % r == 0),
                                    (n, n)),
    lambda n, w, step: window_grid(n, w * step) & dilated_gap(n, n, step),
    dilated_loops, dilated_break, dilated_backwards, dilated_gap, dilated_diagonals, dilated_isin,
    dilated_any, dilated_divmod, dilated_kron,
]  # fmt: skip

# ------------------------------------------------------------------------- local attention


def masked(fill):
    def fn(q, k, v, w):
        n = q.shape[-2]
        s = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        return s.masked_fill(~window_grid(n, w), fill).softmax(-1) @ v

    return fn


def with_weights(q, k, v, w):
    s = q @ k.mT * q.shape[-1] ** -0.5
    weights = s.where(window_grid(q.shape[-2], w), -INF).softmax(-1)
    return weights @ v, weights


def renormalised(q, k, v, w):
    weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) * window_grid(q.shape[-2], w)
    return weights / weights.sum(-1, keepdim=True) @ v


def sdpa(q, k, v, w):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=window_grid(q.shape[-2], w))


def einsum(q, k, v, w):
    s = torch.einsum("...id,...jd->...ij", q, k) / q.size(-1) ** 0.5
    s = s + torch.zeros(s.shape[-2:]).masked_fill(~window_grid(q.size(-2), w), -1e9)
    return torch.einsum("...ij,...je->...ie", s.softmax(-1), v)


def numpy_dense(q, k, v, w):
    n = q.shape[-2]
    s = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    s = np.where(window_from_gap(n, w), s, -np.inf)
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def numpy_rows(q, k, v, w):
    out = np.zeros((*q.shape[:-1], v.shape[-1]))
    for i in range(q.shape[-2]):
        a = max(0, i - w + 1)
        s = np.einsum("...d,...jd->...j", q[..., i, :], k[..., a : i + 1, :])
        e = np.exp(s / np.sqrt(q.shape[-1]))
        out[..., i, :] = (
            np.einsum("...j,...je->...e", e, v[..., a : i + 1, :]) / e.sum(-1)[..., None]
        )
    return out  # fmt: skip


def rows(q, k, v, w):
    found = []
    for i in range(q.shape[-2]):
        near = slice(max(0, i - w + 1), i + 1)
        s = q[..., i : i + 1, :] @ k[..., near, :].mT / math.sqrt(q.shape[-1])
        found.append(s.softmax(-1) @ v[..., near, :])
    return torch.cat(found, dim=-2)


def scalar_loops(q, k, v, w):
    b, n, d = q.shape
    out = torch.zeros(b, n, v.shape[-1])
    for x in range(b):
        for i in range(n):
            keys = range(max(0, i - w + 1), i + 1)
            e = [math.exp(float(q[x, i] @ k[x, j]) / math.sqrt(d)) for j in keys]
            for j, weight in zip(keys, e, strict=True):
                out[x, i] += weight / sum(e) * v[x, j]
    return out


def gathered(q, k, v, w):
    near = F.pad(k, (0, 0, w - 1, 0)).unfold(-2, w, 1)  # (..., n, d, w)
    s = torch.einsum("...nd,...ndw->...nw", q, near) / q.shape[-1] ** 0.5
    real = torch.arange(q.shape[-2])[:, None] + torch.arange(w) >= w - 1
    weights = s.masked_fill(~real, -INF).softmax(-1)
    return torch.einsum("...nw,...new->...ne", weights, F.pad(v, (0, 0, w - 1, 0)).unfold(-2, w, 1))


def indexed(q, k, v, w):
    i = torch.arange(q.shape[-2])[:, None]
    j = i - torch.arange(w)
    s = (q[..., None, :] * k[..., j.clamp(min=0), :]).sum(-1) / math.sqrt(q.shape[-1])
    weights = s.masked_fill(j < 0, torch.finfo(s.dtype).min).softmax(-1)
    return (weights[..., None] * v[..., j.clamp(min=0), :]).sum(-2)


def blocks(q, k, v, w):
    n, d = q.shape[1:]
    end = -n % w
    q, k, v = (F.pad(x, (0, 0, 0, end)).unflatten(1, (-1, w)) for x in (q, k, v))
    k, v = (torch.cat((F.pad(x, (0, 0, 0, 0, 1, 0))[:, :-1], x), 2) for x in (k, v))
    s = q @ k.mT / math.sqrt(d)  # (b, blocks, w, 2w)
    gap = w + torch.arange(w)[:, None] - torch.arange(2 * w)
    mask = ((gap >= 0) & (gap < w)).expand(s.shape[1], w, 2 * w).clone()
    mask[0, :, :w] = False
    return (s.masked_fill(~mask, -INF).softmax(-1) @ v).flatten(1, 2)[:, :n]


def blocks_of_heads(q, k, v, w):
    b = len(q)
    flat = [rearrange(x, "b h n d -> (b h) n d") for x in (q, k, v)]
    return rearrange(blocks(*flat, w), "(b h) n d -> b h n d", b=b)


def running(q, k, v, w):
    top = torch.full(q.shape[:-1], -INF, dtype=q.dtype)
    total, out = torch.zeros_like(top), torch.zeros(*q.shape[:-1], v.shape[-1], dtype=q.dtype)
    n = q.shape[-2]
    for back in range(min(w, n)):
        s = (q[..., back:, :] * k[..., : n - back, :]).sum(-1) / math.sqrt(q.shape[-1])
        high = torch.maximum(top[..., back:], s)
        shrink, e = (top[..., back:] - high).exp(), (s - high).exp()
        total = torch.cat((total[..., :back], total[..., back:] * shrink + e), -1)
        new = out[..., back:, :] * shrink[..., None] + e[..., None] * v[..., : n - back, :]
        out = torch.cat((out[..., :back, :], new), -2)
        top = torch.cat((top[..., :back], high), -1)
    return out / total[..., None]


def double(q, k, v, w):
    return sdpa(q.double(), k.double(), v.double(), w).float()


def per_head_mask(q, k, v, w):
    b, h, n, _ = q.shape
    mask = repeat(window_grid(n, w), "i j -> b h i j", b=b, h=h)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


LOCAL = [
    masked(-INF), masked(-1e9), masked(torch.finfo(torch.float32).min), with_weights, renormalised,
    sdpa, einsum, numpy_dense, numpy_rows, rows, scalar_loops, gathered, indexed, blocks,
    blocks_of_heads, running, double, per_head_mask,
    lambda q, k, v, w: local_attention(q, k, v, window=w),
]  # fmt: skip

# What makes no table of all queries with all keys; no style of LOCAL outside it may be praised so.
WITHOUT_SQUARE = (
    numpy_rows, rows, scalar_loops, gathered, indexed, blocks, blocks_of_heads, running, LOCAL[-1],
)  # fmt: skip

STYLES = {
    "window_mask": WINDOW, "dilated_mask": DILATED, "local_attention": LOCAL,
    "repair_window": LOCAL,
}  # fmt: skip

# Mistakes by name, and what shared catalogue entries they are.
FAMILIES = {
    "window_one_too_wide": "E1", "window_one_too_narrow": "E1", "half_a_window": "E1",
    "no_window": "E1 E4 B6", "blocks_not_sliding": "E3", "whole_previous_block": "E3 E1",
    "window_does_not_move": "E4", "future_visible": "E2", "two_sided": "E2",
    "centred_window": "E2", "looks_ahead": "B7 E2", "peeks_one_ahead": "B9 E2",
    "itself_hidden": "B8 E1", "either_not_both": "B12 E2", "first_rows_filled_up": "E2",
    "dilated_by_position": "E4", "queries_left_out": "E4", "reach_not_dilated": "E4",
    "not_dilated": "E4", "holes_shown": "E4", "step_counts_the_holes": "E4",
    "w_and_step_swapped": "E4", "counted_from_token_0": "E4", "mask_inverted": "B1",
    "window_inverted": "B1", "mask_of_scores": "B5", "full_attention": "B6",
    "scale_sqrt_window": "A6", "padding_is_seen": "B2", "last_block_dropped": "H5",
}  # fmt: skip
