"""Exercise of lesson 01: which inputs reach an output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register


@dataclass(frozen=True)
class Model:
    """A small model (n, d) -> (n, d) that takes torch tensors and NumPy arrays alike."""

    name: str
    rule: Callable[[Tensor], Tensor]

    def __call__(self, x: Any) -> Any:
        found = self.rule(torch.as_tensor(x))
        return found if isinstance(x, torch.Tensor) else found.numpy()

    def __repr__(self) -> str:
        return self.name


def _recurrent(x: Tensor) -> Tensor:
    state, outs = torch.zeros_like(x[0]), []
    for token in x:
        state = torch.tanh(0.6 * state + 0.6 * state.flip(0) + token)
        outs.append(state)
    return torch.stack(outs)


def _neighbours(x: Tensor) -> Tensor:
    """A convolution over three tokens; left and right count with opposite signs."""
    padded = torch.cat([torch.zeros_like(x[:1]), x, torch.zeros_like(x[:1])])
    return x + 0.5 * padded[:-2] - 0.5 * padded[2:]


def _skipping(x: Tensor) -> Tensor:
    """The last feature also adds one of two tokens before, the first one of the token after."""
    zero = torch.zeros_like(x[:2])
    past, after = torch.cat([zero, x])[:-2, :1], torch.cat([x, zero])[1:-1, :1]
    return torch.cat([x[:, :1] + 0.7 * after, x[:, 1:-1], x[:, -1:] + 0.8 * past], -1)


def _last_feature(x: Tensor) -> Tensor:
    """Each token passes on its own last feature, and the first token its last too."""
    return (x[:, -1:] + 0.5 * x[:1, -1:]).expand_as(x).clone()


def _difference(x: Tensor) -> Tensor:
    """Features of an output move in opposite directions: their sum never changes."""
    move = torch.cat([torch.zeros_like(x[:1]), x[:-1]]).sum(-1, keepdim=True)
    signs = torch.ones_like(x[0])
    signs[1::2] = -1.0
    return move * signs


def _influence(
    model: Callable[[Tensor], Tensor], x: Tensor, *, layout: str = "right", which: str = "all",
    restore: bool = True, compare: str = "any", result: str = "mask", itself: str = "as_is",
) -> Tensor:  # fmt: skip
    n = len(x)
    before = model(x)
    moved = x.clone()
    columns = []
    for j in range(n):
        if restore:
            moved = x.clone()
        if which == "first_feature":
            moved[j, 0] += 1.0
        elif which == "to_the_end":
            moved[j:] += 1.0
        else:
            moved[j] += 1.0
        gap = model(moved) - before
        columns.append({
            "any": lambda gap=gap: (gap.abs() > 1e-6).any(-1),
            "first_feature": lambda gap=gap: gap[:, 0].abs() > 1e-6,
            "signed_sum": lambda gap=gap: gap.sum(-1).abs() > 1e-6,
            "larger": lambda gap=gap: (gap > 1e-6).any(-1),
            "all": lambda gap=gap: (gap.abs() > 1e-6).all(-1),
            "large": lambda gap=gap: (gap.abs() > 0.3).any(-1),
        }[compare]())  # fmt: skip
    reach = torch.stack(columns, -1)  # row: output, column: input
    if itself == "left_out":
        reach = reach & ~torch.eye(n, dtype=torch.bool)
    reach = reach.mT if layout == "transposed" else reach
    return {
        "mask": lambda: reach,
        "inverted": lambda: ~reach,
        "counts": lambda: reach.sum(-1),
        "last": lambda: reach[-1],
    }[result]()


def _influence_probes() -> list[Probe]:
    return [
        Probe("on a recurrent network", (Model("recurrent", _recurrent), numbers(121, 5, 3))),
        Probe("on a convolution", (Model("convolution", _neighbours), numbers(122, 6, 4))),
        Probe("on one that skips a token", (Model("skipping", _skipping), numbers(123, 7, 3))),
        Probe("on one that reads one feature",
              (Model("one_feature", _last_feature), numbers(124, 4, 4))),
        Probe("on one whose outputs cancel",
              (Model("cancelling", _difference), numbers(125, 5, 6))),
    ]  # fmt: skip


influence = register(Exercise(
    "influence", "01", "influence(model, x)",
    "Which inputs can change which outputs of model(x), (n, d) to (n, d)? An (n, n) table, True "
    "in row t and column j if changing token j of x changes the model's output at t.",
    _influence, _influence_probes,
    (
        Mistake("transposed", {"layout": "transposed"},
                "Your rows are inputs and your columns outputs.",
                "Row t asks which inputs reach output t: inputs are the columns.",
                "Into which axis do you write what one changed input does?", "[exp]"),
        Mistake("not_restored", {"restore": False},
                "Your later columns also show what earlier inputs do.",
                "A changed token stays changed while the next one is tried.",
                "From which x does each round start?", "[exp]"),
        Mistake("changes_all_that_follow", {"which": "to_the_end"},
                "Your columns show what several inputs do together.",
                "Everything from token j on is changed; it should be token j alone.",
                "Look at the slice that you change.", "[exp]"),
        Mistake("one_input_feature", {"which": "first_feature"},
                "Yours misses an input whose first feature is not read.",
                "Only one feature of a token is changed. A model may read another.",
                "Which part of a token do you change?", "[exp]"),
        Mistake("one_output_feature", {"compare": "first_feature"},
                "Yours misses changes in other features than the first.",
                "Only one feature of the output is compared.",
                "Which part of an output do you compare?", "[exp]"),
        Mistake("changes_cancel", {"compare": "signed_sum"},
                "Yours misses outputs whose features move in opposite directions.",
                "The differences are added up with their signs, and cancel.",
                "What do you do to a difference before you add?", "[exp]"),
        Mistake("only_increases", {"compare": "larger"},
                "Yours misses outputs that become smaller.",
                "A difference is compared with a bound without its absolute value.",
                "What does a negative difference do in your comparison?", "[exp]"),
        Mistake("all_features_must_change", {"compare": "all"},
                "Yours misses outputs of which only some features change.",
                "One changed feature is enough: any, not all.",
                "Look for all or min.", "[exp]"),
        Mistake("small_changes_missed", {"compare": "large"},
                "Yours misses inputs whose influence is small.",
                "The bound for a change is too high. Can it change at all, is the question.",
                "With which number do you compare the difference?", "[exp]"),
        Mistake("itself_left_out", {"itself": "left_out"},
                "Your diagonal is False.",
                "A token's own input counts like any other.",
                "Where do you skip j == t?", "[exp]"),
        Mistake("inverted", {"result": "inverted"},
                "Yours is True where nothing changes.",
                "True means that the input reaches the output.",
                "Look at your comparison: == or !=?", "[exp]"),
        Mistake("counts_not_table", {"result": "counts"},
                "Yours counts the inputs of each output.",
                "Which inputs, is the question: one row of True and False per output.",
                "Look for a sum.", "[exp]"),
        Mistake("last_output_only", {"result": "last"},
                "Yours is one row, that of the last output.",
                "Every output has a row.", "Look for an index -1.", "[exp]"),
    ),
    axes=("the outputs", "the inputs"),
    picture=("on a convolution", "outputs", "inputs"),
    gradients=False,
))  # fmt: skip
