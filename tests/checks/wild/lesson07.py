"""Wild code for window_mask, dilated_mask and local_attention."""
# ruff: noqa: E501

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from ._wild import Correct, Wild

# ------------------------------------------------------------------------ window_mask, wrong


def window_one_too_many(n, w):
    i, j = torch.arange(n)[:, None], torch.arange(n)[None]
    return (j <= i) & (j >= i - w)


def window_one_too_few(n, w):
    i, j = np.indices((n, n))
    return (j <= i) & (i - j < w - 1)


def window_sees_ahead(n, w):
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return j > i - w


def window_two_sided(n, w):
    idx = np.arange(n)
    return np.abs(idx[:, None] - idx) < w


def window_half_each_side(n, w):
    idx = np.arange(n)
    return np.abs(idx[:, None] - idx) <= w // 2


def window_looks_forward(n, w):
    i, j = np.indices((n, n))
    return (j >= i) & (j - i < w)


def window_blocks(n, w):
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return (i // w == j // w) & (j <= i)


def window_blocks_two_sided(n, w):
    block = np.arange(n) // w
    return block[:, None] == block


def window_slice_bug(n, w):
    mask = np.zeros((n, n), dtype=bool)
    for i in range(n):
        mask[i, i - w + 1 : i + 1] = True
    return mask


def window_self_excluded(n, w):
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return (j < i) & (j >= i - w)


def window_hidden_meaning(n, w):
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return ~((j <= i) & (i - j < w))


def window_or(n, w):
    i, j = np.indices((n, n))
    return (j <= i) | (i - j < w)


def window_first_w_keys(n, w):
    i, j = np.indices((n, n))
    return (j <= i) & (j < w)


def window_plain_causal(n, w):
    return torch.ones(n, n).tril().bool()


def window_triu_sign(n, w):
    ones = torch.ones(n, n, dtype=torch.bool)
    return ones.tril().triu(w - 1)


def window_and_keyword(n, w):
    i, j = np.indices((n, n))
    return j <= i and i - j < w


def window_integer_sum(n, w):
    """Adds the diagonals up."""
    total = sum(np.eye(n, k=-a, dtype=int) for a in range(w + 1))
    return total.astype(bool)


def window_two_at_once(n, w):
    idx = np.arange(n)
    return np.abs(idx[:, None] - idx) <= w


def right_window_band(n, w):
    ones = torch.ones(n, n, dtype=torch.bool)
    return ones.tril() & ones.triu(1 - w)


def right_window_loops(n, w):
    mask = np.zeros((n, n), dtype=bool)
    for i in range(n):
        mask[i, max(0, i - w + 1) : i + 1] = True
    return mask


def right_window_sum_of_diagonals(n, w):
    return sum(np.eye(n, k=-a) for a in range(w)).astype(bool)


def right_window_difference(n, w):
    c = np.tril(np.ones((n, n), dtype=bool))
    return c ^ np.tril(c, k=-w)


# ----------------------------------------------------------------------- dilated_mask, wrong


def dilated_absolute_index(n, w, step):
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return (j <= i) & (i - j < w * step) & (j % step == 0)


def dilated_reach_w(n, w, step):
    i, j = np.indices((n, n))
    return (j <= i) & (i - j < w) & ((i - j) % step == 0)


def dilated_no_reach(n, w, step):
    i, j = np.indices((n, n))
    return (j <= i) & ((i - j) % step == 0)


def dilated_one_too_many(n, w, step):
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return (j <= i) & (i - j <= w * step) & ((i - j) % step == 0)


def dilated_two_sided(n, w, step):
    d = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    return (d < w * step) & (d % step == 0)


def dilated_future(n, w, step):
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return (i - j < w * step) & ((i - j) % step == 0)


def dilated_negative_index(n, w, step):
    mask = np.zeros((n, n), bool)
    for i in range(n):
        for a in range(w):
            mask[i, i - a * step] = True
    return mask


def dilated_dense(n, w, step):
    i, j = np.indices((n, n))
    return (j <= i) & (i - j < w * step)


def dilated_wrong_step(n, w, step):
    """Gaps of `step`, so keys are step + 1 apart."""
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return (j <= i) & ((i - j) % (step + 1) == 0) & (i - j < w * (step + 1))


def dilated_swapped_arguments(n, w, step):
    i, j = np.indices((n, n))
    return (j <= i) & (i - j < w * step) & ((i - j) % w == 0)


def dilated_self_missing(n, w, step):
    mask = np.zeros((n, n), bool)
    for i in range(n):
        for a in range(1, w + 1):
            if i - a * step >= 0:
                mask[i, i - a * step] = True
    return mask


def dilated_both_multiples(n, w, step):
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return (j <= i) & (i - j < w * step) & (i % step == 0) & (j % step == 0)


def dilated_strided_paste(n, w, step):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        mask[i, max(0, i - w * step) : i + 1 : step] = True
    return mask


def dilated_powers(n, w, step):
    """Exponential reach: distances step**a."""
    mask = np.eye(n, dtype=bool)
    for i in range(n):
        for a in range(w - 1):
            if i - step**a >= 0:
                mask[i, i - step**a] = True
    return mask


def right_dilated_set(n, w, step):
    reach = {a * step for a in range(w)}
    return torch.tensor([[i - j in reach for j in range(n)] for i in range(n)])


def right_dilated_isin(n, w, step):
    d = np.subtract.outer(np.arange(n), np.arange(n))
    return np.isin(d, step * np.arange(w))


def right_dilated_slices(n, w, step):
    mask = np.zeros((n, n), dtype=bool)
    for i in range(n):
        mask[i, i::-step][:w] = True
    return mask


def right_dilated_diagonals(n, w, step):
    out = torch.zeros(n, n)
    for a in range(0, w * step, step):
        if a < n:
            out += torch.diag(torch.ones(n - a), -a)
    return out > 0


# --------------------------------------------------------------------- local_attention, wrong


def _banded(n, keep):
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return keep(i, j)


def local_dense_mask(q, k, v, w):
    mask = _banded(q.shape[-2], lambda i, j: (j <= i) & (i - j < w))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def local_dense_numpy(q, k, v, w):
    n = q.shape[-2]
    i, j = np.indices((n, n))
    s = np.where((j <= i) & (i - j < w), q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]), -1e9)
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def local_one_too_many(q, k, v, w):
    mask = _banded(q.shape[-2], lambda i, j: (j <= i) & (i - j <= w))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def local_loop_one_too_many(q, k, v, w):
    out = torch.empty_like(v)
    for i in range(q.shape[-2]):
        lo = max(0, i - w)
        s = q[..., i : i + 1, :] @ k[..., lo : i + 1, :].mT / math.sqrt(q.shape[-1])
        out[..., i : i + 1, :] = s.softmax(-1) @ v[..., lo : i + 1, :]
    return out


def local_loop_self_missing(q, k, v, w):
    out = np.zeros_like(v)
    for i in range(q.shape[-2]):
        lo = max(0, i - w + 1)
        kk, vv = k[..., lo:i, :], v[..., lo:i, :]
        if i == lo:
            continue
        s = np.einsum("...d,...jd->...j", q[..., i, :], kk) / np.sqrt(q.shape[-1])
        e = np.exp(s)
        out[..., i, :] = np.einsum("...j,...jd->...d", e / e.sum(-1, keepdims=True), vv)
    return out


def local_two_sided_loop(q, k, v, w):
    out = torch.empty_like(v)
    for i in range(q.shape[-2]):
        near = slice(max(0, i - w + 1), i + w)
        s = q[..., i : i + 1, :] @ k[..., near, :].mT / q.shape[-1] ** 0.5
        out[..., i : i + 1, :] = s.softmax(-1) @ v[..., near, :]
    return out


def local_separate_blocks(q, k, v, w):
    """Each block of w looks at itself only."""
    n = q.shape[-2]
    outs = []
    for s in range(0, n, w):
        b = slice(s, min(s + w, n))
        outs.append(
            F.scaled_dot_product_attention(q[..., b, :], k[..., b, :], v[..., b, :], is_causal=True)
        )
    return torch.cat(outs, dim=-2)


def local_block_and_previous(q, k, v, w):
    """Block and the whole block before it: between w and 2w keys."""
    n = q.shape[-2]
    mask = _banded(n, lambda i, j: (j <= i) & (j // w >= i // w - 1))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def local_reshape_needs_multiple(q, k, v, w):
    b, h, n, d = q.shape
    qb, kb, vb = (t.reshape(b, h, n // w, w, -1) for t in (q, k, v))
    kb = torch.cat([F.pad(kb, (0, 0, 0, 0, 1, 0))[:, :, :-1], kb], dim=3)
    vb = torch.cat([F.pad(vb, (0, 0, 0, 0, 1, 0))[:, :, :-1], vb], dim=3)
    s = qb @ kb.mT / d**0.5
    i, j = torch.arange(w)[:, None] + w, torch.arange(2 * w)
    s = s.masked_fill(~((j <= i) & (i - j < w)), -torch.inf)
    return (s.softmax(-1) @ vb).reshape(b, h, n, -1)


def local_zero_padding_counts(q, k, v, w):
    """Keys before the start are zero vectors, and they take part."""
    n = q.shape[-2]
    kp, vp = F.pad(k, (0, 0, w - 1, 0)), F.pad(v, (0, 0, w - 1, 0))
    ks, vs = kp.unfold(-2, w, 1), vp.unfold(-2, w, 1)  # (b, h, n, d, w)
    s = torch.einsum("bhnd,bhndw->bhnw", q, ks) / math.sqrt(q.shape[-1])
    assert s.shape[-2] == n
    return torch.einsum("bhnw,bhndw->bhnd", s.softmax(-1), vs)


def local_roll_wraps(q, k, v, w):
    """np.roll brings the end of the text before its start."""
    s = np.stack([(q * np.roll(k, a, axis=-2)).sum(-1) for a in range(w)], -1)
    s = s / np.sqrt(q.shape[-1])
    p = np.exp(s - s.max(-1, keepdims=True))
    p = p / p.sum(-1, keepdims=True)
    return sum(p[..., a, None] * np.roll(v, a, axis=-2) for a in range(w))


def local_no_scale(q, k, v, w):
    rows = []
    for i in range(q.shape[2]):
        lo = max(0, i + 1 - w)
        a = torch.einsum("bhd,bhjd->bhj", q[:, :, i], k[:, :, lo : i + 1]).softmax(-1)
        rows.append(torch.einsum("bhj,bhjd->bhd", a, v[:, :, lo : i + 1]))
    return torch.stack(rows, 2)


def local_masks_after_softmax(q, k, v, w):
    p = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    p = p * _banded(q.shape[-2], lambda i, j: (j <= i) & (i - j < w))
    return p @ v


def local_ignores_w(q, k, v, w):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def local_unscaled_values_shifted(q, k, v, w):
    """Values are taken one place later than the keys."""
    out = np.zeros_like(v)
    n = q.shape[-2]
    for i in range(n):
        js = [j for j in range(i - w + 1, i + 1) if j >= 0]
        s = np.stack([(q[..., i, :] * k[..., j, :]).sum(-1) for j in js], -1) / np.sqrt(q.shape[-1])
        p = np.exp(s) / np.exp(s).sum(-1, keepdims=True)
        for a, j in enumerate(js):
            out[..., i, :] += p[..., a, None] * v[..., (j + 1) % n, :]
    return out


def local_negative_slice(q, k, v, w):
    """k[i-w+1 : i+1] is empty when the start is negative."""
    out = torch.zeros_like(v)
    for i in range(q.shape[2]):
        kk, vv = k[:, :, i - w + 1 : i + 1], v[:, :, i - w + 1 : i + 1]
        out[:, :, i] = ((q[:, :, i : i + 1] @ kk.mT / q.shape[-1] ** 0.5).softmax(-1) @ vv)[:, :, 0]
    return out


def local_starts_at_w(q, k, v, w):
    """The first w-1 rows are left at zero."""
    out = torch.zeros_like(v)
    for i in range(w - 1, q.shape[2]):
        kk, vv = k[:, :, i - w + 1 : i + 1], v[:, :, i - w + 1 : i + 1]
        out[:, :, i] = ((q[:, :, i : i + 1] @ kk.mT / q.shape[-1] ** 0.5).softmax(-1) @ vv)[:, :, 0]
    return out


def local_window_softmax_axis(q, k, v, w):
    n = q.shape[2]
    s = torch.full((*q.shape[:3], w), -torch.inf, dtype=q.dtype)
    for a in range(w):
        s[:, :, a:, a] = (q[:, :, a:] * k[:, :, : n - a]).sum(-1) / q.shape[-1] ** 0.5
    p = s.softmax(dim=2)
    out = torch.zeros_like(v)
    for a in range(w):
        out[:, :, a:] += p[:, :, a:, a, None] * v[:, :, : n - a]
    return out


def local_dropped_tail(q, k, v, w):
    """Whole blocks only; the rest of the text stays zero."""
    n = q.shape[2] // w * w
    out = torch.zeros_like(v)
    mask = _banded(n, lambda i, j: (j <= i) & (i - j < w))
    out[:, :, :n] = F.scaled_dot_product_attention(
        q[:, :, :n], k[:, :, :n], v[:, :, :n], attn_mask=mask
    )
    return out


def local_fills_zero(q, k, v, w):
    s = q @ k.mT / q.shape[-1] ** 0.5
    s = s * _banded(q.shape[-2], lambda i, j: (j <= i) & (i - j < w))
    return s.softmax(-1) @ v


def local_endless(q, k, v, w):
    start, out = 0, torch.zeros_like(v)
    while start < q.shape[2]:
        b = slice(start, start + w)
        s = q[:, :, b] @ k[:, :, b].mT / q.shape[-1] ** 0.5
        out[:, :, b] = s.softmax(-1) @ v[:, :, b]
    return out


def local_two_at_once(q, k, v, w):
    rows = []
    for i in range(q.shape[2]):
        lo = max(0, i - w)
        a = (q[:, :, i : i + 1] @ k[:, :, lo : i + 1].mT).softmax(-1)
        rows.append(a @ v[:, :, lo : i + 1])
    return torch.cat(rows, 2)


def right_local_loop(q, k, v, w):
    out = np.empty(v.shape)
    for i in range(q.shape[-2]):
        lo = max(0, i - w + 1)
        s = np.einsum("...d,...jd->...j", q[..., i, :], k[..., lo : i + 1, :])
        e = np.exp((s - s.max(-1, keepdims=True)) / np.sqrt(q.shape[-1]))
        e = e / e.sum(-1, keepdims=True)
        out[..., i, :] = np.einsum("...j,...jd->...d", e, v[..., lo : i + 1, :])
    return out


def right_local_unfold(q, k, v, w):
    n = q.shape[-2]
    ks = F.pad(k, (0, 0, w - 1, 0)).unfold(-2, w, 1)
    vs = F.pad(v, (0, 0, w - 1, 0)).unfold(-2, w, 1)
    s = torch.einsum("...nd,...ndw->...nw", q, ks) * q.shape[-1] ** -0.5
    real = torch.arange(n)[:, None] + torch.arange(w) >= w - 1
    return torch.einsum("...nw,...ndw->...nd", s.masked_fill(~real, -torch.inf).softmax(-1), vs)


def right_local_diagonals(q, k, v, w):
    """One diagonal at a time: key i-a for every query at once."""
    n, w = q.shape[-2], min(w, q.shape[-2])
    diagonals = [
        F.pad((q[..., a:, :] * k[..., : n - a, :]).sum(-1), (a, 0), value=-math.inf)
        for a in range(w)
    ]
    p = (torch.stack(diagonals, -1) / math.sqrt(q.shape[-1])).softmax(-1)
    out = torch.zeros_like(v)
    for a in range(w):
        out[..., a:, :] += p[..., a:, a, None] * v[..., : n - a, :]
    return out


def right_local_blocks(q, k, v, w):
    """Blocks of w, each with the block before; the tail is padded."""
    n = q.shape[-2]
    tail = -n % w
    qb, kb, vb = (
        rearrange(F.pad(t, (0, 0, 0, tail)), "... (c w) d -> ... c w d", w=w) for t in (q, k, v)
    )

    def with_previous(t):
        before = torch.cat([torch.zeros_like(t[..., :1, :, :]), t[..., :-1, :, :]], -3)
        return torch.cat([before, t], -2)

    s = qb @ with_previous(kb).mT / q.shape[-1] ** 0.5
    c = torch.arange(qb.shape[-3])[:, None, None] * w
    i, j = c + torch.arange(w)[:, None], c - w + torch.arange(2 * w)
    s = s.masked_fill(~((j >= 0) & (j <= i) & (i - j < w)), -torch.inf)
    out = rearrange(s.softmax(-1) @ with_previous(vb), "... c w d -> ... (c w) d")
    return out[..., :n, :]


def right_local_gather(q, k, v, w):
    n = q.shape[-2]
    index = np.arange(n)[:, None] - np.arange(w)
    ks, vs = k[..., np.maximum(index, 0), :], v[..., np.maximum(index, 0), :]
    s = (q[..., None, :] * ks).sum(-1) / math.sqrt(q.shape[-1])
    s = np.where(index >= 0, s, -np.inf)
    e = np.exp(s - s.max(-1, keepdims=True))
    return (e[..., None] * vs).sum(-2) / e.sum(-1)[..., None]


_W, _D, _L = "window_mask", "dilated_mask", "local_attention"

# fmt: off
WILD = [
    Wild(_W, window_one_too_many, "w+1 keys: `j >= i - w` should be `j > i - w`", "E1", lib="any"),
    Wild(_W, window_one_too_few, "w-1 keys are visible", "E1", lib="any"),
    Wild(_W, window_sees_ahead, "only a lower bound: all of the future is visible", "E2", lib="any"),
    Wild(_W, window_two_sided, "the window reaches to both sides; it must be causal", "E2", lib="any"),
    Wild(_W, window_half_each_side, "half the window on each side: not causal", ("E2", "other"), lib="any"),
    Wild(_W, window_looks_forward, "the window lies ahead of the token instead of behind", ("B7", "E2", "other"), lib="any"),
    Wild(_W, window_blocks, "fixed blocks; the window moves with i", "E3", lib="any"),
    Wild(_W, window_blocks_two_sided, "fixed blocks, and the future inside a block is visible", ("E3", "E2"), lib="any"),
    Wild(_W, window_slice_bug, "a negative start of a slice counts from the end: clip at 0", ("other", "E1"), lib="any"),
    Wild(_W, window_self_excluded, "the token itself is missing; w counts it", ("B8", "E1"), lib="any"),
    Wild(_W, window_hidden_meaning, "True marks what is hidden", "B1", lib="any"),
    Wild(_W, window_or, "or instead of and", ("B12", "other"), lib="any"),
    Wild(_W, window_first_w_keys, "the first w keys of the text, not the last w before the token", "other", lib="any"),
    Wild(_W, window_plain_causal, "w is not used: all of the past is visible", ("other", "E1"), lib="any"),
    Wild(_W, window_triu_sign, "the sign of the lower diagonal: triu(1 - w)", "other", lib="any"),
    Wild(_W, window_and_keyword, "`and` between arrays; use &", "other", "raises", lib="any"),
    Wild(_W, window_two_at_once, "reaches to both sides, and one key too far", ("E1", "E2"), pair=True, lib="any"),
    Wild(_W, window_integer_sum, "range(w + 1) gives one diagonal too many", "E1", lib="any"),
    Wild(_D, dilated_absolute_index, "steps are counted from 0 instead of from the query", "E4", lib="any"),
    Wild(_D, dilated_reach_w, "the reach is w instead of w·step: fewer than w keys", "E4", lib="any"),
    Wild(_D, dilated_no_reach, "no limit to the left: w is not used", ("E4", "other"), lib="any"),
    Wild(_D, dilated_one_too_many, "w+1 keys: `<=` should be `<`", "E1", lib="any"),
    Wild(_D, dilated_two_sided, "both sides; it must be causal", "E2", lib="any"),
    Wild(_D, dilated_future, "no upper bound: the future is visible", "E2", lib="any"),
    Wild(_D, dilated_negative_index, "negative indices count from the end", "other", lib="any"),
    Wild(_D, dilated_dense, "step is not used: a plain window", ("E4", "other"), lib="any"),
    Wild(_D, dilated_wrong_step, "keys are step+1 apart", ("E4", "other"), lib="any"),
    Wild(_D, dilated_swapped_arguments, "w and step are swapped in the remainder", ("E4", "other"), lib="any"),
    Wild(_D, dilated_self_missing, "the token itself is missing", ("B8", "E1"), lib="any"),
    Wild(_D, dilated_both_multiples, "only tokens at multiples of step take part, as queries too", "E4", lib="any"),
    Wild(_D, dilated_strided_paste, "the slice starts at the far end: keys are counted from there, one too many", ("E4", "E1", "other"), lib="any"),
    Wild(_D, dilated_powers, "distances grow as powers of step instead of multiples", ("E4", "other"), lib="any"),
    Wild(_L, local_dense_mask, "right numbers, but an n by n mask and scores are made", "other", "quadratic", "either"),
    Wild(_L, local_dense_numpy, "right numbers, but n by n scores are made", "other", "quadratic", "either", lib="numpy"),
    Wild(_L, local_one_too_many, "w+1 keys", "E1"),
    Wild(_L, local_loop_one_too_many, "starts at i - w: w+1 keys", "E1"),
    Wild(_L, local_loop_self_missing, "the slice stops before i: the token itself is missing", ("B8", "E1"), lib="numpy"),
    Wild(_L, local_two_sided_loop, "the slice runs past i: the future is visible", "E2"),
    Wild(_L, local_separate_blocks, "separate blocks; the window moves with i", "E3"),
    Wild(_L, local_block_and_previous, "all of the block before: up to 2w keys", ("E3", "E1")),
    Wild(_L, local_reshape_needs_multiple, "fails when n is no multiple of w, and the padding of the first block counts as keys", "other", "raises"),
    Wild(_L, local_zero_padding_counts, "zero keys before the start get weight; hide them", ("B2", "other")),
    Wild(_L, local_roll_wraps, "roll wraps: first tokens see the last ones", "other", lib="numpy"),
    Wild(_L, local_no_scale, "scores are not divided by sqrt(d)", "A3"),
    Wild(_L, local_masks_after_softmax, "softmax over all keys, masked after: rows sum to less than 1", "B4"),
    Wild(_L, local_ignores_w, "w is not used: all of the past", ("other", "E1")),
    Wild(_L, local_unscaled_values_shifted, "values are taken one place later than keys", "other", lib="numpy"),
    Wild(_L, local_negative_slice, "a negative start of a slice: the first rows see nothing", "other"),
    Wild(_L, local_starts_at_w, "the first w-1 queries are never computed", "other"),
    Wild(_L, local_window_softmax_axis, "softmax over the queries instead of over the window", "A1"),
    Wild(_L, local_dropped_tail, "the last, incomplete block is left at zero", ("H5", "other")),
    Wild(_L, local_fills_zero, "scores times mask: hidden keys count as exp(0)=1", "B2"),
    Wild(_L, local_two_at_once, "w+1 keys, and scores are not scaled", ("E1", "A3"), pair=True),
    Wild(_L, local_endless, "the loop never advances", "other", "slow"),
]

CORRECT = [
    Correct(_W, right_window_band, "any", "tril and triu"),
    Correct(_W, right_window_loops, "any", "slices"),
    Correct(_W, right_window_sum_of_diagonals, "any", "sum of diagonals"),
    Correct(_W, right_window_difference, "any", "difference of triangles"),
    Correct(_D, right_dilated_set, "any", "membership"),
    Correct(_D, right_dilated_isin, "any", "isin"),
    Correct(_D, right_dilated_slices, "any", "backward slices"),
    Correct(_D, right_dilated_diagonals, "any", "diagonals"),
    Correct(_L, right_local_loop, "numpy", "loop over queries"),
    Correct(_L, right_local_unfold, "torch", "unfold"),
    Correct(_L, right_local_diagonals, "torch", "one diagonal at a time"),
    Correct(_L, right_local_blocks, "torch", "blocks with their neighbour"),
    Correct(_L, right_local_gather, "numpy", "gathered windows"),
]
# fmt: on
