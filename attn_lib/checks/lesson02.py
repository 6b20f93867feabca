"""Exercises of lesson 02: softmax."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register
from ._localise import Seen


def _softmax(
    scores: Tensor, *, axis: str = "last", form: str = "softmax", shift: str = "row",
    keep: str = "both", sign: int = 1,
) -> Tensor:  # fmt: skip
    x = sign * scores
    dims: Any = {"last": -1, "queries": -2, "first": 0, "second": 1, "all": None}[axis]
    if dims is None:
        dims = tuple(range(x.ndim))

    def row(y: Tensor, how: str) -> Tensor:
        keepdim = keep != how
        return y.sum(dims, keepdim=keepdim) if how == "sum" else y.amax(dims, keepdim=keepdim)

    moved = {
        "row": lambda: x - row(x, "max"),
        "none": lambda: x,
        "above": lambda: x - row(x, "max"),
        "below": lambda: x - row(x, "max"),
        "global": lambda: x - x.max(),
        "mean": lambda: x - x.mean(dims, keepdim=True),
    }[shift]()
    if shift in ("above", "below"):
        above, below = (moved, x) if shift == "above" else (x, moved)
        return above.exp() / row(below.exp(), "sum")
    if form == "twice":
        return _softmax(_softmax(scores, axis=axis, shift=shift, keep=keep, sign=sign), axis=axis)
    if form == "log":
        return _softmax(scores, axis=axis, shift=shift, keep=keep, sign=sign).log()
    if form == "log_stable":
        return x - x.logsumexp(dims, keepdim=True)
    top = {
        "softmax": torch.exp, "exp_only": torch.exp, "base2": torch.exp2,
        "sigmoid": torch.sigmoid, "no_exp": lambda y: y, "square": torch.square,
    }[form](x if form in ("sigmoid", "square") else moved)  # fmt: skip
    return top if form in ("exp_only", "sigmoid") else top / row(top, "sum")


def _softmax_probes() -> list[Probe]:
    huge = torch.tensor([
        [20000.0, 19999.0, 3.0, 2.0, 19998.0],
        [-20000.0, -20001.0, -20003.0, -20002.0, -20000.0],
        [0.5, 1.0, -0.5, 2.0, 0.0],
    ]).double()  # fmt: skip
    return [
        Probe("on a batch of score matrices", (numbers(1, 2, 3, 5, spread=1.5, shift=0.7),)),
        Probe("on one square matrix", (numbers(2, 4, 4, spread=1.5, shift=0.7),)),
        Probe("on scores of 20,000", (huge,)),
    ]


def _row_sums(seen: Seen) -> str | None:
    got = seen.got("on one square matrix")
    if got is None or got.shape != (4, 4):
        return None
    low, high = got.sum(-1).min(), got.sum(-1).max()
    if max(abs(low - 1), abs(high - 1)) < 1e-3:
        return None
    spread = f"{low:.3g}" if high - low < 1e-3 else f"between {low:.3g} and {high:.3g}"
    return f"your rows sum to {spread}; each should sum to 1."


softmax = register(Exercise(
    "softmax", "02", "softmax(scores)",
    "Turn each row of scores (its last axis) into positive weights that sum to 1, stably.",
    _softmax, _softmax_probes,
    (
        Mistake("softmax_over_queries", {"axis": "queries"},
                "Each column of your result sums to 1; each row should.",
                "A row is one query's budget, so the sum runs along the keys, the last axis.",
                "Look at the axis of the sum (or of softmax).",
                "labmlai/annotated_deep_learning_paper_implementations#146"),
        Mistake("softmax_over_batch", {"axis": "first"},
                "Changing the first matrix of the batch changes your result for the second.",
                "The sum runs over axis 0, so it mixes examples that have nothing to do "
                "with each other.",
                "Look at the axis of the sum.", "PetrochukM/PyTorch-NLP#2"),
        Mistake("axis_from_the_front", {"axis": "second"},
                "Right on one matrix; on a batch of matrices the columns sum to 1, not the rows.",
                "Axis 1 is the last axis of a matrix, but the middle one of a batch.",
                "Count the axis from the end.",
                "nerminnuraydogan/vision-transformer#1"),
        Mistake("sum_over_everything", {"axis": "all"},
                "All your numbers together sum to 1; each row should on its own.",
                "Without an axis the sum runs over the whole array.",
                "Give the sum its axis, and keep that axis for the division.", "[exp]"),
        Mistake("no_exponential", [{"form": "no_exp", "shift": "none"}, {"form": "no_exp"}],
                "Your rows sum to 1, but scores one apart do not differ by the factor e.",
                "Dividing by the sum alone is no softmax: a negative score would become "
                "a negative weight.",
                "What happens to each score before the sum?", "maeve07/RCA#18"),
        Mistake("no_division", [{"form": "exp_only", "shift": "none"}, {"form": "exp_only"}],
                "Your numbers are positive, but the rows do not sum to 1.",
                "The exponential is there; the division by the row's sum is not.",
                "What do you return, the exponentials or their share?", "maeve07/RCA#18"),
        Mistake("sigmoid", {"form": "sigmoid"},
                "Each number depends on its own score alone; the rows do not sum to 1.",
                "That is a sigmoid. In a softmax the scores of a row compete.",
                "Which function do you apply?", "maeve07/RCA#18"),
        Mistake("softmax_twice", {"form": "twice"},
                "Your rows sum to 1 but are nearly flat.",
                "The softmax is applied to weights that have been through a softmax already.",
                "Count the softmaxes on the way.", "bkitano/llama-from-scratch#5"),
        Mistake("log_softmax", [{"form": "log"}, {"form": "log_stable"}],
                "Your numbers are negative; their exponentials would be right.",
                "This is the logarithm of the weights (log_softmax).",
                "Which softmax do you call, or where is a log too many?", "[exp]"),
        Mistake("base_two", {"form": "base2"},
                "A score one higher doubles the weight; it should grow by the factor e.",
                "The base is 2, not e.", "Look at the power you take.", "[exp]"),
        Mistake("squares", {"form": "square"},
                "A score and its negative get the same weight.",
                "The scores are squared, not exponentiated.", "Look at how scores become positive.",
                "[exp]"),
        Mistake("lowest_wins", {"sign": -1},
                "The lowest score gets the largest weight.",
                "The sign of the scores is turned around.", "Look for a minus before the scores.",
                "[exp]"),
        Mistake("unstable", {"shift": "none"},
                "Right for small scores; scores of 20,000 or -20,000 give NaN.",
                "exp(20000) is infinite and exp(-20000) is 0, and inf/inf and 0/0 are NaN. "
                "Subtracting the same number from a whole row changes nothing but the size.",
                "Make the largest score of each row 0 before the exponential.",
                "NVIDIA/FasterTransformer#43, mila-iqia/blocks#727"),
        Mistake("shifted_by_global_maximum", {"shift": "global"},
                "Right for large scores; a row far below the others gives NaN.",
                "One maximum for the whole array leaves nothing of a row that lies far below: 0/0.",
                "Take the maximum of each row.", "[exp]"),
        Mistake("shifted_by_mean", {"shift": "mean"},
                "Right for small scores; NaN in rows whose scores lie far apart.",
                "Subtracting the mean or the minimum leaves large positive numbers, "
                "and exp makes them infinite.",
                "Which number of the row makes every difference at most 0?", "[exp]"),
        Mistake("shifted_on_one_side", [{"shift": "above"}, {"shift": "below"}],
                "Your rows do not sum to 1: each is off by one factor of its own.",
                "The maximum is subtracted above the fraction line or below it, but not in both.",
                "Do both exponentials see the same shifted scores?", "[exp]"),
        Mistake("sum_lost_its_axis", {"keep": "sum"},
                "It fails on a batch, and on a square matrix the rows do not sum to 1.",
                "The sums have lost their axis, so broadcasting lines them up with the columns.",
                "Look at keepdim (keepdims in NumPy) of the sum.", "[exp]"),
        Mistake("maximum_lost_its_axis", {"keep": "max"},
                "It fails on a batch, and on a square matrix each column is scaled by itself.",
                "The maxima have lost their axis, so broadcasting takes them off the columns.",
                "Look at keepdim (keepdims in NumPy) of the maximum.", "[exp]"),
    ),
    axes=("the batch", "the queries", "the keys"),
    localise=_row_sums,
    picture=("on one square matrix", "queries", "keys"),
))  # fmt: skip
