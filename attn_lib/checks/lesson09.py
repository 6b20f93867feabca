"""Exercises of lesson 09: key heads that several query heads share."""

from __future__ import annotations

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register


def _repeat_kv(
    k: Tensor, groups: int, *, way: str = "heads", times: str = "groups", values: str = "all",
) -> Tensor:  # fmt: skip
    b, h, m, d = k.shape
    r = {
        "groups": groups, "one_more": groups + 1, "one_less": groups - 1,
        "total": groups // h, "at_least": max(groups // h, 1),
    }[times]  # fmt: skip
    if values == "first":
        k = k[:, :1].expand(b, h, m, d)
    elif values == "mean":
        k = k.mean(1, keepdim=True).expand(b, h, m, d)
    elif values == "shared_out":
        k = k / r
    elif values == "first_copy":
        zeros = torch.zeros(b, h, max(r - 1, 0), m, d).double()
        return torch.cat((k[:, :, None], zeros), 2).reshape(b, h * r, m, d)
    return {
        "heads": lambda: k.repeat_interleave(r, 1),
        "tile": lambda: k.repeat(1, r, 1, 1),
        "tokens": lambda: k.repeat_interleave(r, 2),
        "tokens_tiled": lambda: k.repeat(1, 1, r, 1),
        "features": lambda: k.repeat_interleave(r, 3),
        "features_tiled": lambda: k.repeat(1, 1, 1, r),
        "batch": lambda: k.repeat_interleave(r, 0),
        "batch_tiled": lambda: k.repeat(r, 1, 1, 1),
        "flat": lambda: k.reshape(-1).repeat_interleave(r),
        "not_folded": lambda: k[:, :, None].expand(b, h, r, m, d),
        "not_folded_front": lambda: k[:, None].expand(b, r, h, m, d),
        "inside_tokens": lambda: k.repeat_interleave(r, 2).reshape(b, h * r, m, d),
        "inside_features": lambda: k.repeat_interleave(r, 3).reshape(b, h * r, m, d),
        "batch_view": lambda: k.repeat(r, 1, 1, 1).reshape(b, h * r, m, d),
        "none": lambda: k,
    }[way]()


def _repeat_probes() -> list[Probe]:
    return [
        Probe("with 3 key heads for 6 query heads", (numbers(95, 2, 3, 5, 4), 2)),
        Probe("with 2 key heads for 6 query heads", (numbers(96, 3, 2, 4, 7), 3)),
        Probe("with 2 key heads for 8 query heads", (numbers(99, 2, 2, 3, 5), 4)),
        Probe("with all sizes equal", (numbers(97, 3, 3, 3, 3), 3)),
        Probe("with a key head for every query head", (numbers(98, 2, 4, 5, 3), 1)),
    ]


repeat_kv = register(Exercise(
    "repeat_kv", "09", "repeat_kv(k, groups)",
    "(b, h_kv, m, d) to (b, h_kv · groups, m, d): each key head serves `groups` query heads in a "
    "row.",
    _repeat_kv, _repeat_probes,
    (
        Mistake("tiled_not_interleaved", {"way": "tile"},
                "Your heads come in the order 0 1 2 0 1 2; expected is 0 0 1 1 2 2.",
                "The whole row of heads is repeated. Query heads 0 and 1 share key head 0, "
                "so its copies stand side by side.",
                "repeat and tile lay the whole out again: which function repeats each in place?",
                "onnx/onnx#7274, jxiw/M1#4"),
        Mistake("repeated_along_tokens", [{"way": "tokens"}, {"way": "tokens_tiled"}],
                "Your result has more tokens, and as many heads as before.",
                "The copies lie on the token axis; every query would see each key several times.",
                "Which axis of (b, h, m, d) are the heads?",
                "PrimeIntellect-ai/prime-rl#2681, ByteDance-Seed/VeOmni#162"),
        Mistake("repeated_along_features", [{"way": "features"}, {"way": "features_tiled"}],
                "Your vectors have become longer; there are as many heads as before.",
                "The copies lie on the last axis.", "Which axis of (b, h, m, d) are the heads?",
                "PrimeIntellect-ai/prime-rl#2681"),
        Mistake("repeated_along_batch", [{"way": "batch"}, {"way": "batch_tiled"}],
                "Your batch has become larger; there are as many heads as before.",
                "The copies lie on the first axis.", "Which axis of (b, h, m, d) are the heads?",
                "PrimeIntellect-ai/prime-rl#2681"),
        Mistake("axis_forgotten", {"way": "flat"},
                "Your result is one long row of numbers.",
                "Without an axis, repeat_interleave and np.repeat flatten first.",
                "Name the axis of the heads.", "[exp]"),
        Mistake("copies_not_folded", [{"way": "not_folded"}, {"way": "not_folded_front"}],
                "Your result has five axes: the copies have one of their own.",
                "Heads and copies are still to become one axis of h_kv · groups heads.",
                "What comes after expand?", "[exp]"),
        Mistake("folded_into_tokens", {"way": "inside_tokens"},
                "Your shape is right, but a head holds each of its tokens several times, "
                "and not all of them.",
                "The copies were made beside the tokens; the reshape then cuts in the wrong place.",
                "Where does the new axis stand when you expand: just behind the heads?", "[exp]"),
        Mistake("folded_into_features", {"way": "inside_features"},
                "Your shape is right, but the numbers within a vector are repeated.",
                "The copies were made along the features; the reshape then cuts in the "
                "wrong place.",
                "Where does the new axis stand when you expand: just behind the heads?", "[exp]"),
        Mistake("folded_into_batch", {"way": "batch_view"},
                "Your shape is right, but the first example holds heads of the second.",
                "The copies were made along the batch; the reshape then mixes examples.",
                "Where does the new axis stand when you expand: just behind the heads?", "[exp]"),
        Mistake("not_repeated", {"way": "none"},
                "Your result has as many heads as k.",
                "Nothing is repeated, or the repeated result is lost.", "What do you return?",
                "[exp]"),
        Mistake("one_copy_too_many", {"times": "one_more"},
                "With 3 key heads and groups = 2 you return 9 heads.",
                "k itself is one of the copies.", "How many heads come out for groups = 1?",
                "[exp]"),
        Mistake("one_copy_too_few", {"times": "one_less"},
                "With 3 key heads and groups = 2 you return 3 heads.",
                "groups counts all copies, k itself included.",
                "How many heads come out for groups = 1?", "[exp]"),
        Mistake("groups_taken_for_query_heads", [{"times": "total"}, {"times": "at_least"}],
                "You repeat each head groups // h_kv times.",
                "That is right when groups is the number of query heads. Here it is how many of "
                "them share one key head.",
                "What do you do with groups before you repeat?", "[exp]"),
        Mistake("first_head_for_all", {"values": "first"},
                "All your heads are key head 0.",
                "With one key head for all (multi-query) that would be right; here there are h_kv.",
                "Which head does query head h read?", "[exp]"),
        Mistake("heads_averaged", {"values": "mean"},
                "All your heads are the average of the key heads.",
                "Heads are copied, not mixed.", "Look for a mean.", "[exp]"),
        Mistake("shared_out", {"values": "shared_out"},
                "Your numbers are smaller by the factor `groups`.",
                "A shared head keeps its size: each of its query heads reads it whole.",
                "Look for a division.", "[exp]"),
        Mistake("copies_left_empty", {"values": "first_copy"},
                "Only the first of your copies holds numbers; the others are 0.",
                "The space is there, the other query heads of the group get nothing.",
                "Which heads does your loop write?", "[exp]"),
    ),
    axes=("the batch", "the heads", "the tokens", "the features"),
))  # fmt: skip
