"""When no known mistake fits: say where the numbers are right, where not, and how they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._trial import Trial
from ._values import Leaves


@dataclass(frozen=True)
class Seen:
    """Results by probe name, for an exercise's own `localise`.

    The first array, or the whole list of strings; None where the function failed.
    """

    trial: Trial

    def _index(self, name: str) -> int:
        return [probe.name for probe in self.trial.bank.probes].index(name)

    def got(self, name: str) -> Any:
        found = self.trial.got[self._index(name)]
        return None if found is None else _whole(found)

    def want(self, name: str) -> Any:
        return _whole(self.trial.bank.reference[self._index(name)])

    def args(self, name: str) -> tuple[Any, ...]:
        return self.trial.bank.probes[self._index(name)].args


def localise(trial: Trial) -> tuple[str | None, str, str, str]:
    """Id (only for wrong_shape and not_finite), what is seen, why that may be, where to look."""
    exercise = trial.bank.exercise
    bad = [i for i in trial.deciding if trial.got[i] is not None]
    bad = [i for i in bad if trial.errors[i] > exercise.tolerance]
    where = _which(trial, bad)
    for i in bad:
        for got, want in zip(trial.got[i] or [], trial.bank.reference[i], strict=False):
            if not isinstance(want, np.ndarray) or not isinstance(got, np.ndarray):
                continue
            if got.shape != want.shape:
                return _shape(got, want, where, exercise.axes)
    for i in bad:
        for got, want in zip(trial.got[i] or [], trial.bank.reference[i], strict=False):
            if (
                isinstance(got, np.ndarray)
                and not np.isfinite(got).all()
                and np.isfinite(want).all()
            ):
                return _not_finite(got, where)
    own = _own(trial) if exercise.localise is not None else None
    seen = own or next((text for i in bad for text in [_words(trial, i)] if text), "")
    seen = seen or next((text for i in bad for text in [_pattern(trial, i)] if text), "")
    seen = seen or "the numbers differ from the expected ones."
    return None, _sentence(where, seen), "It is none of the usual mistakes.", _worst(trial, bad)


def _sentence(where: str, seen: str) -> str:
    return f"{where} {seen}" if where else seen[0].upper() + seen[1:]


def _own(trial: Trial) -> str | None:
    try:
        return trial.bank.exercise.localise(Seen(trial))  # type: ignore[misc]
    except Exception:  # a learner's odd numbers must not break the check
        return None


def _which(trial: Trial, bad: list[int]) -> str:
    names = trial.bank.probes
    good = [names[i].name for i in trial.deciding if i not in bad and trial.got[i] is not None]
    wrong = [names[i].name for i in bad]
    if good and wrong:
        return f"Right {_list(good)}; not {_list(wrong)}:"
    return ""


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _whole(found: Leaves) -> Any:
    return found if found and all(isinstance(x, str) for x in found) else (found or [None])[0]


def _words(trial: Trial, i: int) -> str:
    """The first difference between results that are no arrays: strings, or None."""
    got, want, name = trial.got[i] or [], trial.bank.reference[i], trial.bank.probes[i].name
    if all(isinstance(x, np.ndarray) for x in (*got, *want)):
        return ""
    if len(got) != len(want):
        return f"{name}, yours has {len(got)} entries; {len(want)} are expected."
    for at, (mine, right) in enumerate(zip(got, want, strict=True)):
        arrays = isinstance(mine, np.ndarray), isinstance(right, np.ndarray)
        if any(arrays) != all(arrays) or (not any(arrays) and mine != right):
            mine, right = (
                "numbers" if isinstance(x, np.ndarray) else repr(x) for x in (mine, right)
            )
            return f"{name}, entry {at} (counted from 0) is {mine}; {right} is expected."
    return ""


def _lost(got: tuple[int, ...], want: tuple[int, ...]) -> int | None:
    return next((i for i in range(len(want)) if want[:i] + want[i + 1 :] == got), None)


def _shape(
    got: np.ndarray, want: np.ndarray, where: str, axes: tuple[str, ...]
) -> tuple[str, str, str, str]:
    seen = _sentence(where, f"your result has shape {got.shape}; expected {want.shape}.")
    why = ""
    if sorted(got.shape) == sorted(want.shape):
        why = "The sizes are right, in another order: two axes look swapped."
    elif got.ndim == want.ndim - 1 and (lost := _lost(got.shape, want.shape)) is not None:
        name = axes[lost] if len(axes) == want.ndim else f"axis {lost}"
        why = f"{name[0].upper()}{name[1:]} went missing: summed over, picked, or taken as one."
    elif got.size == want.size:
        why = "The number of entries is right: they are arranged in other axes."
    return "wrong_shape", seen, why, "Print the shape after each step."


def _not_finite(got: np.ndarray, where: str) -> tuple[str, str, str, str]:
    kind = "NaN" if np.isnan(got).any() else "infinite"
    share = f"{int((~np.isfinite(got)).sum())} of {got.size} numbers are {kind}."
    why = "NaN comes from 0/0, inf - inf or 0 * inf; inf from exp of a large number."
    return "not_finite", f"{where} {share}".strip(), why, "Print the smallest step that gives it."


def _pattern(trial: Trial, i: int) -> str:
    got, want = (trial.got[i] or [None])[0], trial.bank.reference[i][0]
    if not isinstance(got, np.ndarray) or got.shape != want.shape or want.size < 2:
        return ""
    tolerance = trial.bank.exercise.tolerance
    if want.dtype == bool:
        more, less = int((got.astype(bool) & ~want).sum()), int((~got.astype(bool) & want).sum())
        return f"{more} entries are True that should be False, {less} the other way round."
    got, want = got.astype(np.float64), want.astype(np.float64)
    size = float(np.abs(want).max()) or 1.0
    if np.ptp(got) <= tolerance * size < np.ptp(want):
        return f"every number is {got.flat[0]:.3g}."
    factor = float((got * want).sum() / max(float((want * want).sum()), 1e-300))
    if np.abs(got - factor * want).max() <= tolerance * size * max(1.0, abs(factor)):
        return f"every number is {factor:.4g} times the expected one."
    shift = float((got - want).mean())
    if np.abs(got - want - shift).max() <= tolerance * size:
        return f"every number is {abs(shift):.4g} too {'large' if shift > 0 else 'small'}."
    if np.abs(np.sort(got, None) - np.sort(want, None)).max() <= tolerance * size:
        return "the numbers are the right ones, at other places."
    return _slices(np.abs(got - want) <= tolerance * size, trial.bank.exercise.axes)


def _slices(right: np.ndarray, axes: tuple[str, ...]) -> str:
    if right.ndim == len(axes) + 1 and len(axes) > 1:  # the form with heads
        axes = (axes[0], "the heads", *axes[1:])
    for axis in range(right.ndim):
        others = tuple(a for a in range(right.ndim) if a != axis)
        lines = right.all(axis=others)
        if lines.any() and not lines.all() and right.shape[axis] > 1:
            name = axes[axis] if len(axes) == right.ndim else f"axis {axis}"
            good = [str(j) for j in np.flatnonzero(lines)]
            return f"along {name}, only number {', '.join(good)} (counted from 0) is right."
    return ""


def _worst(trial: Trial, bad: list[int]) -> str:
    for i in bad:
        got, want = (trial.got[i] or [None])[0], trial.bank.reference[i][0]
        if isinstance(got, np.ndarray) and got.shape == want.shape and want.dtype != bool:
            gap = np.abs(np.nan_to_num(got.astype(float)) - np.nan_to_num(want.astype(float)))
            at = tuple(int(x) for x in np.unravel_index(int(gap.argmax()), gap.shape))
            place = f" at {list(at)}" if at else ""
            return (
                f"The largest difference {trial.bank.probes[i].name} is{place}: "
                f"yours {got[at]:.4g}, expected {want[at]:.4g}."
            )
    return ""
