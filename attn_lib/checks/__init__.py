"""Exercises whose checker names the mistake.

    from attn_lib import checks
    checks.softmax(my_softmax)        # -> Report: passed, mistake, hint, notes
    checks.names()                    # all exercises, lesson by lesson
    checks.progress()                 # which are solved; survives a kernel restart

A check calls the learner's function on a few small probes and compares the numbers with a
reference and with that reference under every known mistake. It judges only numbers, never style.
A class of wrong answers is recognised because the reference has *switches*: keyword arguments that
turn a part of it wrong. `python -m attn_lib.checks submission.py` judges a file.

Adding an exercise
------------------
One call of `register`, in a file `lessonNN*.py` of this package (found by itself) or anywhere else:

    from attn_lib.checks import Exercise, Mistake, Probe, numbers, register

    def _share(x, *, axis=-1, square=False):
        y = x / x.abs().sum(axis, keepdim=True)
        return y ** 2 if square else y

    def _probes():
        return [Probe("on a matrix", (numbers(1, 3, 5),)),
                Probe("on a square", (numbers(2, 4, 4),))]

    share = register(Exercise(
        "share", "02", "share(x)", "Divide each row by its sum of absolute values.",
        _share, _probes,
        (
            Mistake("columns_not_rows", {"axis": -2},
                    "Your columns sum to 1; the rows should.",     # what is seen: said first
                    "The last axis is the one to sum over.",       # why: said with it
                    "Look at the axis of the sum.",                # where: from the second failure
                    evidence="owner/repo#1"),
            Mistake("squared", {"square": True}, "...", "...", "..."),
        ),
    ))

- The reference, `_share(*args, **switches)`, takes torch tensors in float64 and is right without
  switches. Mistakes that set different switches are also tried in pairs; those that exclude each
  other are values of one switch.
- Probes: all sizes different, plus one square case; sizes of 1 and equal sizes hide mistakes. A
  probe's name completes "It is right ...": "without a mask". Tensors reach the learner as float32
  torch, else float64 NumPy, else float64 torch, whichever fails least. Masks in probes have no
  empty row, as given, inverted or transposed: then every way of filling gives the same numbers.
- Results: a tensor, a scalar, a list of strings, or a tuple of these. A reference that returns a
  tuple asks for all of it; one that returns a tensor accepts a tuple and judges its first.
- `Mistake(id, [{...}, {...}], ...)`: several settings, one hint: for what is the same mistake or
  what no probe can tell apart. `kind="convention"`: right in itself, but not the lesson's form.
  `instead=f`: a wrong function of its own where no switch fits (then switches is {}; no pairs).
- `axes` names the result's axes; `picture=(probe name, rows, columns)` draws expected and yours.
- `localise(seen)`: a sentence about an unknown error, or None; reads `seen.got(probe name)`,
  `seen.want(...)`, `seen.args(...)`. Of a list of strings it gets the whole list.
- `notes`: functions `f(call) -> sentence or None`, run on right answers only; they never decide.
  `call.numbers(*args)` gives an array; `call(*args, within=make_context)` the raw result of a call
  inside a context manager (a TorchDispatchMode that traces allocations, say).
- `drive(fn, *args)`: makes a sequence of calls (a cache, step by step); returns a tuple of results.
  The function must then take the arguments that `call` names without a default.
- `second(*args)`: reference of an optional second result (the weights); a wrong one gives a note.
- `gradients=False` where no gradient is to flow (masks).
- A repair or design task with the same mechanism has the same checker under a name of its own:
  `register(share.again("repair_share", "Repair the published code."))`.

Two kinds of result are never given a mistake's name by a pair: nothing but NaN (by a single one
neither), and one number everywhere. While a check runs, torch has one thread: probes are small.

`tests/checks/` runs over every registered exercise without being told: separation, pairs, noise.
What it cannot know are correct styles: add them to `tests/checks/zoo_lessonNN.py`.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from . import _progress
from ._exercise import Exercise, Mistake, Probe, registry
from ._probes import counted, numbers, pattern
from ._progress import Progress
from ._report import Report

__all__ = [
    "Check", "Exercise", "Mistake", "Probe", "Progress", "Report",
    "counted", "get", "names", "numbers", "pattern", "progress", "register",
]  # fmt: skip

PRINTED = 10  # lines of the learner's own printing that a check shows

_failures: dict[str, int] = {}
_loaded = False


class Check:
    """Call it with your function. `.exercise` is what it judges by."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.__name__ = exercise.name
        self.__doc__ = f"{exercise.task}\n\nYour function: {exercise.call}"

    def __call__(self, fn: Any) -> Report:
        """Judge a function; remember the result in the progress file."""
        from dataclasses import replace

        from ._engine import judge

        report = judge(self.exercise, fn)
        if report.printed:
            lines = report.printed.splitlines()
            more = f"\n... and {len(lines) - PRINTED} lines more" if len(lines) > PRINTED else ""
            print("Your function printed, in its first call:", *lines[:PRINTED], sep="\n", end="")
            print(more)
        if report.passed is None:
            return report
        _progress.record(report.exercise, report.passed)
        if report.passed:
            _failures.pop(report.exercise, None)
            return report
        _failures[report.exercise] = _failures.get(report.exercise, 0) + 1
        return report if _failures[report.exercise] > 1 else replace(report, line="")

    def __repr__(self) -> str:
        return f"checks.{self.exercise.name}: {self.exercise.call}. {self.exercise.task}"


def register(exercise: Exercise, *, replace: bool = False) -> Exercise:
    """Make an exercise known; `checks.<its name>` then judges it. ValueError if it is taken."""
    return registry.add(exercise, replace_old=replace)


def get(name: str) -> Exercise:
    """The exercise of this name. KeyError if there is none."""
    _load()
    return registry.exercises[name]


def names(lesson: str | None = None) -> list[str]:
    """Names of all exercises in the order of the lessons, or those of one lesson ("02")."""
    _load()
    found = sorted(registry.exercises.values(), key=lambda e: e.lesson)
    return [e.name for e in found if lesson is None or e.lesson == lesson]


def progress() -> Progress:
    """Which exercises are solved, tried and open."""
    _load()
    return _progress.progress(registry.exercises.values())


def _load() -> None:
    """Import the lessons' exercises once, when the first is asked for."""
    global _loaded
    if not _loaded:
        _loaded = True
        for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
            if module.startswith("lesson"):
                importlib.import_module(f"{__name__}.{module}")


def __getattr__(name: str) -> Check:
    if name.startswith("_"):
        raise AttributeError(name)
    _load()
    if name not in registry.exercises:
        import difflib

        near = difflib.get_close_matches(name, registry.exercises, n=1)
        hint = f" Did you mean checks.{near[0]}?" if near else " checks.names() lists them."
        raise AttributeError(f"there is no exercise {name!r}.{hint}")
    return Check(registry.exercises[name])


def __dir__() -> list[str]:
    _load()
    return sorted([*__all__, *registry.exercises])
