"""How one wild function is registered."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OUTCOMES = ("rejected", "convention", "notes", "either")
EFFECTS = (
    "differs", "shape", "raises", "none", "nan", "type", "slow", "unrepeatable",  # rejected
    "mutates", "gradient", "overflow", "empty_rows", "quadratic", "dtype", "precision",  # notes
)  # fmt: skip


@dataclass(frozen=True)
class Wild:
    """A wrong function as learners write it.

    check: the exercise.  fits: what a good teacher would say is the mistake.
    family: ids of the mistakes catalogue that fit (any one of them; with `pair=True` all of
    them are present at once), or "other" where the catalogue has none.
    effect: what is seen from outside when the function is called.
    outcome: "rejected"; "convention" (valid elsewhere, not asked for here); "notes" (the asked
    numbers are right, something else deserves a word); "either" (passing with a note and
    rejecting are both fair).
    lib: the kind of arrays the function was written for.  why: how people come to write it.
    """

    check: str
    fn: Callable[..., Any]
    fits: str
    family: str | tuple[str, ...] = "other"
    effect: str = "differs"
    outcome: str = "rejected"
    lib: str = "torch"
    pair: bool = False
    why: str = ""

    def __post_init__(self) -> None:
        assert self.effect in EFFECTS and self.outcome in OUTCOMES, (self.effect, self.outcome)
        assert all(re.fullmatch(r"[A-HK]\d+|other", one) for one in self.families), self.family
        assert self.lib in ("torch", "numpy", "any"), self.lib

    @property
    def families(self) -> tuple[str, ...]:
        return (self.family,) if isinstance(self.family, str) else self.family

    @property
    def id(self) -> str:
        return f"{self.check}-{self.fn.__name__}"


@dataclass(frozen=True)
class Correct:
    """A right function in an unusual style: it must pass, whatever it looks like."""

    check: str
    fn: Callable[..., Any]
    lib: str = "torch"
    style: str = ""

    @property
    def id(self) -> str:
        return f"{self.check}-{self.fn.__name__}"
