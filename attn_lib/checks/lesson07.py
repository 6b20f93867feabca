"""Exercises of lesson 07: masks of windows, sliding and dilated."""

from __future__ import annotations

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, register
from ._windows import EDGES, FORMS, SIDES, WIDTH, band, shown, told

# -------------------------------------------------------------------------- the sliding window


def _window_probes() -> list[Probe]:
    sizes = (11, 4), (7, 3), (6, 6), (6, 1), (5, 8)
    return [Probe(f"with n = {n} and w = {w}", (n, w)) for n, w in sizes]


window_mask = register(Exercise(
    "window_mask", "07", "window_mask(n, w)",
    "Boolean (n, n): True where query i may see key j in a causal window of w keys, itself "
    "included.",
    band, _window_probes, (*WIDTH, *SIDES, *EDGES, *FORMS),
    axes=("the queries", "the keys"),
    picture=("with n = 7 and w = 3", "queries", "keys"),
    localise=lambda seen: shown(seen, tuple(p.name for p in _window_probes())),
    gradients=False,
))  # fmt: skip

# -------------------------------------------------------------------------- the dilated window


def _dilated(
    n: int, w: int, step: int, *, reach: str = "w", thin: str = "distance", side: str = "causal",
    edge: str = "none", form: str = "bool",
) -> Tensor:  # fmt: skip
    if thin == "swapped" and reach == "window":
        raise ValueError("each query sees itself alone: that says nothing")
    if thin == "swapped":
        w, step = step, w
    if thin == "gap":
        step += 1
    i, j = torch.arange(n)[:, None], torch.arange(n)
    gap = i - j
    far = {"both": gap.abs(), "future": -gap}.get(side, gap)
    near = {
        "w": lambda: far < w * step, "w+1": lambda: far <= w * step,
        "w-1": lambda: far < (w - 1) * step, "window": lambda: far < w, "none": lambda: far > -n,
        "blocks": lambda: i // (w * step) == j // (w * step),
    }[reach]()  # fmt: skip
    own = {
        "absolute": lambda: (j % step == 0) & (i > -1),
        "absolute_self": lambda: (j % step == 0) | (gap == 0),
        "both_absolute": lambda: (j % step == 0) & (i % step == 0),
        "all": lambda: gap > -n, "holes": lambda: (gap % step != 0) | (gap == 0),
    }.get(thin, lambda: gap % step == 0)()  # fmt: skip
    cut = {"causal": gap >= 0, "future": gap <= 0, "strict": gap >= 1}.get(side, gap > -n)
    mask = near & own & cut
    if edge != "none":
        back = {"w": w - 1, "w+1": w, "w-1": w - 2}[reach]
        start = i - back * step
        if edge == "clamped":
            mask = torch.where(start < 0, (j % step == 0) & cut, mask)
        elif edge == "slice":
            first = (n + start).clamp(min=0)
            mask = torch.where(start < 0, (j >= first) & ((j - first) % step == 0) & cut, mask)
        elif edge == "index" and back * step > n:
            raise IndexError("index is out of bounds")
        else:
            steps = torch.arange(back + 1) * step
            mask = mask | ((gap[..., None] - steps) % n == 0).any(-1)
    return told(mask, form)


def _dilated_probes() -> list[Probe]:
    sizes = (13, 3, 2), (17, 4, 3), (12, 3, 3), (8, 3, 1), (7, 5, 3)
    return [Probe(f"with n = {n}, w = {w} and step = {s}", (n, w, s)) for n, w, s in sizes]


dilated_mask = register(Exercise(
    "dilated_mask", "07", "dilated_mask(n, w, step)",
    "Boolean (n, n): query i sees w keys, itself and every step-th before it.",
    _dilated, _dilated_probes,
    (
        Mistake("dilated_by_position",
                [{"thin": "absolute"}, {"thin": "absolute_self"}],
                "With step = 2 all your queries look at even keys, the odd queries too.",
                "The position j is divided by step; it is the distance i - j that counts, so that "
                "the pattern moves along with the query.",
                "Which number do you take % step of?", "kyegomez/LongNet#23"),
        Mistake("queries_left_out", {"thin": "both_absolute"},
                "With step = 2 your odd queries see nothing at all, not even themselves.",
                "Only positions divisible by step take part. Every query has its own pattern, "
                "which moves along with it.",
                "Which number do you take % step of?", "kyegomez/LongNet#23"),
        Mistake("reach_not_dilated", {"reach": "window"},
                "With w = 3 and step = 2 your queries see 2 keys; they should see 3.",
                "The holes are cut into a window of w tokens. w counts the keys that are left, so "
                "the window reaches back step times as far.",
                "How far back is the farthest of w keys?", "kyegomez/LongNet#23"),
        Mistake("not_dilated", [{"thin": "all"}, {"thin": "all", "reach": "window"}],
                "Your window has no holes.",
                "Every key within reach is shown; only every step-th should be.",
                "Where does your code leave keys out?", "[exp]"),
        Mistake("holes_shown", {"thin": "holes"},
                "Your queries see themselves and the keys in between, not every step-th.",
                "The condition is turned around.",
                "Should i - j be divisible by step, or not?", "[exp]"),
        Mistake("step_counts_the_holes", {"thin": "gap"},
                "With step = 1 every second key is missing; step 1 is the plain window.",
                "You leave out `step` keys between two; a step is the distance from key to key.",
                "What does step = 1 mean?", "[exp]"),
        Mistake("w_and_step_swapped", {"thin": "swapped"},
                "With w = 3 and step = 2 you show two keys, three apart.",
                "w says how many keys, step how far apart.",
                "Look at where you use w and where step.", "[exp]"),
        Mistake("window_one_too_wide", {"reach": "w+1"},
                "With w = 3 your queries see 4 keys.",
                "You count the keys before the token; here w counts the token itself too.",
                "Try w = 1: which keys should be left? Then look at < and <=.",
                "huggingface/transformers#39408, ml-explore/mlx-lm#390"),
        Mistake("window_one_too_narrow", {"reach": "w-1"},
                "With w = 3 your queries see 2 keys.",
                "w counts the visible keys, itself included: the farthest is w - 1 steps back.",
                "Try w = 1: which keys should be left?", "ml-explore/mlx-lm#390"),
        Mistake("no_window", {"reach": "none"},
                "Your queries see every step-th key back to the first.",
                "The holes are right; the lower end of the window is missing.",
                "Where does your code use w?", "[exp]"),
        Mistake("blocks_not_sliding", {"reach": "blocks"},
                "Your window starts anew at every multiple of w · step.",
                "You cut the sequence into segments, as LongNet does; here the window moves on "
                "with each query.",
                "What do you compare, distances or segment numbers?", "[exp]"),
        Mistake("two_sided", {"side": "both"},
                "Your queries see as many keys after them as before them.",
                "A distance without its sign knows no future; a causal window looks back only.",
                "Look for abs(), or for a second condition.", "huggingface/transformers#41228"),
        Mistake("future_visible", {"side": "no_upper"},
                "Your first query sees every step-th later key.",
                "Only the far end of the window is checked; nothing hides later keys.",
                "What do you demand of j beside i - j < w · step?",
                "huggingface/transformers#41228"),
        Mistake("looks_ahead", {"side": "future"},
                "Your queries see themselves and later keys only.",
                "Rows and columns are exchanged: in mask[i, j] the query i is the row.",
                "Do you ask for i - j or for j - i?", "[exp]"),
        Mistake("itself_hidden", [{"side": "strict"}, {"side": "strict", "reach": "w+1"}],
                "Your queries do not see themselves, and the first query sees nothing.",
                "The token itself is the first of its w keys.",
                "Where does your range begin?", "pbloem/former#10"),
        Mistake("counted_from_token_0", {"edge": "clamped"},
                "Right for late queries; the first ones see keys 0, step, 2 · step, "
                "not every step-th before them.",
                "A start before token 0 is moved up to 0, and the steps no longer end at "
                "the query.",
                "Count the steps from the query backwards.", "[exp]"),
        Mistake("slice_from_the_end", {"edge": "slice"},
                "Your first queries see too few keys.",
                "A slice that starts at a negative number counts from the end of the row.",
                "What is i - (w - 1) · step for the first queries?", "[exp]"),
        Mistake("wraps_around", [{"edge": "ring"}, {"edge": "index"}],
                "Your first queries see the last keys of the sequence.",
                "A window that begins before token 0 goes on at the other end: negative indices "
                "and roll both do that.",
                "What should happen when the key's position is below 0?", "[exp]"),
        *FORMS,
    ),
    axes=("the queries", "the keys"),
    picture=("with n = 13, w = 3 and step = 2", "queries", "keys"),
    localise=lambda seen: shown(seen, tuple(p.name for p in _dilated_probes())),
    gradients=False,
))  # fmt: skip
