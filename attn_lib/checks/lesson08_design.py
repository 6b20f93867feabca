"""The design task of lesson 08: any mask that reaches everything and stays within the cost.

The task for the learner, in full:

    `design_mask(n)` returns a boolean (n, n) mask, True where query i may see key j, that is used
    in both layers of a two-layer decoder. n is a square number, 16 to 100. It must
    1. be causal, and let every token see itself;
    2. reach: after two layers every token can have been influenced by every earlier one;
    3. cost little: n · 2√n pairs at most (full causal attention has n (n + 1) / 2).

Many masks do. The verdict says which of the three fails, and where.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import Any

import torch
from torch import Tensor

from . import Exercise, Probe, register
from ._trial import Caller
from ._values import Fault, array


def _strided(n: int) -> Tensor:
    """The √n nearest keys, and every √n-th key before them (Child et al. 2019, 1904.10509)."""
    r, gap = isqrt(n), torch.arange(n)[:, None] - torch.arange(n)
    return (gap >= 0) & ((gap < r) | (gap % r == 0))


def _numbers(result: Any, n: int) -> Tensor:
    """The learner's mask as a boolean tensor; a Fault says what else it is."""
    if isinstance(result, tuple) and result:
        result = result[0]
    if result is None:
        raise Fault("returns_none", "Your function returns None. Is the `return` missing?")
    try:
        found = torch.from_numpy(array(result))
    except Exception:
        raise Fault("wrong_type", "A boolean mask is asked for; yours holds no numbers.") from None
    if tuple(found.shape) != (n, n):
        shape = tuple(found.shape)
        raise Fault("wrong_shape", f"For n = {n} your mask has shape {shape}, not ({n}, {n}).")
    if bool(((found != 0) & (found != 1)).any()):
        raise Fault(
            "not_boolean",
            "A boolean mask is asked for, True for 'may attend'; yours holds other numbers.",
        )
    return found != 0


def _judged(fn: Callable[..., Any], n: int) -> Tensor:
    """True for a mask that keeps all three rules; else a Fault that says which it breaks."""
    mask = _numbers(fn(n), n)
    ahead, blind = mask.triu(1).nonzero(), (~mask.diagonal()).nonzero()
    if len(ahead):
        i, j = ahead[0].tolist()
        raise Fault(
            "looks_ahead",
            f"For n = {n} your mask lets query {i} see key {j}, which comes later: {len(ahead)} "
            "True entries lie above the diagonal. A decoder's mask is causal.",
        )
    if len(blind):
        raise Fault(
            "itself_hidden",
            f"For n = {n} token {int(blind[0])} does not see itself in your mask. "
            "Every entry on the diagonal is to be True.",
        )
    one = mask.double()
    cut = ((one @ one) == 0).tril().nonzero()
    if len(cut):
        i, j = cut[0].tolist()
        raise Fault(
            "does_not_reach",
            f"For n = {n} token {i} learns nothing of token {j} in two layers: no key that {i} "
            f"sees has seen {j}. {len(cut)} pairs in all are cut off.",
        )
    pairs, budget = int(mask.sum()), 2 * n * isqrt(n)
    if pairs > budget:
        raise Fault(
            "too_costly",
            f"For n = {n} your mask reaches everything, with {pairs} pairs; the budget is "
            f"n · 2√n = {budget}. Which pairs can the second layer make up for?",
        )
    return torch.tensor(True)


def _cost(call: Caller) -> str | None:
    mask = _numbers(call.fn(64), 64)
    return (
        f"With n = 64 your mask has {int(mask.sum())} pairs; the budget is 1024, "
        "full causal attention has 2080."
    )


def _probes() -> list[Probe]:
    return [Probe(f"with n = {n}", (n,)) for n in (36, 64, 49)]


design_mask = register(Exercise(
    "design_mask", "08", "design_mask(n)",
    "A causal mask of at most n · 2√n pairs through which, in two layers, every token is reached "
    "by all earlier ones.",
    _strided, _probes,
    (),  # every breach is a sentence of its own, with the learner's numbers
    drive=_judged,
    notes=(_cost,),
    gradients=False,
))  # fmt: skip
