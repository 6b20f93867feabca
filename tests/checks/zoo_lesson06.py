"""Correct ways of writing the exercises of lesson 06; each must pass."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum, rearrange

INF = float("inf")


def cross_with(fill):
    def fn(x, memory, w_q, w_k, w_v, keep=None):
        q, k, v = x @ w_q, memory @ w_k, memory @ w_v
        s = q @ k.transpose(1, 2) / math.sqrt(k.shape[-1])
        if keep is not None:
            s = s.masked_fill(~keep[:, None, :], fill)
        return s.softmax(-1) @ v

    return fn


def cross_sdpa(x, memory, w_q, w_k, w_v, keep=None):
    mask = None if keep is None else keep.unsqueeze(1)
    return F.scaled_dot_product_attention(x @ w_q, memory @ w_k, memory @ w_v, attn_mask=mask)


def cross_bias(x, memory, w_q, w_k, w_v, keep=None):
    bias = 0.0
    if keep is not None:
        bias = torch.zeros(keep.shape, dtype=x.dtype).masked_fill(~keep, -INF)[:, None]
    return ((x @ w_q) @ (memory @ w_k).mT / w_q.shape[1] ** 0.5 + bias).softmax(-1) @ memory @ w_v


def cross_einsum(x, memory, w_q, w_k, w_v, keep=None):
    s = torch.einsum("btc,cd,ed,bse->bts", x, w_q, w_k, memory) * w_k.shape[-1] ** -0.5
    if keep is not None:
        s = torch.where(keep[:, None], s, -1e9)
    return torch.einsum("bts,bse,ed->btd", torch.softmax(s, 2), memory, w_v)


def cross_einops(x, memory, w_q, w_k, w_v, keep=None):
    q = einsum(x, w_q, "b t c, c d -> b t d") / w_q.shape[1] ** 0.5
    s = einsum(q, memory @ w_k, "b t d, b s d -> b t s")
    if keep is not None:
        s = s.masked_fill(rearrange(~keep, "b s -> b 1 s"), torch.finfo(s.dtype).min)
    return einsum(s.softmax(-1), memory @ w_v, "b t s, b s d -> b t d")


def cross_loops(x, memory, w_q, w_k, w_v, keep=None):
    out = torch.zeros(x.shape[0], x.shape[1], w_v.shape[1])
    for b in range(len(x)):
        for t in range(x.shape[1]):
            places = [s for s in range(memory.shape[1]) if keep is None or keep[b, s]]
            q = x[b, t] @ w_q
            w = torch.stack([q @ (memory[b, s] @ w_k) for s in places]) / len(q) ** 0.5
            w = w.exp() / w.exp().sum()
            for weight, s in zip(w, places, strict=True):
                out[b, t] += weight * (memory[b, s] @ w_v)
    return out


def cross_per_example(x, memory, w_q, w_k, w_v, keep=None):
    out = []
    for b in range(len(x)):
        source = memory[b] if keep is None else memory[b][keep[b]]
        w = ((x[b] @ w_q) @ (source @ w_k).T / w_q.shape[1] ** 0.5).softmax(1)
        out.append(w @ (source @ w_v))
    return torch.stack(out)


def cross_after(x, memory, w_q, w_k, w_v, keep=None):
    w = ((x @ w_q) @ (memory @ w_k).mT / w_q.shape[1] ** 0.5).softmax(-1)
    if keep is not None:
        w = w * keep[:, None]
        w = w / w.sum(-1, keepdim=True)
    return w @ (memory @ w_v)


def cross_numpy(x, memory, w_q, w_k, w_v, keep=None):
    s = (x @ w_q) @ (memory @ w_k).transpose(0, 2, 1) / np.sqrt(w_k.shape[1])
    if keep is not None:
        s = np.where(keep[:, None, :], s, -1e9)
    w = np.exp(s - s.max(axis=-1, keepdims=True))
    return w / w.sum(axis=-1, keepdims=True) @ (memory @ w_v)


def cross_tuple(x, memory, w_q, w_k, w_v, keep=None):
    s = torch.bmm(x @ w_q, (memory @ w_k).permute(0, 2, 1)) / w_q.size(1) ** 0.5
    if keep is not None:
        s[~keep[:, None].expand_as(s)] = -INF
    w = F.softmax(s, dim=-1)
    return torch.bmm(w, memory @ w_v), w


def cross_linear(x, memory, w_q, w_k, w_v, keep=None):
    q, k, v = F.linear(x, w_q.T), F.linear(memory, w_k.T), F.linear(memory, w_v.T)
    return cross_sdpa(q, torch.cat([k, v], -1), torch.eye(q.shape[-1], dtype=q.dtype),
                      torch.eye(k.shape[-1] + v.shape[-1], dtype=q.dtype)[:, : k.shape[-1]],
                      torch.eye(k.shape[-1] + v.shape[-1], dtype=q.dtype)[:, k.shape[-1] :],
                      keep)  # fmt: skip


def cross_float64(x, memory, w_q, w_k, w_v, keep=None):
    return cross_with(-INF)(*(a.double() for a in (x, memory, w_q, w_k, w_v)), keep).to(x.dtype)


CROSS = [
    cross_with(-INF), cross_with(-1e9), cross_sdpa, cross_bias, cross_einsum, cross_einops,
    cross_loops, cross_per_example, cross_after, cross_numpy, cross_tuple, cross_linear,
    cross_float64,
]  # fmt: skip

# ----------------------------------------------------------------------- teacher forcing


def forcing_full(targets, bos):
    start = torch.full((targets.shape[0], 1), bos, dtype=targets.dtype)
    return torch.cat([start, targets[:, :-1]], dim=1), targets


def forcing_loops(targets, bos):
    given = torch.zeros_like(targets)
    for b in range(targets.shape[0]):
        given[b, 0] = bos
        for t in range(1, targets.shape[1]):
            given[b, t] = targets[b, t - 1]
    return given, targets


def forcing_new(targets, bos):
    given = targets.new_full(targets.shape, bos)
    given[:, 1:] = targets[:, :-1]
    return given, targets.clone()


def forcing_roll(targets, bos):
    given = targets.roll(1, dims=1)
    given[:, 0] = bos
    return given, targets


def forcing_whole(targets, bos):
    whole = torch.cat([torch.full_like(targets[:, :1], bos), targets], 1)
    return whole[:, :-1], whole[:, 1:]


def forcing_numpy(targets, bos):
    targets = np.asarray(targets)
    return np.concatenate([np.full((len(targets), 1), bos), targets[:, :-1]], axis=1), targets


def forcing_numpy_roll(targets, bos):
    given = np.roll(targets, 1, axis=1)
    given[:, 0] = bos
    return [given, targets]


def forcing_lists(targets, bos):
    rows = targets.tolist()
    return [[bos, *row[:-1]] for row in rows], rows


def forcing_where(targets, bos):
    before = targets[:, [0, *range(targets.shape[1] - 1)]]
    return torch.where(torch.arange(targets.shape[1]) == 0, bos, before), targets


FORCING = [
    forcing_full, forcing_loops, forcing_new, forcing_roll, forcing_whole, forcing_numpy,
    forcing_numpy_roll, forcing_lists, forcing_where,
    lambda targets, bos: (F.pad(targets[:, :-1], (1, 0), value=bos), targets),
    lambda targets, bos: (F.pad(targets, (1, 0), value=bos)[:, :-1], targets.float()),
    lambda targets, bos: (torch.stack([
        torch.cat([torch.tensor([bos]), row[:-1]]) for row in targets]), targets),
    lambda targets, bos: (np.pad(targets, ((0, 0), (1, 0)), constant_values=bos)[:, :-1], targets),
]  # fmt: skip

# ----------------------------------------------------------------------------- alignment


def align_loops(weights, spans):
    found = []
    for row in weights:
        best, at = -1.0, -1
        for i, (start, end) in enumerate(spans):
            total = sum(float(row[j]) for j in range(start, end))
            if total > best:
                best, at = total, i
        found.append(at)
    return found


def align_member(weights, spans):
    member = torch.zeros(weights.shape[1], len(spans), dtype=weights.dtype)
    for i, (start, end) in enumerate(spans):
        member[start:end, i] = 1
    return (weights @ member).argmax(-1)


def align_cumulative(weights, spans):
    total = F.pad(weights.cumsum(-1), (1, 0))
    return torch.stack([total[:, e] - total[:, s] for s, e in spans], 1).argmax(1)


def align_numpy(weights, spans):
    return np.argmax([np.asarray(weights)[:, a:b].sum(axis=1) for a, b in spans], axis=0)


def align_numpy_rows(weights, spans):
    return np.array([int(np.argmax([row[a:b].sum() for a, b in spans])) for row in weights])


def align_add(weights, spans):
    word = torch.full((weights.shape[1],), len(spans))
    for i, (a, b) in enumerate(spans):
        word[a:b] = i
    total = torch.zeros(len(weights), len(spans) + 1, dtype=weights.dtype)
    return total.index_add(1, word, weights)[:, :-1].argmax(-1)


def align_outer(weights, spans):
    starts, ends = (torch.tensor(x)[:, None] for x in zip(*spans, strict=True))
    place = torch.arange(weights.shape[-1])
    inside = (place >= starts) & (place < ends)
    return torch.einsum("ts,ws->tw", weights, inside.to(weights.dtype)).max(-1).indices


ALIGN = [
    align_loops, align_member, align_cumulative, align_numpy, align_numpy_rows, align_add,
    align_outer,
    lambda weights, spans: torch.stack([weights[:, a:b].sum(-1) for a, b in spans], -1).argmax(-1),
    lambda weights, spans: torch.cat(
        [weights[:, a:b].sum(1, keepdim=True) for a, b in spans], 1).topk(1).indices[:, 0],
    lambda weights, spans: [max(range(len(spans)), key=lambda i: row[slice(*spans[i])].sum())
                            for row in weights],
    lambda weights, spans: torch.tensor(
        [int(torch.stack([row[a:b].sum() for a, b in spans]).argmax()) for row in weights]),
    lambda weights, spans: np.add.reduceat(
        np.pad(np.asarray(weights, dtype=np.float64), ((0, 0), (0, 1))),
        [edge for span in spans for edge in span], axis=1)[:, ::2].argmax(1),
    lambda weights, spans: torch.stack(
        [weights[:, a:b].double().mean(1) * (b - a) for a, b in spans]).argmax(0).float(),
]  # fmt: skip

STYLES = {"cross_attention": CROSS, "teacher_forcing": FORCING, "read_alignment": ALIGN}

FAMILIES = {
    "sides_swapped": "D1", "target_ignored": "D1", "queries_from_memory": "D1 D2",
    "memory_ignored": "D2", "keys_from_target": "D2", "values_from_target": "D2",
    "causal_on_memory": "D3", "keep_on_queries": "B13 D4", "keep_broadcast_over_batch": "B19",
    "mask_ignored": "D4", "padding_set_to_zero": "B2", "first_keep_for_all": "B17",
    "key_projection_for_value": "A12", "value_not_projected": "A12",
    "key_and_value_projection_swapped": "A12", "query_and_key_projection_swapped": "A12",
    "not_shifted": "K1", "bos_overwrites_the_first": "K1", "bos_missing": "K1 K2",
    "shifted_the_wrong_way": "K1", "labels_are_the_input": "K1 A15", "labels_shifted_too": "K2",
    "first_label_overwritten": "K1 A15", "shifted_by_two": "K2",
}  # fmt: skip
