"""Correct ways of writing the exercises of lesson 09; each must pass."""

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce, repeat

# ------------------------------------------------------------------------ shared key heads


def repeat_loops(k, groups):
    b, h, m, d = k.shape
    out = torch.zeros(b, h * groups, m, d)
    for head in range(h * groups):
        out[:, head] = k[:, head // groups]
    return out


def repeat_numpy_loops(k, groups):
    b, h, m, d = k.shape
    out = np.empty((b, h * groups, m, d))
    for head in range(h):
        out[:, head * groups : (head + 1) * groups] = k[:, head : head + 1]
    return out


def repeat_expand(k, groups):
    b, h, m, d = k.shape
    return k[:, :, None].expand(b, h, groups, m, d).reshape(b, h * groups, m, d)


def repeat_if(k, n_rep):
    if n_rep == 1:
        return k
    return torch.repeat_interleave(k, repeats=n_rep, dim=1)


REPEAT = [
    lambda k, groups: k.repeat_interleave(groups, dim=1),
    lambda k, groups: k.repeat_interleave(groups, -3),
    lambda k, groups: np.repeat(k, groups, axis=1),
    lambda k, groups: repeat(k, "b h m d -> b (h g) m d", g=groups),
    lambda k, groups: torch.stack([k] * groups, dim=2).flatten(1, 2),
    lambda k, groups: torch.cat([k[:, h : h + 1].repeat(1, groups, 1, 1)
                                 for h in range(k.shape[1])], dim=1),
    lambda k, groups: k[:, torch.arange(k.shape[1] * groups) // groups],
    lambda k, groups: k.index_select(1, torch.arange(k.shape[1]).repeat_interleave(groups)),
    lambda k, groups: k.unsqueeze(2).repeat(1, 1, groups, 1, 1).flatten(1, 2),
    lambda k, groups: np.take(k, np.arange(k.shape[1] * groups) // groups, axis=1),
    lambda k, groups: np.kron(np.moveaxis(k, 1, -1), np.ones(groups)).transpose(0, 3, 1, 2),
    lambda k, groups: np.stack([k] * groups, 2).reshape(k.shape[0], -1, *k.shape[2:]),
    lambda k, groups: torch.einsum("bhmd,g->bhgmd", k, torch.ones(groups, dtype=k.dtype)).flatten(
        1, 2),
    repeat_loops, repeat_numpy_loops, repeat_expand, repeat_if,
]  # fmt: skip

# ------------------------------------------------------------------ one vector for a sentence


def pool_loops(hidden, keep):
    return torch.stack([row[real].mean(0) for row, real in zip(hidden, keep, strict=True)])


def pool_counting(hidden, keep):
    out = []
    for b in range(len(hidden)):
        total, count = torch.zeros(hidden.shape[-1]), 0
        for t in range(hidden.shape[1]):
            if keep[b, t]:
                total, count = total + hidden[b, t], count + 1
        out.append(total / count)
    return torch.stack(out)


def pool_sentence_transformers(hidden, keep):
    mask = keep.unsqueeze(-1).expand(hidden.size()).float()
    return torch.sum(hidden * mask, 1) / torch.clamp(mask.sum(1), min=1e-9)


def pool_numpy(hidden, keep):
    m = keep[..., None].astype(hidden.dtype)
    return (hidden * m).sum(axis=1) / m.sum(axis=1)


def pool_nan(hidden, keep):
    return hidden.masked_fill(~keep.unsqueeze(-1), float("nan")).nanmean(dim=1)


def pool_weights(hidden, keep):
    w = keep / keep.sum(1, keepdim=True)
    return (w[:, None] @ hidden)[:, 0]


def pool_attention(hidden, keep):
    scores = torch.zeros(keep.shape).masked_fill(~keep, -float("inf"))
    return torch.einsum("bn,bnd->bd", scores.softmax(-1), hidden)


POOL = [
    lambda hidden, keep: (hidden * keep[:, :, None]).sum(1) / keep.sum(1, keepdim=True),
    lambda hidden, keep: hidden.where(keep[..., None], 0.0).sum(-2) / keep.sum(-1)[:, None],
    lambda hidden, keep: torch.einsum("bnd,bn->bd", hidden, keep.float())
    / keep.sum(-1).view(-1, 1),
    lambda h, m: reduce(h * m[..., None], "b n d -> b d", "sum")
    / reduce(m.float(), "b n -> b 1", "sum"),
    lambda h, m: einsum(h, m.to(h.dtype), "b n d, b n -> b d")
    / rearrange(m.sum(1), "b -> b 1"),
    lambda hidden, keep: np.stack([h[m].mean(0) for h, m in zip(hidden, keep, strict=True)]),
    lambda hidden, keep: np.average(hidden, axis=1, weights=np.broadcast_to(keep[..., None],
                                                                             hidden.shape)),
    lambda hidden, keep: torch.bmm(keep[:, None].to(hidden.dtype), hidden).squeeze(1)
    / keep.sum(1, True),
    lambda hidden, keep: (hidden.mT @ F.normalize(keep.to(hidden.dtype), p=1, dim=1)[..., None])[
        ..., 0],
    lambda hidden, keep: np.ma.array(hidden, mask=np.repeat(~keep[..., None], hidden.shape[-1], -1)
                                     ).mean(1).data,
    lambda hidden, keep: torch.stack([hidden[b][keep[b]].sum(0) / keep[b].sum()
                                      for b in range(hidden.shape[0])]),
    pool_loops, pool_counting, pool_sentence_transformers, pool_numpy, pool_nan, pool_weights,
    pool_attention,
]  # fmt: skip

# ------------------------------------------------------------------------ the induction head


def induction_loops(weights, tokens):
    scores = []
    half = len(tokens) // 2
    for head in weights:
        total = 0.0
        for t in range(half, len(tokens)):
            total += head[t, t - half + 1]
        scores.append(total / half)
    return torch.stack(scores)


def induction_by_token(weights, tokens):
    found = {}
    picked = []
    for t, token in enumerate(tokens.tolist()):
        if token in found:
            picked.append(weights[:, t, found[token] + 1])
        found[token] = t
    return torch.stack(picked, 1).mean(1)


def induction_numpy(weights, tokens):
    half = len(tokens) // 2
    t = np.arange(half, 2 * half)
    return weights[:, t, t - half + 1].mean(axis=1)


def induction_diagonal(weights, tokens):
    half = tokens.shape[0] // 2
    return weights.diagonal(1 - half, dim1=-2, dim2=-1)[..., 1:].mean(-1)


def induction_mask(weights, tokens):
    n = len(tokens)
    same = (tokens[:, None] == tokens) & torch.ones(n, n).tril(-1).bool()
    target = F.pad(same, (1, 0))[:, :n]
    return (weights * target).sum((-2, -1)) / target.sum()


def induction_argmax(weights, tokens):
    scores = np.zeros(len(weights))
    n = len(tokens)
    for t in range(n // 2, n):
        earlier = np.flatnonzero(tokens[:t] == tokens[t])[-1]
        scores += weights[:, t, earlier + 1]
    return scores / (n // 2)


def induction_gather(weights, tokens):
    half = len(tokens) // 2
    place = torch.arange(1, half + 1).view(1, -1, 1).expand(len(weights), -1, -1)
    return weights[:, half:].gather(-1, place).mean((1, 2))


def induction_einsum(weights, tokens):
    n, half = len(tokens), len(tokens) // 2
    stripe = torch.eye(n, dtype=weights.dtype).roll(1 - half, 1)
    stripe[:half] = 0
    return torch.einsum("hij,ij->h", weights, stripe) / half


INDUCTION = [
    lambda weights, tokens: torch.stack([
        weights[:, t, t - len(tokens) // 2 + 1] for t in range(len(tokens) // 2, len(tokens))
    ]).mean(0),
    lambda w, t: w[:, len(t) // 2 :, 1:].diagonal(dim1=1, dim2=2).mean(1),
    lambda w, t: np.diagonal(w[:, len(t) // 2 :, 1:], axis1=1, axis2=2).mean(-1),
    lambda w, t: [float(sum(head[i, i - len(t) // 2 + 1] for i in range(len(t) // 2, len(t)))
                        / (len(t) // 2)) for head in w],
    induction_loops, induction_by_token, induction_numpy, induction_diagonal, induction_mask,
    induction_argmax, induction_gather, induction_einsum,
]  # fmt: skip

STYLES = {
    "repeat_kv": REPEAT, "mean_pool": POOL, "repair_pool": POOL, "induction_score": INDUCTION,
}  # fmt: skip

FAMILIES = {
    "tiled_not_interleaved": "H1", "repeated_along_tokens": "H2", "repeated_along_features": "H2",
    "repeated_along_batch": "H2", "axis_forgotten": "H2", "folded_into_tokens": "H2 C1",
    "folded_into_features": "H2 C1", "folded_into_batch": "H2 C4", "first_head_for_all": "C11",
    "heads_averaged": "C11", "padding_is_averaged": "K4 B6", "divided_by_length": "K4",
    "keep_inverted": "B1", "longest_sentence_counts": "K7", "counted_over_batch": "K7",
    "average_length": "K7", "count_lost_its_axis": "B19", "keep_meets_the_features": "B19",
    "padding_assumed_at_end": "G7", "last_token_left_out": "B20", "first_token_left_out": "B20",
    "averaged_over_batch": "A2 F5", "one_vector_for_all": "A2", "queries_and_keys_swapped": "B7",
}  # fmt: skip
