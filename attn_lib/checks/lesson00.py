"""Lesson 00: one small exercise that shows how exercises work."""

from __future__ import annotations

from torch import Tensor

from . import Exercise, Mistake, Probe, register
from ._probes import numbers


def _row_shares(
    x: Tensor, *, axis: str = "rows", form: str = "divide", keep: bool = True
) -> Tensor:
    if axis == "all":
        total = x.sum()
    elif axis == "columns":
        total = x.sum(-2, keepdim=True)
    else:
        total = x.sum(-1, keepdim=keep)
    return x - total if form == "subtract" else x * total if form == "multiply" else x / total


def _probes() -> list[Probe]:
    return [
        Probe("on a matrix of 3 rows and 5 columns", (numbers(1, 3, 5).abs() + 0.1,)),
        Probe("on a square matrix", (numbers(2, 4, 4).abs() + 0.1,)),
    ]


row_shares = register(Exercise(
    "row_shares", "00", "row_shares(x)",
    "Divide each row of a matrix of positive numbers by its sum.",
    _row_shares, _probes,
    (
        Mistake("columns_not_rows", {"axis": "columns"},
                "Each column of your result sums to 1; each row should.",
                "The sum runs down the columns. A row's sum runs along the last axis.",
                "Look at the axis of the sum."),
        Mistake("one_total", {"axis": "all"},
                "All your numbers together sum to 1; each row should on its own.",
                "Without an axis the sum runs over the whole matrix.",
                "Give the sum its axis."),
        Mistake("sum_lost_its_axis", {"keep": False},
                "It fails where rows and columns differ in number, and on a square matrix each "
                "column is divided by the sum of a row.",
                "The sums have lost their axis, so broadcasting lines them up with the columns.",
                "Look at keepdim (keepdims in NumPy)."),
        Mistake("multiplied", {"form": "multiply"},
                "Your numbers grow with the sum of their row; a share gets smaller.",
                "You multiply by the sum.", "Look at the last operation."),
        Mistake("subtracted", {"form": "subtract"},
                "Your numbers are negative; shares of positive numbers are not.",
                "You subtract the sum.", "Look at the last operation."),
    ),
    axes=("the rows", "the columns"),
    picture=("on a square matrix", "rows", "columns"),
))  # fmt: skip
