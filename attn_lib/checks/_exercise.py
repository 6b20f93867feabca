"""What an exercise is: a reference with switches, probes to call it on, and named mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Switches = Mapping[str, Any]


@dataclass(frozen=True)
class Mistake:
    """One wrong way (or another convention) that a checker recognises from numbers alone.

    `switches` are keyword arguments for the exercise's reference. A list of several means: these
    give different numbers but are the same mistake and share this hint. Two mistakes that set
    different switches also make a pair, tried automatically. `instead` is a whole wrong function
    with the learner's signature, for what no switch expresses; it makes no pairs.

    `observed` is said first, `why` with it, `line` (where to look) from the second failing call.
    `evidence` says where people made it; "[exp]": from experience, no source found.
    """

    id: str
    switches: Switches | Sequence[Switches]
    observed: str
    why: str
    line: str
    evidence: str = "[exp]"
    kind: Literal["wrong", "convention"] = "wrong"
    instead: Callable[..., Any] | None = None

    @property
    def ways(self) -> tuple[Switches, ...]:
        """Every setting of switches that shows this mistake."""
        return (self.switches,) if isinstance(self.switches, Mapping) else tuple(self.switches)


@dataclass(frozen=True)
class Probe:
    """One call of the learner's function. Floating tensors in float64; other arguments as is.

    Where a function fails, the probes of another `form` ("with a head axis") decide in their place
    if it fails less on them; a right answer then gets a note. When it fails in all forms, the
    probes with `decides=False` are looked at for a known mistake ("works on one sequence only").
    """

    name: str
    args: tuple[Any, ...]
    decides: bool = True
    form: str = ""


@dataclass(frozen=True, eq=False)
class Exercise:
    """A task, its reference and what can be said about wrong answers. See the package docstring."""

    name: str
    lesson: str
    call: str
    task: str
    reference: Callable[..., Any]
    probes: Callable[[], Sequence[Probe]]
    mistakes: tuple[Mistake, ...]
    axes: tuple[str, ...] = ()
    second: Callable[..., Any] | None = None
    drive: Callable[..., Any] | None = None
    notes: tuple[Callable[..., str | None], ...] = ()
    localise: Callable[..., str | None] | None = None
    picture: tuple[str, str, str] | None = None
    gradients: bool = True
    tolerance: float = 1e-4
    low_precision: float = 2e-2

    def again(self, name: str, task: str, lesson: str | None = None) -> Exercise:
        """The same checker under another name: a repair or design task with progress of its own."""
        return replace(self, name=name, task=task, lesson=lesson or self.lesson)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of the learner's arguments, from `call`: "f(q, mask=None)" gives q and mask."""
        return tuple(part.split("=")[0].strip() for part in self._parts)

    @property
    def demanded(self) -> tuple[str, ...]:
        """Those without a default: the learner's function must take this many."""
        return tuple(part.strip() for part in self._parts if "=" not in part)

    @property
    def _parts(self) -> list[str]:
        inner = re.sub(r"^[^(]*\(|\)[^)]*$", "", self.call)
        return [part for part in inner.split(",") if part.strip()]

    def run(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """One probe: a plain call, or the exercise's own sequence of calls."""
        return fn(*args) if self.drive is None else self.drive(fn, *args)


@dataclass
class Registry:
    """Exercises by name, in the order in which they were registered."""

    exercises: dict[str, Exercise] = field(default_factory=dict)

    def add(self, exercise: Exercise, *, replace_old: bool = False) -> Exercise:
        if not exercise.name.isidentifier() or exercise.name.startswith("_"):
            raise ValueError(f"exercise name must be a public Python name; got {exercise.name!r}")
        if exercise.name in self.exercises and not replace_old:
            raise ValueError(
                f"exercise {exercise.name!r} is registered already; choose another name, "
                "or pass replace=True to take its place"
            )
        ids = [mistake.id for mistake in exercise.mistakes]
        if len(ids) != len(set(ids)):
            twice = sorted({name for name in ids if ids.count(name) > 1})
            raise ValueError(f"exercise {exercise.name!r} has mistake ids twice: {twice}")
        self.exercises[exercise.name] = exercise
        return exercise


registry = Registry()
