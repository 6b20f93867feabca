"""Wild code for cross_attention and teacher_forcing."""
# ruff: noqa: E501

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from ._wild import Correct, Wild

# -------------------------------------------------------------------- cross_attention, wrong


def _rows(keep):
    return None if keep is None else keep[:, None, :]


def cross_roles_swapped(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = memory @ w_q, x @ w_k, x @ w_v
    return F.scaled_dot_product_attention(q, k, v)


def cross_roles_swapped_quietly(x, memory, w_q, w_k, w_v, keep=None):
    """The matrices are given to whichever input they fit."""
    q, k, v = memory @ w_k, x @ w_q, x @ w_q
    return F.scaled_dot_product_attention(q, k, v)


def cross_values_from_decoder(x, memory, w_q, w_k, w_v, keep=None):
    q = x @ w_q
    k = memory @ w_k
    v = x @ w_v
    s = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if keep is not None:
        s = s.masked_fill(~keep[:, None, :], -torch.inf)
    return s.softmax(-1) @ v


def cross_keys_from_decoder(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, x @ w_k, memory @ w_v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=_rows(keep))


def cross_is_self_attention(x, memory, w_q, w_k, w_v, keep=None):
    return F.scaled_dot_product_attention(x @ w_q, x @ w_k, x @ w_v)


def cross_causal_on_memory(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    s = q @ k.mT / q.shape[-1] ** 0.5
    s = s.masked_fill(~torch.ones(s.shape[-2:], dtype=torch.bool).tril(), -torch.inf)
    if keep is not None:
        s = s.masked_fill(~keep[:, None], -1e9)
    return s.softmax(-1) @ v


def cross_keep_on_queries(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    s = q @ k.mT / q.shape[-1] ** 0.5
    if keep is not None:
        s = s.masked_fill(~keep[:, :, None], -1e9)
    return s.softmax(-1) @ v


def cross_keep_ignored(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    s = np.einsum("bid,bjd->bij", q, k) / np.sqrt(q.shape[-1])
    e = np.exp(s - s.max(-1, keepdims=True))
    return np.einsum("bij,bjd->bid", e / e.sum(-1, keepdims=True), v)


def cross_keep_inverted(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    s = np.einsum("bid,bjd->bij", q, k) / np.sqrt(q.shape[-1])
    if keep is not None:
        s[np.broadcast_to(keep[:, None, :], s.shape)] = -1e9
    e = np.exp(s - s.max(-1, keepdims=True))
    return np.einsum("bij,bjd->bid", e / e.sum(-1, keepdims=True), v)


def cross_zeroes_memory(x, memory, w_q, w_k, w_v, keep=None):
    """Pads are set to zero before projecting; a zero key still scores 0."""
    if keep is not None:
        memory = memory * keep.unsqueeze(-1)
    return F.scaled_dot_product_attention(x @ w_q, memory @ w_k, memory @ w_v)


def cross_keep_shape(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=keep)


def cross_no_scale(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    s = q @ k.mT
    if keep is not None:
        s = s.masked_fill(~keep[:, None], -torch.inf)
    return s.softmax(-1) @ v


def cross_memory_size_scale(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    s = q @ k.mT / math.sqrt(memory.shape[-1])
    if keep is not None:
        s = s.masked_fill(~keep[:, None], -torch.inf)
    return s.softmax(-1) @ v


def cross_softmax_over_targets(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    s = torch.bmm(q, k.transpose(1, 2)) / q.size(-1) ** 0.5
    if keep is not None:
        s = s.masked_fill(keep.unsqueeze(1) == 0, -1e10)
    return torch.bmm(torch.softmax(s, dim=1), v)


def cross_values_are_keys(x, memory, w_q, w_k, w_v, keep=None):
    q, k = x @ w_q, memory @ w_k
    return F.scaled_dot_product_attention(q, k, k, attn_mask=_rows(keep))


def cross_raw_memory(x, memory, w_q, w_k, w_v, keep=None):
    return F.scaled_dot_product_attention(x @ w_q, memory @ w_k, memory, attn_mask=_rows(keep))


def cross_concatenates(x, memory, w_q, w_k, w_v, keep=None):
    both = torch.cat([x, memory], dim=1)
    return F.scaled_dot_product_attention(x @ w_q, both @ w_k, both @ w_v)


def cross_keep_fill_zero(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    s = q @ k.mT / q.shape[-1] ** 0.5
    if keep is not None:
        s = s * keep[:, None, :]
    return s.softmax(-1) @ v


def cross_keep_after(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    w = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    if keep is not None:
        w = w * keep[:, None, :]
    return w @ v, w


def cross_mixed_up_matrices(x, memory, w_q, w_k, w_v, keep=None):
    """Order (v, k) taken from another library."""
    k, v = (memory @ w for w in (w_v, w_k))
    return F.scaled_dot_product_attention(x @ w_q, k, v, attn_mask=_rows(keep))


def cross_first_keep_for_all(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=None if keep is None else keep[0].expand(q.shape[1], -1)
    )


def cross_residual(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    return q + F.scaled_dot_product_attention(q, k, v, attn_mask=_rows(keep))


def cross_two_at_once(x, memory, w_q, w_k, w_v, keep=None):
    s = (x @ w_q) @ (memory @ w_k).mT
    if keep is not None:
        s = s.masked_fill(keep[:, None, :], -1e9)
    return s.softmax(-1) @ (memory @ w_v)


def right_cross_drop_pads(x, memory, w_q, w_k, w_v, keep=None):
    """Pads are cut off, one example at a time."""
    outs = []
    for b in range(len(x)):
        m = memory[b] if keep is None else memory[b][keep[b]]
        s = (x[b] @ w_q) @ (m @ w_k).T / math.sqrt(w_k.shape[1])
        outs.append(torch.softmax(s, dim=1) @ (m @ w_v))
    return torch.stack(outs)


def right_cross_numpy(x, memory, w_q, w_k, w_v, keep=None):
    s = np.einsum("bic,cd,bje,ed->bij", x, w_q, memory, w_k) / w_k.shape[1] ** 0.5
    if keep is not None:
        s = np.where(keep[:, None], s, np.finfo(s.dtype).min)
    w = np.exp(s - s.max(-1, keepdims=True))
    w = w / w.sum(-1, keepdims=True)
    return w @ memory @ w_v, w


def right_cross_sdpa(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=_rows(keep))


def right_cross_absorbed_key(x, memory, w_q, w_k, w_v, keep=None):
    asks = x @ (w_q @ w_k.mT) / w_k.shape[-1] ** 0.5
    s = asks @ memory.mT
    if keep is not None:
        s = s + (1.0 - keep[:, None].to(s.dtype)) * -1e9
    return s.softmax(-1) @ memory @ w_v


def right_cross_with_head_axis(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = (t.unsqueeze(1) for t in (x @ w_q, memory @ w_k, memory @ w_v))
    s = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
    if keep is not None:
        s = s.masked_fill(~keep[:, None, None, :], float("-inf"))
    return (torch.softmax(s, -1) @ v).squeeze(1)


# -------------------------------------------------------------------- teacher_forcing, wrong


def forcing_no_shift(targets, bos):
    return targets, targets


def forcing_shifts_left(targets, bos):
    return targets[:, :-1], targets[:, 1:]


def forcing_one_too_long(targets, bos):
    first = torch.full((targets.shape[0], 1), bos)
    return torch.cat([first, targets], dim=1), targets


def forcing_labels_with_bos(targets, bos):
    first = torch.full((targets.shape[0], 1), bos)
    decoder_input = torch.cat([first, targets[:, :-1]], dim=1)
    return decoder_input, decoder_input


def forcing_swapped(targets, bos):
    first = np.full((targets.shape[0], 1), bos)
    return targets, np.concatenate([first, targets[:, :-1]], axis=1)


def forcing_roll(targets, bos):
    return targets.roll(1, dims=1), targets


def forcing_bos_at_end(targets, bos):
    last = torch.full((targets.shape[0], 1), bos)
    return torch.cat([targets[:, 1:], last], dim=1), targets


def forcing_overwrites_first(targets, bos):
    decoder_input = targets.clone()
    decoder_input[:, 0] = bos
    return decoder_input, targets


def forcing_shift_along_batch(targets, bos):
    first = np.full((1, targets.shape[1]), bos)
    return np.concatenate([first, targets[:-1]], axis=0), targets


def forcing_labels_shifted_too(targets, bos):
    inp = torch.cat([torch.full_like(targets[:, :1], bos), targets[:, :-1]], 1)
    labels = torch.cat([targets[:, 1:], torch.full_like(targets[:, :1], bos)], 1)
    return inp, labels


def forcing_drops_first(targets, bos):
    bos_column = torch.full_like(targets[:, :1], bos)
    return torch.cat([bos_column, targets[:, 1:]], dim=1), targets


def forcing_bos_one_example(targets, bos):
    return torch.cat([torch.tensor([[bos]]), targets[:, :-1]], dim=1), targets


def forcing_zero_start(targets, bos):
    out = np.zeros_like(targets)
    out[:, 1:] = targets[:, :-1]
    return out, targets


def forcing_writes_into_targets(targets, bos):
    """A view is shifted, so the labels change with it."""
    decoder_input = targets
    decoder_input[:, 1:] = targets[:, :-1].copy()
    decoder_input[:, 0] = bos
    return decoder_input, targets


def forcing_aliased_copy(targets, bos):
    labels = targets.clone()
    targets[:, 1:] = labels[:, :-1]
    targets[:, 0] = bos
    return targets, labels


def forcing_input_only(targets, bos):
    return torch.cat([torch.full_like(targets[:, :1], bos), targets[:, :-1]], dim=1)


def forcing_shift_two(targets, bos):
    pad = torch.full_like(targets[:, :2], bos)
    return torch.cat([pad, targets[:, :-2]], dim=1), targets


def forcing_float(targets, bos):
    first = np.ones((targets.shape[0], 1)) * bos
    return np.hstack([first, targets[:, :-1]]), targets


def right_forcing_f_pad(targets, bos):
    return F.pad(targets[..., :-1], (1, 0), value=bos), targets


def right_forcing_roll_fixed(targets, bos):
    shifted = np.roll(targets, 1, axis=-1)
    shifted[..., 0] = bos
    return shifted, targets


def right_forcing_lists(targets, bos):
    rows = [[bos, *row[:-1]] for row in targets.tolist()]
    return torch.tensor(rows), targets.clone()


def right_forcing_where(targets, bos):
    column = np.arange(targets.shape[-1])
    return np.where(column == 0, bos, targets[..., column - 1]), np.array(targets)


_X, _T = "cross_attention", "teacher_forcing"

# fmt: off
WILD = [
    Wild(_X, cross_roles_swapped, "queries come from the memory, keys and values from x: the roles are swapped", "D1", "raises"),
    Wild(_X, cross_roles_swapped_quietly, "the memory asks and x answers: the roles are swapped", "D1", "shape"),
    Wild(_X, cross_values_from_decoder, "values come from x; keys and values both come from the memory", "D2", "raises"),
    Wild(_X, cross_keys_from_decoder, "keys come from x; keys and values both come from the memory", "D2", "raises"),
    Wild(_X, cross_is_self_attention, "the memory is never read: this is self-attention", ("D2", "other"), "raises"),
    Wild(_X, cross_causal_on_memory, "a causal mask hides parts of the memory", "D3"),
    Wild(_X, cross_keep_on_queries, "keep is applied to queries instead of to the memory's keys", "B13", "raises"),
    Wild(_X, cross_keep_ignored, "keep is never used: pads of the memory are attended", ("B6", "D4"), lib="numpy"),
    Wild(_X, cross_keep_inverted, "keep is read the wrong way round", "B1", lib="numpy"),
    Wild(_X, cross_zeroes_memory, "pads are set to zero, but a zero key still gets the weight exp(0)", ("B2", "other")),
    Wild(_X, cross_keep_shape, "keep (b, m) needs an axis for the queries: keep[:, None, :]", "B19", "raises"),
    Wild(_X, cross_no_scale, "scores are not divided by sqrt(d)", "A3"),
    Wild(_X, cross_memory_size_scale, "divides by the root of the memory's size", ("A6", "C6")),
    Wild(_X, cross_softmax_over_targets, "softmax over the queries", "A1"),
    Wild(_X, cross_values_are_keys, "the weights multiply the keys", "A12", "shape"),
    Wild(_X, cross_raw_memory, "the weights multiply the memory itself; w_v is unused", ("A12", "other"), "shape"),
    Wild(_X, cross_concatenates, "x is joined to the memory", "other", "raises"),
    Wild(_X, cross_keep_fill_zero, "scores times keep gives 0 for pads, and exp(0)=1", "B2"),
    Wild(_X, cross_keep_after, "keep is applied after softmax without renormalising", "B4"),
    Wild(_X, cross_mixed_up_matrices, "w_k and w_v are swapped", ("A12", "other"), "raises"),
    Wild(_X, cross_first_keep_for_all, "every example gets the first one's pads", ("B17", "other")),
    Wild(_X, cross_two_at_once, "no scale, and keep is read the wrong way round", ("A3", "B1"), pair=True),
    Wild(_X, cross_residual, "the query is added to the result", "other", "raises"),
    Wild(_T, forcing_no_shift, "no shift: the decoder is given the very token it must predict", "K1"),
    Wild(_T, forcing_shifts_left, "one token too short, and bos is missing", ("K1", "K2", "other"), "shape"),
    Wild(_T, forcing_one_too_long, "the last target was not dropped: the input is one too long", "other", "shape"),
    Wild(_T, forcing_labels_with_bos, "the labels are shifted as well: the decoder learns to copy", "K1"),
    Wild(_T, forcing_swapped, "input and labels are swapped", "other", lib="numpy"),
    Wild(_T, forcing_roll, "roll puts the last token first instead of bos", "other"),
    Wild(_T, forcing_bos_at_end, "shifted the wrong way: the decoder is given the future", ("K1", "other")),
    Wild(_T, forcing_overwrites_first, "bos replaces the first token and nothing is shifted", ("K1", "other")),
    Wild(_T, forcing_shift_along_batch, "shifted along the batch instead of along time", "other", lib="numpy"),
    Wild(_T, forcing_labels_shifted_too, "input and labels are both shifted: two apart", "K2"),
    Wild(_T, forcing_drops_first, "drops the first target instead of the last", ("K1", "other")),
    Wild(_T, forcing_bos_one_example, "bos is needed once per example", "other", "raises"),
    Wild(_T, forcing_zero_start, "the input starts with 0, bos is not used", "other", lib="numpy"),
    Wild(_T, forcing_writes_into_targets, "the labels change along, for input and labels are one array", ("A15", "K1"), lib="numpy"),
    Wild(_T, forcing_aliased_copy, "the caller's targets are overwritten", "A15", "mutates", "notes"),
    Wild(_T, forcing_input_only, "the labels are not returned", "other", "type"),
    Wild(_T, forcing_shift_two, "shifted by two", "K2"),
    Wild(_T, forcing_float, "the token ids became floats", "other", "dtype", "either", lib="numpy"),
]

CORRECT = [
    Correct(_X, right_cross_drop_pads, "torch", "pads cut off, loop"),
    Correct(_X, right_cross_numpy, "numpy", "four-way einsum, tuple"),
    Correct(_X, right_cross_sdpa, "torch", "fused kernel"),
    Correct(_X, right_cross_absorbed_key, "torch", "key matrix absorbed, additive mask"),
    Correct(_X, right_cross_with_head_axis, "torch", "extra head axis"),
    Correct(_T, right_forcing_f_pad, "torch", "F.pad"),
    Correct(_T, right_forcing_roll_fixed, "numpy", "roll, then bos"),
    Correct(_T, right_forcing_lists, "torch", "lists"),
    Correct(_T, right_forcing_where, "numpy", "where"),
]
# fmt: on
