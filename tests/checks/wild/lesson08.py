"""Wild code for global_local_mask and layer_pattern."""
# ruff: noqa: E501

from __future__ import annotations

from itertools import cycle, islice

import numpy as np
import torch

from ._wild import Correct, Wild

# ------------------------------------------------------------------ global_local_mask, wrong


def _ij(n):
    return torch.arange(n)[:, None], torch.arange(n)[None, :]


def global_columns_only(n, w, n_global):
    i, j = _ij(n)
    return ((i - j).abs() < w) | (j < n_global)


def global_rows_only(n, w, n_global):
    mask = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) < w
    mask[:n_global] = True
    return mask


def global_local_causal(n, w, n_global):
    i, j = _ij(n)
    return ((i - j < w) | (j < n_global)) & (j <= i)


def global_window_one_sided(n, w, n_global):
    i, j = _ij(n)
    return ((i - j >= 0) & (i - j < w)) | (i < n_global) | (j < n_global)


def global_window_missing_abs(n, w, n_global):
    i, j = np.indices((n, n))
    return (i - j < w) | (i < n_global) | (j < n_global)


def global_window_inclusive(n, w, n_global):
    i, j = np.indices((n, n))
    return (np.abs(i - j) <= w) | (i < n_global) | (j < n_global)


def global_window_total_width(n, w, n_global):
    i, j = np.indices((n, n))
    return (np.abs(i - j) <= w // 2) | (i < n_global) | (j < n_global)


def global_and(n, w, n_global):
    i, j = _ij(n)
    return ((i - j).abs() < w) | ((i < n_global) & (j < n_global))


def global_last_tokens(n, w, n_global):
    i, j = _ij(n)
    return ((i - j).abs() < w) | (i >= n - n_global) | (j >= n - n_global)


def global_inclusive(n, w, n_global):
    i, j = np.indices((n, n))
    return (np.abs(i - j) < w) | (i <= n_global) | (j <= n_global)


def global_only(n, w, n_global):
    i, j = _ij(n)
    return (i < n_global) | (j < n_global)


def global_forgotten(n, w, n_global):
    i, j = _ij(n)
    return (i - j).abs() < w


def global_single_index(n, w, n_global):
    """Token number n_global is global, instead of the first n_global."""
    mask = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) < w
    mask[n_global, :] = True
    mask[:, n_global] = True
    return mask


def global_negative_slice(n, w, n_global):
    """[:-0] is empty, and [-g:] takes the last ones."""
    mask = np.zeros((n, n), bool)
    for i in range(n):
        mask[i, max(0, i - w + 1) : i + w] = True
    mask[:-n_global], mask[:, :-n_global] = True, True
    return mask


def global_blocks(n, w, n_global):
    i, j = _ij(n)
    return (i // w == j // w) | (i < n_global) | (j < n_global)


def global_inverted(n, w, n_global):
    i, j = _ij(n)
    return ~(((i - j).abs() < w) | (i < n_global) | (j < n_global))


def global_precedence(n, w, n_global):
    """`|` binds tighter than `<`."""
    i, j = np.indices((n, n))
    return abs(i - j) < w | (i < n_global) | (j < n_global)


def global_two_at_once(n, w, n_global):
    i, j = _ij(n)
    return ((i - j).abs() <= w) | (j < n_global)


def right_global_assign(n, w, n_global):
    idx = np.arange(n)
    mask = np.abs(idx[:, None] - idx) < w
    mask[:n_global, :] = mask[:, :n_global] = True
    return mask


def right_global_or_transpose(n, w, n_global):
    i, j = _ij(n)
    half = ((i >= j) & (i - j < w)) | (j < n_global)
    return half | half.T


def right_global_minimum(n, w, n_global):
    i, j = np.indices((n, n))
    return (np.abs(i - j) < w) | (np.minimum(i, j) < n_global)


def right_global_loops(n, w, n_global):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for j in range(n):
            mask[i, j] = min(i, j) < n_global or -w < i - j < w
    return mask


# ---------------------------------------------------------------------- layer_pattern, wrong


def pattern_full_first(layers, period):
    return [
        "full_attention" if i % period == 0 else "sliding_attention" for i in range(layers)
    ]  # zero-based remainder


def pattern_inverted(layers, period):
    kinds = []
    for i in range(layers):
        kinds.append("sliding_attention" if (i + 1) % period == 0 else "full_attention")
    return kinds


def pattern_period_locals_then_full(layers, period):
    """`period` sliding layers before each full one."""
    return [
        "sliding_attention" if (i + 1) % (period + 1) else "full_attention" for i in range(layers)
    ]


def pattern_only_last(layers, period):
    return ["sliding_attention"] * (layers - 1) + ["full_attention"]


def pattern_whole_periods(layers, period):
    """The remainder is dropped when layers is no multiple of period."""
    block = ["sliding_attention"] * (period - 1) + ["full_attention"]
    return block * (layers // period)


def pattern_too_long(layers, period):
    block = ["sliding_attention"] * (period - 1) + ["full_attention"]
    return block * layers


def pattern_number_of_full(layers, period):
    """`period` full layers, at the end."""
    return ["sliding_attention"] * (layers - period) + ["full_attention"] * period


def pattern_short_names(layers, period):
    return ["full" if (i + 1) % period == 0 else "sliding" for i in range(layers)]


def pattern_booleans(layers, period):
    return [(i + 1) % period == 0 for i in range(layers)]


def pattern_one_short(layers, period):
    kinds = []
    for i in range(1, layers):
        kinds.append("full_attention" if i % period == 0 else "sliding_attention")
    return kinds


def pattern_halves(layers, period):
    return [
        "full_attention" if i < layers // period else "sliding_attention" for i in range(layers)
    ]


def pattern_generator_printed(layers, period):
    for i in range(layers):
        print("full_attention" if (i + 1) % period == 0 else "sliding_attention")


def pattern_one_string(layers, period):
    return ", ".join(
        "full_attention" if (i + 1) % period == 0 else "sliding_attention" for i in range(layers)
    )


def pattern_counted_from_end(layers, period):
    """Right when layers is a multiple of period."""
    kinds = ["sliding_attention"] * layers
    for i in range(layers - 1, -1, -period):
        kinds[i] = "full_attention"
    return kinds


def pattern_float_index(layers, period):
    kinds = ["sliding_attention"] * layers
    for i in range(int(layers / period)):
        kinds[(i + 1) * period] = "full_attention"
    return kinds


def right_pattern_slice(layers, period):
    kinds = ["sliding_attention"] * layers
    kinds[period - 1 :: period] = ["full_attention"] * (layers // period)
    return kinds


def right_pattern_cycle(layers, period):
    block = ["sliding_attention"] * (period - 1) + ["full_attention"]
    return list(islice(cycle(block), layers))


def right_pattern_numpy(layers, period):
    full = np.arange(1, layers + 1) % period == 0
    return np.where(full, "full_attention", "sliding_attention").tolist()


def right_pattern_cut(layers, period):
    block = ["sliding_attention"] * (period - 1) + ["full_attention"]
    return (block * layers)[:layers]


_G, _P = "global_local_mask", "layer_pattern"

# fmt: off
WILD = [
    Wild(_G, global_columns_only, "everyone sees the global tokens, but they do not see everyone", "E5", lib="any"),
    Wild(_G, global_rows_only, "global tokens see everyone, but are not seen by everyone", "E5", lib="any"),
    Wild(_G, global_local_causal, "made causal; this mask is symmetric", ("E6", "other"), lib="any"),
    Wild(_G, global_window_one_sided, "the window reaches back only; here it goes both ways", "other", lib="any"),
    Wild(_G, global_window_missing_abs, "abs is missing: the whole future is visible", "E2", lib="any"),
    Wild(_G, global_window_inclusive, "`<=` lets one more key in on each side", "E1", lib="any"),
    Wild(_G, global_window_total_width, "w is read as the total width", ("E1", "other"), outcome="either", lib="any"),
    Wild(_G, global_and, "and instead of or: global tokens see only each other", ("E5", "other"), lib="any"),
    Wild(_G, global_last_tokens, "the last tokens are global instead of the first", "other", lib="any"),
    Wild(_G, global_inclusive, "`<=` makes one token too many global", ("E1", "other"), lib="any"),
    Wild(_G, global_only, "the window is missing", "other", lib="any"),
    Wild(_G, global_forgotten, "the global tokens are missing", ("E5", "other"), lib="any"),
    Wild(_G, global_single_index, "token number g is global instead of the first g", "other", lib="any"),
    Wild(_G, global_negative_slice, "[:-g] takes all but the last g", "other", lib="any"),
    Wild(_G, global_blocks, "blocks instead of a sliding window", "E3", lib="any"),
    Wild(_G, global_inverted, "True marks what is hidden", "B1", lib="any"),
    Wild(_G, global_two_at_once, "the window is one too wide, and global tokens are seen but do not see", ("E1", "E5"), pair=True, lib="any"),
    Wild(_G, global_precedence, "`|` binds tighter than `<`: brackets are missing", ("F3", "other"), lib="any"),
    Wild(_P, pattern_full_first, "the first layer of each period is full; the last should be", "other", lib="any"),
    Wild(_P, pattern_inverted, "the kinds are swapped", "other", lib="any"),
    Wild(_P, pattern_period_locals_then_full, "`period` sliding layers before a full one: the period is one too long", ("E1", "other"), lib="any"),
    Wild(_P, pattern_only_last, "only the last layer is full", "other", lib="any"),
    Wild(_P, pattern_whole_periods, "layers that do not fill a period are dropped", "other", lib="any"),
    Wild(_P, pattern_too_long, "a whole period for every layer: the list is too long", "other", lib="any"),
    Wild(_P, pattern_number_of_full, "period is read as the number of full layers", "other", lib="any"),
    Wild(_P, pattern_short_names, "the names are 'full_attention' and 'sliding_attention'", "other", outcome="either", lib="any"),
    Wild(_P, pattern_booleans, "True and False instead of names", "other", "type", lib="any"),
    Wild(_P, pattern_one_short, "range(1, layers) leaves out the last layer", ("E1", "other"), lib="any"),
    Wild(_P, pattern_halves, "the full layers stand together at the start", "other", lib="any"),
    Wild(_P, pattern_generator_printed, "printed, not returned", "A17", "none", lib="any"),
    Wild(_P, pattern_one_string, "one long string instead of a list", "other", "type", lib="any"),
    Wild(_P, pattern_counted_from_end, "counted from the last layer; periods start at the first", "other", lib="any"),
    Wild(_P, pattern_float_index, "the index is one too high and runs past the end", ("E1", "other"), "raises", lib="any"),
]

CORRECT = [
    Correct(_G, right_global_assign, "any", "assigned rows and columns"),
    Correct(_G, right_global_or_transpose, "any", "half, or its transpose"),
    Correct(_G, right_global_minimum, "any", "minimum of indices"),
    Correct(_G, right_global_loops, "any", "loops"),
    Correct(_P, right_pattern_slice, "any", "slice assignment"),
    Correct(_P, right_pattern_cycle, "any", "itertools.cycle"),
    Correct(_P, right_pattern_numpy, "any", "np.where"),
    Correct(_P, right_pattern_cut, "any", "repeated and cut"),
]
# fmt: on
