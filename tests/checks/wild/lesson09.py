"""Wild code for repeat_kv and mean_pool."""
# ruff: noqa: E501

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange, reduce, repeat

from ._wild import Correct, Wild

# -------------------------------------------------------------------------- repeat_kv, wrong


def repeat_tiles(k, groups):
    return k.repeat(1, groups, 1, 1)


def repeat_np_tile(k, groups):
    return np.tile(k, (1, groups, 1, 1))


def repeat_concatenates(k, groups):
    return torch.cat([k] * groups, dim=1)


def repeat_on_time(k, groups):
    return k.repeat_interleave(groups, dim=2)


def repeat_on_batch(k, groups):
    return torch.repeat_interleave(k, groups, dim=0)


def repeat_flat(k, groups):
    return np.repeat(k, groups)


def repeat_last_axis(k, groups):
    return np.repeat(k, groups, axis=-1)


def repeat_extra_axis(k, groups):
    b, h, n, d = k.shape
    return k[:, :, None].expand(b, h, groups, n, d)


def repeat_group_axis_first(k, groups):
    b, h, n, d = k.shape
    return k[:, None].expand(b, groups, h, n, d).reshape(b, groups * h, n, d)


def repeat_einops_order(k, groups):
    return repeat(k, "b h n d -> b (g h) n d", g=groups)


def repeat_total_heads(k, groups):
    """groups is read as the number of query heads."""
    times = groups // k.shape[1]
    return k.repeat_interleave(max(times, 1), dim=1)


def repeat_first_head(k, groups):
    return k[:, :1].expand(-1, k.shape[1] * groups, -1, -1)


def repeat_reshape_scramble(k, groups):
    b, h, n, d = k.shape
    return k.unsqueeze(3).expand(b, h, n, groups, d).reshape(b, h * groups, n, d)


def repeat_zeros_between(k, groups):
    b, h, n, d = k.shape
    out = np.zeros((b, h * groups, n, d), dtype=k.dtype)
    out[:, ::groups] = k
    return out


def repeat_index_modulo(k, groups):
    heads = k.shape[1] * groups
    return np.stack([k[:, h % k.shape[1]] for h in range(heads)], axis=1)


def repeat_one_too_many(k, groups):
    return k.repeat_interleave(groups + 1, dim=1)


def repeat_nothing(k, groups):
    return k


def right_repeat_interleave(k, groups):
    return k.repeat_interleave(groups, dim=-3)


def right_repeat_expand(k, groups):
    b, h, n, d = k.shape
    return k[:, :, None].expand(b, h, groups, n, d).flatten(1, 2)


def right_repeat_einops(k, groups):
    return repeat(k, "b h n d -> b (h g) n d", g=groups)


def right_repeat_numpy(k, groups):
    return np.repeat(k, groups, axis=1)


def right_repeat_fancy_index(k, groups):
    return k[:, np.arange(k.shape[1] * groups) // groups]


def right_repeat_stack(k, groups):
    return torch.stack([k] * groups, dim=2).reshape(k.shape[0], -1, *k.shape[2:])


# -------------------------------------------------------------------------- mean_pool, wrong


def pool_ignores_keep(hidden, keep):
    return hidden.mean(dim=1)


def pool_zeroed_but_divided_by_n(hidden, keep):
    return (hidden * keep[..., None]).mean(1)


def pool_sum(hidden, keep):
    return (hidden * keep[..., None]).sum(1)


def pool_inverted(hidden, keep):
    pads = ~keep
    return (hidden * pads.unsqueeze(-1)).sum(1) / pads.sum(1, keepdim=True).clamp(min=1)


def pool_first_token(hidden, keep):
    return hidden[:, 0]


def pool_last_token(hidden, keep):
    return hidden[torch.arange(len(hidden)), keep.sum(1) - 1]


def pool_wrong_axis(hidden, keep):
    return (hidden * keep[..., None]).sum(-1) / keep.sum(1, keepdims=True)


def pool_over_batch(hidden, keep):
    m = keep[..., None].astype(float)
    return (hidden * m).sum(0) / m.sum(0).clip(min=1)


def pool_count_of_all(hidden, keep):
    """One count for the whole batch."""
    return (hidden * keep[..., None]).sum(1) / keep.sum()


def pool_mean_length(hidden, keep):
    return (hidden * keep[..., None]).sum(1) / (keep.sum() / len(keep))


def pool_flattened(hidden, keep):
    return hidden[keep].mean(0)


def pool_broadcast_accident(hidden, keep):
    return (hidden * keep).sum(1) / keep.sum(1)


def pool_count_shape(hidden, keep):
    """The count is missing its axis: divides features by counts of other examples."""
    return (hidden * keep[..., None]).sum(1) / keep.sum(1)


def pool_max(hidden, keep):
    return hidden.masked_fill(~keep[..., None], -torch.inf).amax(1)


def pool_off_by_one_count(hidden, keep):
    return (hidden * keep[..., None]).sum(1) / (keep.sum(1, keepdims=True) + 1)


def pool_normalised(hidden, keep):
    s = (hidden * keep[..., None]).sum(1)
    return s / s.norm(dim=-1, keepdim=True)


def pool_keeps_axis(hidden, keep):
    return (hidden * keep[..., None]).sum(1, keepdims=True) / keep.sum(1)[:, None, None]


def pool_nonzero_count(hidden, keep):
    """Counts non-zero numbers, so features are counted too."""
    h = hidden * keep[..., None]
    return h.sum(1) / (h != 0).sum((1, 2))[:, None]


def pool_loses_last(hidden, keep):
    rows = []
    for h, m in zip(hidden, keep, strict=True):
        length = int(m.sum())
        rows.append(h[: length - 1].sum(0) / length)
    return torch.stack(rows)


def pool_zeroes_callers_hidden(hidden, keep):
    hidden[~keep] = 0
    return hidden.sum(1) / keep.sum(1)[:, None]


def pool_nan_mean(hidden, keep):
    """NaN for pads, but an ordinary mean afterwards."""
    h = np.where(keep[..., None], hidden, np.nan)
    return h.mean(axis=1)


def right_pool_matmul(hidden, keep):
    w = keep.to(hidden.dtype)
    w = w / w.sum(1, keepdim=True)
    return (w[:, None] @ hidden)[:, 0]


def right_pool_nanmean(hidden, keep):
    return np.nanmean(np.where(keep[..., None], hidden, np.nan), axis=1)


def right_pool_loop(hidden, keep):
    return torch.stack([h[m.bool()].mean(0) for h, m in zip(hidden, keep, strict=True)])


def right_pool_einsum(hidden, keep):
    m = keep.astype(hidden.dtype)
    return np.einsum("bnd,bn->bd", hidden, m) / np.maximum(m.sum(1), 1)[:, None]


def right_pool_softmax(hidden, keep):
    """Attention with all scores equal."""
    scores = torch.zeros(keep.shape, dtype=hidden.dtype).masked_fill(~keep.bool(), -torch.inf)
    return torch.einsum("bn,bnd->bd", scores.softmax(-1), hidden)


def right_pool_reduce(hidden, keep):
    m = rearrange(keep, "b n -> b n 1").to(hidden.dtype)
    return reduce(hidden * m, "b n d -> b d", "sum") / reduce(m, "b n 1 -> b 1", "sum")


def right_pool_masked_array(hidden, keep):
    hide = np.broadcast_to(~keep.astype(bool)[..., None], hidden.shape)
    return np.asarray(np.ma.array(hidden, mask=hide).mean(axis=1))


_K, _P = "repeat_kv", "mean_pool"

# fmt: off
WILD = [
    Wild(_K, repeat_tiles, "tiled 0 1 0 1 instead of 0 0 1 1: query heads read the wrong group", "H1"),
    Wild(_K, repeat_np_tile, "np.tile repeats the whole list of heads; np.repeat repeats each", "H1", lib="numpy"),
    Wild(_K, repeat_concatenates, "copies are put one after the other: 0 1 0 1", "H1"),
    Wild(_K, repeat_on_time, "repeated along the tokens instead of the heads", "H2", "shape"),
    Wild(_K, repeat_on_batch, "repeated along the batch", ("H2", "other"), "shape"),
    Wild(_K, repeat_flat, "np.repeat without axis flattens", ("H2", "other"), "shape", lib="numpy"),
    Wild(_K, repeat_last_axis, "repeated along the features", ("H2", "other"), "shape", lib="numpy"),
    Wild(_K, repeat_extra_axis, "the group axis was not merged into the heads", "other", "shape"),
    Wild(_K, repeat_group_axis_first, "the group axis stands before the heads: 0 1 0 1", "H1"),
    Wild(_K, repeat_einops_order, "(g h) instead of (h g)", "H1"),
    Wild(_K, repeat_total_heads, "groups is read as the number of query heads", "other", "shape"),
    Wild(_K, repeat_first_head, "every head is a copy of the first", ("C11", "other")),
    Wild(_K, repeat_reshape_scramble, "the new axis stands behind the tokens, so reshape mixes tokens and heads", ("C1", "H2", "other")),
    Wild(_K, repeat_zeros_between, "only every groups-th head is filled", "other", lib="numpy"),
    Wild(_K, repeat_index_modulo, "h % heads instead of h // groups", "H1", lib="numpy"),
    Wild(_K, repeat_one_too_many, "one copy too many", "other", "shape"),
    Wild(_K, repeat_nothing, "nothing is repeated", "other", "shape"),
    Wild(_P, pool_ignores_keep, "keep is not used: pads are averaged in", ("K4", "B6", "other")),
    Wild(_P, pool_zeroed_but_divided_by_n, "divided by n instead of by the number of kept tokens", ("K4", "other"), lib="any"),
    Wild(_P, pool_sum, "a sum, not a mean", "other", lib="any"),
    Wild(_P, pool_inverted, "the pads are averaged instead of the tokens", "B1"),
    Wild(_P, pool_first_token, "the first token alone", "other", lib="any"),
    Wild(_P, pool_last_token, "the last real token alone", "other"),
    Wild(_P, pool_wrong_axis, "summed over the features instead of the tokens", "other", "shape", lib="any"),
    Wild(_P, pool_over_batch, "averaged over the batch instead of the tokens", ("A2", "F5", "other"), "shape", lib="numpy"),
    Wild(_P, pool_count_of_all, "divided by the tokens of the whole batch", ("K7", "other"), lib="any"),
    Wild(_P, pool_mean_length, "divided by the average length", ("K7", "other"), lib="any"),
    Wild(_P, pool_flattened, "one mean over all examples together", ("A2", "other"), "shape"),
    Wild(_P, pool_broadcast_accident, "keep needs an axis for the features: keep[..., None]", ("B19", "other"), "raises", lib="any"),
    Wild(_P, pool_count_shape, "the count needs keepdims: each column is divided by another example's count", ("B19", "other"), "raises", lib="any"),
    Wild(_P, pool_max, "the maximum, not the mean", "other"),
    Wild(_P, pool_off_by_one_count, "one is added to every count", "other", lib="any"),
    Wild(_P, pool_normalised, "scaled to length 1 instead of divided by the count", "other"),
    Wild(_P, pool_keeps_axis, "(b, 1, d) instead of (b, d)", "other", "shape", lib="any"),
    Wild(_P, pool_nonzero_count, "features are counted as tokens", "other", lib="any"),
    Wild(_P, pool_loses_last, "the last real token is left out of the sum", ("B20", "other")),
    Wild(_P, pool_zeroes_callers_hidden, "sets the caller's pads to zero", "A15", "mutates", "notes", lib="any"),
    Wild(_P, pool_nan_mean, "the mean of a row with NaN is NaN; nanmean leaves them out", "other", "nan", lib="numpy"),
]

CORRECT = [
    Correct(_K, right_repeat_interleave, "torch", "repeat_interleave, negative axis"),
    Correct(_K, right_repeat_expand, "torch", "expand and flatten"),
    Correct(_K, right_repeat_einops, "torch", "einops"),
    Correct(_K, right_repeat_numpy, "numpy", "np.repeat"),
    Correct(_K, right_repeat_fancy_index, "any", "fancy index"),
    Correct(_K, right_repeat_stack, "torch", "stack and reshape"),
    Correct(_P, right_pool_matmul, "torch", "matmul with weights"),
    Correct(_P, right_pool_nanmean, "numpy", "nanmean"),
    Correct(_P, right_pool_loop, "torch", "boolean index, loop"),
    Correct(_P, right_pool_einsum, "numpy", "einsum"),
    Correct(_P, right_pool_softmax, "torch", "attention with equal scores"),
    Correct(_P, right_pool_reduce, "torch", "einops reduce"),
    Correct(_P, right_pool_masked_array, "numpy", "masked array"),
]
# fmt: on
