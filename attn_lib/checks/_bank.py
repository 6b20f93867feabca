"""The bank of wrong answers: what each mistake, and each pair of them, gives on the probes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np
import torch

from ._exercise import Exercise, Mistake, Probe
from ._values import Leaves, error, leaves

Way = tuple[int, int]  # number of the mistake, number of its way
Combo = tuple[Way, ...]
Shape = tuple[int, ...] | None  # None: no array, but strings
Part = dict[Shape, tuple[list[Combo], np.ndarray | None]]

PART = 200  # pairs that are worked out at a time


@dataclass
class Screen:
    """The first results of all single mistakes, or of all pairs, on one probe; part by part."""

    combos: list[Combo]
    parts: dict[int, Part] = field(default_factory=dict)


class Bank:
    """Outputs of the reference and its wrong variants, computed once and only when needed."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.probes: tuple[Probe, ...] = tuple(exercise.probes())
        self.raw = [exercise.run(exercise.reference, self._copy(p)) for p in self.probes]
        self.reference: list[Leaves] = [leaves(value) for value in self.raw]
        self._outputs: dict[tuple[Combo, int], Leaves | None] = {}
        self._screens: dict[tuple[str, int], Screen] = {}

    @staticmethod
    def _copy(probe: Probe) -> tuple[Any, ...]:
        return tuple(a.clone() if isinstance(a, torch.Tensor) else a for a in probe.args)

    def singles(self) -> Iterator[Combo]:
        for i, mistake in enumerate(self.exercise.mistakes):
            for j in range(len(mistake.ways)):
                yield ((i, j),)

    def pairs(self) -> Iterator[Combo]:
        """Two mistakes on different switches, each in its first way."""
        able = [i for i, m in enumerate(self.exercise.mistakes) if m.instead is None]
        for i, j in combinations(able, 2):
            a, b = self.exercise.mistakes[i].ways[0], self.exercise.mistakes[j].ways[0]
            if not set(a) & set(b):
                yield ((i, 0), (j, 0))

    def mistakes(self, combo: Combo) -> list[Mistake]:
        return [self.exercise.mistakes[i] for i, _ in combo]

    def wrong(self, combo: Combo) -> Any:
        """The wrong function itself."""
        found = self.mistakes(combo)
        if found[0].instead is not None:
            return found[0].instead
        switches: dict[str, Any] = {}
        for i, j in combo:
            switches |= self.exercise.mistakes[i].ways[j]
        return partial(self.exercise.reference, **switches)

    def output(self, combo: Combo, probe: int) -> Leaves | None:
        """What this wrong function gives on a probe; None where it raises."""
        if (combo, probe) not in self._outputs:
            with _quiet():
                self._work_out(combo, probe)
        return self._outputs[combo, probe]

    def _work_out(self, combo: Combo, probe: int) -> None:
        args = self.probes[probe].args
        if self.mistakes(combo)[0].instead is not None:  # may change its input
            args = self._copy(self.probes[probe])
        try:
            self._outputs[combo, probe] = leaves(self.exercise.run(self.wrong(combo), args))
        except Exception:
            self._outputs[combo, probe] = None

    @property
    def forms(self) -> list[str]:
        """The forms of call that can decide, the task's own first."""
        return sorted({p.form for p in self.probes if p.decides})

    def deciding(self, form: str = "") -> list[int]:
        """Numbers of the probes that decide in one form."""
        return [i for i, p in enumerate(self.probes) if p.decides and p.form == form]

    def find(
        self, got: Sequence[Leaves | None], unlike: Sequence[bool], form: str = ""
    ) -> tuple[Combo, bool]:
        """The mistake, or else the pair, that gives these results: its combo, and True if exact.

        `unlike` marks the probes where the learner's result is not the reference's. When nothing
        fits exactly, single mistakes are tried on the probes that gave a value at all. An empty
        combo: unknown. Where no number says anything (all NaN), no mistake is named either.
        """
        decide = self.deciding(form)
        values = [i for i in decide if got[i] is not None]
        if not values:
            decide = list(range(len(self.probes)))
            values = [i for i in decide if got[i] is not None]
        if not any(telling(got[i]) for i in values):
            return (), False
        order = sorted(decide, key=lambda i: (not telling(got[i]), not unlike[i]))
        kinds = (self.singles, self.pairs) if varied([got[i] for i in values]) else (self.singles,)
        for combos in kinds:
            for combo in self._screened(combos, order[0], got[order[0]] or []):
                if self._fits(combo, got, order):
                    return combo, True
        some = [i for i in order if got[i] is not None]
        if some and len(some) < len(order) and any(unlike[i] for i in some):
            for combo in self.singles():
                if self._fits(combo, got, some):
                    return combo, False
        return (), False

    def _screened(
        self, combos: Callable[[], Iterator[Combo]], probe: int, got: Leaves
    ) -> Iterator[Combo]:
        """Those of the combos that can fit on one probe, compared many at once.

        Worked out part by part, so that a wrong answer whose name stands early waits for no more.
        """
        key = (combos.__name__, probe)
        screen = self._screens.setdefault(key, Screen([*combos()]))
        first = got[0] if got else None
        for start in range(0, len(screen.combos), PART):
            if start not in screen.parts:
                screen.parts[start] = self._part(screen.combos[start : start + PART], probe)
            yield from self._near(screen.parts[start], first)

    def _part(self, combos: list[Combo], probe: int) -> Part:
        groups: dict[Shape, tuple[list[Combo], list[np.ndarray]]] = {}
        with _quiet():  # entered once: for a thousand pairs, that is a third of the time
            for combo in combos:
                if (combo, probe) not in self._outputs:
                    self._work_out(combo, probe)
                out = self._outputs[combo, probe]
                if out is None:
                    continue
                array = out[0] if out and isinstance(out[0], np.ndarray) else None
                kept = groups.setdefault(None if array is None else array.shape, ([], []))
                kept[0].append(combo)
                if array is not None:
                    kept[1].append(array.ravel())
            return {
                shape: (found, _plain(np.stack(rows)) if rows else None)
                for shape, (found, rows) in groups.items()
            }

    def _near(self, part: Part, first: Any) -> list[Combo]:
        shape = first.shape if isinstance(first, np.ndarray) else None
        found, rows = part.get(shape, ([], None))
        if rows is None or not isinstance(first, np.ndarray) or not first.size:
            return list(found)
        scale = np.abs(rows).max(1)
        scale[scale == 0] = 1.0
        near = np.abs(rows - _plain(first.ravel())).max(1) <= self.exercise.tolerance * scale
        return [found[i] for i in np.flatnonzero(near)]

    def _fits(self, combo: Combo, got: Sequence[Leaves | None], order: Sequence[int]) -> bool:
        for i in order:
            wrong, mine = self.output(combo, i), got[i]
            if (wrong is None) != (mine is None):
                return False
            if wrong is None or mine is None:
                continue
            if error(mine, wrong) > self.exercise.tolerance:
                return False
        return True


def telling(found: Leaves | None) -> bool:
    """Whether there is a number that says something: nothing but NaN is the work of too many."""
    return any(
        not isinstance(x, np.ndarray) or bool((~np.isnan(x)).any() and not np.isinf(x).all())
        for x in found or ()
    )  # fmt: skip


def varied(found: Sequence[Leaves | None]) -> bool:
    """Whether the results hold two different entries: a constant, too, comes from many pairs."""
    entries: set[Any] = set()
    for x in (leaf for some in found for leaf in some or ()):
        entries |= set(x.ravel().tolist()) if isinstance(x, np.ndarray) else {x}
        if len(entries) > 1:
            return True
    return False


def _plain(numbers: np.ndarray) -> np.ndarray:
    return np.nan_to_num(numbers.astype(np.float64), copy=False, posinf=0, neginf=0)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"), torch.inference_mode():
        warnings.simplefilter("ignore")
        yield


@cache
def bank_of(exercise: Exercise) -> Bank:
    """The bank of an exercise, built on its first check."""
    return Bank(exercise)
