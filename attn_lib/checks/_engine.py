"""The order of a check: runs, repeatable, equal, low precision, a mistake, a pair, localised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ._advice import advice
from ._bank import Bank, bank_of
from ._card import Picture, picture
from ._exercise import Exercise
from ._guard import Clock, restored
from ._localise import localise
from ._notes import notes
from ._report import Report
from ._trial import Caller, Trial, attempt
from ._values import KINDS, Fault, error, named, read

LIMIT = 10.0


def judge(exercise: Exercise, fn: Any, limit: float = LIMIT) -> Report:
    """The full verdict on a function; never raises for anything the function does."""
    if not callable(fn):
        return Report(
            exercise.name, False, "not_a_function",
            f"The check was given {named(fn)}, not a function.",
            "It calls your function itself, several times: pass it without brackets.",
            f"checks.{exercise.name}({exercise.name})",
        )  # fmt: skip
    clock = Clock(limit)
    with restored(fn):
        report = _judge(exercise, fn, bank_of(exercise), clock)
    return replace(report, printed=clock.printed)


def _judge(exercise: Exercise, fn: Callable[..., Any], bank: Bank, clock: Clock) -> Report:
    trials: list[tuple[Caller, Trial]] = []
    for kind in KINDS:
        caller = Caller(exercise, fn, kind, clock)
        trial = attempt(caller, bank)
        if trial.stopped is not None:
            return _time_limit(exercise, bank, trial, clock)
        if trial.not_attempted:
            return Report(
                exercise.name, None,
                observed="Put your code in place of `raise NotImplementedError`, "
                "run that cell and then this one.",
            )  # fmt: skip
        trials.append((caller, trial))
        if trial.within(exercise.tolerance):
            trials = [(caller, trial)]
            break
    fewest = min(trial.failures for _, trial in trials)
    trials = [pair for pair in trials if pair[1].failures == fewest]
    caller, trial = trials[0]
    if not _repeatable(caller, trial):
        return Report(
            exercise.name, False, "not_repeatable",
            "Two calls with the same inputs give different results.",
            "Something random (dropout, rand) or something kept from the last call takes part.",
            "Look for dropout, random numbers and variables that live outside the function.",
        )  # fmt: skip
    if trial.within(exercise.tolerance):
        return Report(exercise.name, True, notes=notes(caller, trial))
    for _, trial in trials:
        if trial.within(exercise.low_precision):
            return Report(
                exercise.name, False, "low_precision",
                "Right to about two digits, but not to four.",
                "The formula is right; something is rounded (half precision, round()) "
                "or a small constant is added.",
                "Look for .half(), bfloat16, round() and + 1e-2.",
            )  # fmt: skip
    for _, trial in trials:
        report = _named(exercise, trial)
        if report is not None:
            return report
    return _unknown(exercise, trials[0][1])


def _repeatable(caller: Caller, trial: Trial) -> bool:
    i = next((i for i in trial.deciding if trial.got[i] is not None), None)
    if i is None:
        return True
    try:
        again = read(caller(*trial.bank.probes[i].args), trial.bank.raw[i])[0]
    except Exception:
        return False
    return error(again, trial.got[i] or []) <= caller.exercise.tolerance


def _named(exercise: Exercise, trial: Trial) -> Report | None:
    if _second_is_right(exercise, trial):
        return Report(
            exercise.name, False, "results_swapped",
            "The second thing you return is the right first one.",
            "The order is (output, weights).", "Look at your `return`.",
        )  # fmt: skip
    unlike = [e > exercise.tolerance for e in trial.errors]
    combo, exact = trial.bank.find(trial.got, unlike, trial.form)
    if not combo:
        return None
    found = trial.bank.mistakes(combo)
    ids = [mistake.id for mistake in found]
    observed = [mistake.observed for mistake in found]
    if not exact:
        fault = _fault(trial)
        ids.append(fault.id)
        observed.append(str(fault))
    join = _numbered if len(observed) > 1 else " ".join
    return Report(
        exercise.name, False, ids[0] if len(ids) == 1 else ids,
        join(observed), join([m.why for m in found]) if len(found) > 1 else found[0].why,
        join([m.line for m in found]) if len(found) > 1 else found[0].line,
        convention=exact and all(m.kind == "convention" for m in found),
        picture=_picture(exercise, trial),
    )  # fmt: skip


def _numbered(parts: list[str]) -> str:
    return " ".join(f"({i}) {part}" for i, part in enumerate(parts, 1))


def _second_is_right(exercise: Exercise, trial: Trial) -> bool:
    for i in trial.deciding:
        if not trial.extras[i]:
            return False
        try:
            mine = read(trial.extras[i][0], trial.bank.raw[i])[0]
        except Exception:
            return False
        if error(mine, trial.bank.reference[i]) > exercise.tolerance:
            return False
    return True


def _fault(trial: Trial) -> Fault:
    return next(f for i, f in enumerate(trial.faults) if f is not None and trial.got[i] is None)


def _unknown(exercise: Exercise, trial: Trial) -> Report:
    if trial.failures:
        fault = _fault(trial)
        good = [i for i in trial.deciding if trial.errors[i] <= exercise.tolerance]
        names = ", ".join(trial.bank.probes[i].name for i in good)
        why = f"It is right {names}." if good else ""
        why = " ".join(filter(None, [advice(str(fault)) if fault.id == "raises" else "", why]))
        return Report(exercise.name, False, fault.id, str(fault), why)
    mistake, seen, why, line = localise(trial)
    return Report(exercise.name, False, mistake, seen, why, line, picture=_picture(exercise, trial))


def _picture(exercise: Exercise, trial: Trial) -> Picture | None:
    if exercise.picture is None:
        return None
    name, rows, columns = exercise.picture
    for i, probe in enumerate(trial.bank.probes):
        got = trial.got[i]
        if probe.name == name and got and trial.errors[i] > exercise.tolerance:
            return picture(trial.bank.reference[i][0], got[0], rows, columns)
    return None


def _time_limit(exercise: Exercise, bank: Bank, trial: Trial, clock: Clock) -> Report:
    probe = bank.probes[trial.stopped or 0].name
    after = (
        "It could not be stopped, because it waits inside a call that Python cannot interrupt. "
        "The notebook works on; restart the kernel to be rid of it."
        if clock.stuck
        else "It was stopped; the notebook works on."
    )
    return Report(
        exercise.name, False, "time_limit",
        f"Your function did not finish within {clock.seconds:g} seconds ({probe}).",
        f"A right answer takes a few milliseconds. {after}",
        "Does every loop end? Does a `while` change what it waits for?",
    )  # fmt: skip
