"""Correct ways of writing the exercises of lesson 08; each must pass."""

import math

import numpy as np
import torch

from attn_lib import causal, global_tokens, window


def global_loops(n, w, n_global):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for j in range(n):
            mask[i, j] = abs(i - j) < w or i < n_global or j < n_global
    return mask


def global_slices(n, w, n_global):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        mask[i, max(0, i - w + 1) : i + w] = True
    mask[:n_global] = True
    mask[:, :n_global] = True
    return mask


def global_numpy(n, w, g):
    i = np.arange(n)
    mask = np.abs(i[:, None] - i) < w
    mask[:g, :] = 1
    mask[:, :g] = 1
    return mask


def global_outer(n, w, n_global):
    special = torch.arange(n) < n_global
    near = torch.ones(n, n).tril(w - 1).triu(1 - w).bool()
    return near | special[:, None] | special[None, :]


def global_or_outer(n, w, n_global):
    g = np.arange(n) < n_global
    gap = np.subtract.outer(np.arange(n), np.arange(n))
    return np.logical_or(np.logical_or.outer(g, g), np.abs(gap) < w)


def global_diagonals(n, w, n_global):
    mask = sum(np.eye(n, k=k) for k in range(1 - w, w))
    mask[:n_global] = mask[:, :n_global] = 1
    return mask


def global_transposed(n, w, n_global):
    half = torch.ones(n, n, dtype=torch.bool).tril().triu(1 - w)
    half[:, :n_global] = True
    return half | half.T


def global_hidden(n, w, n_global):
    gap = (torch.arange(n)[:, None] - torch.arange(n)).abs()
    hidden = gap >= w
    hidden[:n_global] = False
    hidden[:, :n_global] = False
    return ~hidden


def global_smallest(n, w, n_global):
    i, j = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    return ((i - j).abs() < w) | (torch.minimum(i, j) < n_global)


def global_counts(n, w, n_global):
    gap = (np.arange(n)[:, None] - np.arange(n)) ** 2
    g = np.arange(n) < n_global
    return ((gap < w * w).astype(int) + g[:, None] + g) > 0


GLOBAL = [
    lambda n, w, n_global: (window(w) | global_tokens(n_global)).dense(n)[0, 0],
    lambda n, w, g: [[abs(i - j) < w or min(i, j) < g for j in range(n)] for i in range(n)],
    lambda n, w, g: np.fromfunction(lambda i, j: (abs(i - j) < w) | (i < g) | (j < g), (n, n)),
    global_loops, global_slices, global_numpy, global_outer, global_or_outer, global_diagonals,
    global_transposed, global_hidden, global_smallest, global_counts,
]  # fmt: skip


def causal_joined(n, w, n_global):
    return (causal & (window(w) | global_tokens(n_global))).dense(n)[0, 0]


def causal_tril(n, w, n_global):
    return torch.as_tensor(global_numpy(n, w, n_global)).tril()


def causal_one_side(n, w, g):
    """What is global in a row is behind it already, so only the columns are opened."""
    i, j = np.indices((n, n))
    return (j <= i) & ((i - j < w) | (j < g))


def causal_loops(n, w, n_global):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for j in range(i + 1):
            mask[i, j] = i - j < w or j < n_global
    return mask


def causal_cut(n, w, g):
    mask = global_slices(n, w, g)
    mask[torch.ones(n, n).triu(1) > 0] = False
    return mask


def causal_times(n, w, g):
    return global_numpy(n, w, g) * np.tri(n)


def causal_columns(n, w, g):
    mask = torch.ones(n, n).tril().triu(1 - w).bool()
    mask[:, :g] |= torch.ones(n, n).tril().bool()[:, :g]
    return mask


def causal_bands(n, w, n_global):
    mask = sum(np.eye(n, k=-k) for k in range(w))
    mask[:, :n_global] = np.tri(n, n_global)
    return mask > 0


def causal_hidden(n, w, g):
    gap = torch.arange(n)[:, None] - torch.arange(n)
    hidden = (gap < 0) | ((gap >= w) & (torch.arange(n) >= g))
    return ~hidden


def causal_slices(n, w, g):
    mask = np.zeros((n, n), dtype=bool)
    for i in range(n):
        mask[i, max(0, i - w + 1) : i + 1] = True
        mask[i, : min(g, i + 1)] = True
    return mask


CAUSAL = [
    lambda n, w, g: np.fromfunction(lambda i, j: (j <= i) & ((i - j < w) | (j < g)), (n, n)),
    lambda n, w, g: [[j <= i and (i - j < w or j < g) for j in range(n)] for i in range(n)],
    causal_joined, causal_tril, causal_one_side, causal_loops, causal_cut, causal_times,
    causal_columns, causal_bands, causal_hidden, causal_slices,
]  # fmt: skip

# --------------------------------------------------------------------------- layers in turn

S, F = "sliding_attention", "full_attention"


def pattern_append(layers, period):
    kinds = []
    for i in range(layers):
        if (i + 1) % period == 0:
            kinds.append("full_attention")
        else:
            kinds.append("sliding_attention")
    return kinds


def pattern_slice(layers, period):
    kinds = [S] * layers
    for i in range(period - 1, layers, period):
        kinds[i] = F
    return kinds


def pattern_counter(layers, period):
    kinds, left = [], period
    while len(kinds) < layers:
        left -= 1
        kinds.append(F if left == 0 else S)
        left = left or period
    return kinds


def pattern_stars(layers, period):
    kinds = [S] * layers
    kinds[period - 1 :: period] = [F] * (layers // period)
    return kinds


def pattern_generator(layers, period):
    def turn():
        while True:
            yield from [S] * (period - 1)
            yield F

    kinds = turn()
    return [next(kinds) for _ in range(layers)]


def pattern_dict(layers, period):
    return [{True: F, False: S}[number % period == 0] for number in range(1, layers + 1)]


def pattern_blocks(layers, period):
    whole, rest = divmod(layers, period)
    return ([S] * (period - 1) + [F]) * whole + [S] * rest


PATTERN = [
    lambda layers, period: [F if (i + 1) % period == 0 else S for i in range(layers)],
    lambda layers, period: [F if i % period == period - 1 else S for i in range(layers)],
    lambda layers, period: [S if i % period else F for i in range(1, layers + 1)],
    lambda layers, period: (([S] * (period - 1) + [F]) * layers)[:layers],
    lambda layers, period: (([S] * (period - 1) + [F]) * (layers // period + 1))[:layers],
    lambda layers, period: tuple(F if not (i + 1) % period else S for i in range(layers)),
    lambda layers, period: np.where(np.arange(1, layers + 1) % period == 0, F, S).tolist(),
    lambda n, every: [(S, F)[(i + 1) % every == 0] for i in range(n)],
    pattern_append, pattern_slice, pattern_counter, pattern_stars, pattern_generator, pattern_dict,
    pattern_blocks,
]  # fmt: skip

# ------------------------------------------------------------------------------- the design


def near_and_every(place, width=0):
    """The nearest √n + width keys, and every √n-th by position (or by distance)."""

    def design_mask(n):
        r = math.isqrt(n)
        i, j = torch.arange(n)[:, None], torch.arange(n)
        every = (i - j) % r == 0 if place == "distance" else j % r == place % r
        return (i >= j) & ((i - j < r + width) | every)

    return design_mask


def design_blocks(n):
    """Each query sees its own block, and the last token of every earlier block."""
    r = math.isqrt(n)
    i, j = np.arange(n)[:, None], np.arange(n)
    return (i >= j) & ((i // r == j // r) | (j % r == r - 1))


def design_loops(n):
    r = math.isqrt(n)
    mask = torch.zeros(n, n)
    for i in range(n):
        for j in range(max(0, i - r + 1), i + 1):
            mask[i, j] = 1
        for j in range(i, -1, -r):
            mask[i, j] = 1
    return mask


def design_lists(n):
    r = math.isqrt(n)
    return [[j <= i and (i - j < r or (i - j) % r == 0) for j in range(n)] for i in range(n)]


def design_dilated(n):
    """Near keys at distances 0 to r - 1, far ones at multiples of r."""
    r = math.isqrt(n)
    return np.isin(np.subtract.outer(np.arange(n), np.arange(n)), [*range(r), *range(0, n, r)])


def design_wide_blocks(n):
    r = math.isqrt(n) + 2
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return (i >= j) & ((i // r == j // r) | (j % r == r - 1))


def design_with_extra(n):
    return near_and_every("distance")(n), "a note"


DESIGN = [
    near_and_every("distance"), near_and_every(-1), near_and_every(0, 1), near_and_every(2, 1),
    near_and_every("distance", 1), near_and_every(-1, 1), near_and_every(-1, 2), design_blocks,
    design_loops, design_lists, design_dilated, design_wide_blocks, design_with_extra,
]  # fmt: skip

STYLES = {
    "global_local_mask": GLOBAL, "repair_global": CAUSAL, "layer_pattern": PATTERN,
    "design_mask": DESIGN,
}  # fmt: skip

FAMILIES = {
    "global_cannot_look": "E5", "global_not_seen": "E5", "global_only_each_other": "E5",
    "no_global_tokens": "E5", "both_not_either": "B12 E5", "causal_too": "E6",
    "window_looks_back_only": "E2", "window_looks_ahead_only": "E2", "w_counts_both_sides": "E1",
    "one_global_too_many": "E1", "one_global_too_few": "E1", "looks_ahead": "E2 B9",
    "does_not_reach": "E5", "not_causal": "E6", "global_tokens_look_ahead": "E6",
    "period_counts_the_sliding": "E1", "period_one_too_short": "E1",
    "one_layer_missing": "E1", "one_layer_too_many": "E1", "first_full_missing": "E1",
}  # fmt: skip
