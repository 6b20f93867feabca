"""Exercise of lesson 01: which operation must wait for which."""

from __future__ import annotations

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, register


def _depth(
    needs: Tensor, *, wait: str = "longest", layout: str = "right", first: int = 1,
    pick: str = "all", result: str = "each",
) -> Tensor:  # fmt: skip
    n = len(needs)
    table = needs.bool()
    steps = torch.zeros(n, dtype=torch.long)
    order = range(n - 1, -1, -1) if layout == "transposed_backwards" else range(n)
    table = table if layout == "right" else table.mT
    ancestors = torch.eye(n, dtype=torch.bool)
    for i in order:
        needed = torch.arange(n)[table[i]]
        for j in needed.tolist():
            ancestors[i] |= ancestors[j]
        if pick != "all" and len(needed):
            needed = needed[:1] if pick == "first" else needed[-1:]
        before = steps[needed] if len(needed) else torch.tensor([first - 1])
        step: dict[str, Tensor | int] = {
            "longest": before.max() + 1,
            "shortest": before.min() + 1,
            "summed": before.sum() + 1,
            "own step left out": before.max(),
            "direct": min(len(needed), 1) + first,
            "counted": len(needed) + first,
            "one processor": i + first,
            "ancestors": ancestors[i].sum() + first - 1,
        }
        steps[i] = step[wait]
    return steps if result == "each" else steps.max()


def _table(n: int, *edges: tuple[int, int]) -> Tensor:
    needs = torch.zeros(n, n, dtype=torch.bool)
    for i, j in edges:
        needs[i, j] = True
    return needs


def _depth_probes() -> list[Probe]:
    chain = _table(5, *((i, i - 1) for i in range(1, 5)))
    tree = _table(7, (4, 0), (4, 1), (5, 2), (5, 3), (6, 4), (6, 5))
    uneven = _table(6, (1, 0), (2, 1), (3, 0), (4, 2), (4, 3), (5, 3))
    diamonds = _table(8, (2, 0), (2, 1), (3, 2), (4, 2), (5, 3), (5, 4), (5, 0), (7, 5), (7, 6))
    return [
        Probe("on a chain", (chain,)),
        Probe("on a tree", (tree,)),
        Probe("on uneven branches", (uneven,)),
        Probe("on branches that meet again", (diamonds,)),
        Probe("on operations that need nothing", (_table(4),)),
    ]


sequential_depth = register(Exercise(
    "sequential_depth", "01", "sequential_depth(needs)",
    "needs (n, n) is True in row i and column j if operation i needs the result of operation j; "
    "j < i always. With as many processors as you like, in which step, counted from 1, can each "
    "operation run at the earliest? n whole numbers.",
    _depth, _depth_probes,
    (
        Mistake("first_not_last_result", {"wait": "shortest"},
                "Your operations start when the first of their inputs is there.",
                "An operation waits for the last of the results that it needs.",
                "min or max?", "[exp]"),
        Mistake("steps_added_up", {"wait": "summed"},
                "Your steps grow as if inputs were worked out one after another.",
                "What an operation needs can be worked out side by side: the longest wait counts, "
                "not the sum.", "Look for a sum.", "[exp]"),
        Mistake("own_step_left_out", {"wait": "own step left out"},
                "Yours run in the same step as what they need.",
                "An operation takes a step of its own, after the last of its inputs.",
                "What do you add to the longest wait?", "[exp]"),
        Mistake("direct_needs_only", {"wait": "direct"},
                "No operation of yours waits longer than for one other.",
                "What an operation needs may itself have waited.",
                "Do you read the steps of the operations that are needed?", "[exp]"),
        Mistake("needs_counted", {"wait": "counted"},
                "Yours counts how many results each operation needs.",
                "Two results that are ready in the same step cost one wait.",
                "Look for a sum over the row.", "[exp]"),
        Mistake("all_before_counted", {"wait": "ancestors"},
                "Yours counts all operations that must have run before.",
                "Several of them can run in the same step.",
                "The longest chain is asked for, not how many stand in all chains.", "[exp]"),
        Mistake("one_after_another", {"wait": "one processor"},
                "Yours runs one operation in each step.",
                "That is one processor. With many, those that need nothing run at once.",
                "Where do you read the table?", "[exp]"),
        Mistake("one_need_looked_at", [{"pick": "first"}, {"pick": "last"}],
                "Yours waits for one of the needed results and forgets the others.",
                "An operation can need several.",
                "Do you take one index of the row, or all?", "[exp]"),
        Mistake("transposed", [{"layout": "transposed"}, {"layout": "transposed_backwards"}],
                "Yours reads the table by columns.",
                "Row i says what operation i needs; column i says who needs operation i.",
                "needs[i] or needs[:, i]?", "[exp]"),
        Mistake("counted_from_zero", {"first": 0},
                "All your steps are one too small.",
                "The task counts from 1: an operation that needs nothing runs in step 1.",
                "What does an operation that needs nothing get?", "[exp]", kind="convention"),
        Mistake("last_step_only", {"result": "total"},
                "Yours is one number, the last step of all.",
                "One number for each operation is asked for.", "What do you return?", "[exp]"),
    ),
    axes=("the operations",),
    gradients=False,
))  # fmt: skip
