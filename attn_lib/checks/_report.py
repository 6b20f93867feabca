"""The verdict: what the learner reads, and what a program reads."""

from __future__ import annotations

from dataclasses import dataclass

from . import _card
from ._card import Picture


@dataclass(frozen=True)
class Report:
    """What a check found.

    passed: True, False, or None when the exercise was not attempted.
    mistake: a stable id, a list of ids when several came together, or None when none is known.
    observed, why, line: the three parts of the hint; `line` is filled from the second failing call.
    printed: what the function printed in its first call (later calls are kept quiet).
    notes: what is true but not demanded. convention: right in itself, but not this lesson's form.
    """

    exercise: str
    passed: bool | None
    mistake: str | list[str] | None = None
    observed: str = ""
    why: str = ""
    line: str = ""
    notes: tuple[str, ...] = ()
    convention: bool = False
    picture: Picture | None = None
    printed: str = ""

    @property
    def hint(self) -> str:
        """Everything said about a wrong answer, as one text."""
        return " ".join(part for part in (self.observed, self.why, self.line) if part)

    @property
    def headline(self) -> str:
        if self.passed is None:
            return "not attempted yet"
        if self.passed:
            return "passed"
        return "another convention" if self.convention else "not yet"

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Label and text of each line under the headline, three at most."""
        if self.passed is not False:
            said = [("", self.observed)] if self.observed else []
            return said + ([("Note", " ".join(self.notes))] if self.notes else [])
        parts = [("Seen", self.observed), ("Why", self.why), ("Where", self.line)]
        return [(label, text) for label, text in parts if text]

    def __str__(self) -> str:
        first = f"{self.exercise}: {self.headline}."
        return "\n".join(
            [first] + [f"{label}: {text}" if label else text for label, text in self.lines]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return _card.html(
            self.exercise, self.headline, self.passed, self.convention, self.lines, self.picture
        )

    def __bool__(self) -> bool:
        return self.passed is True
