"""All calls of one check: the learner's function on every probe, in one kind of array."""

from __future__ import annotations

import inspect
import linecache
import re
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ._bank import Bank
from ._exercise import Exercise
from ._guard import Clock, Outcome
from ._values import Fault, Leaves, convert, error, leaves, read, shapes

Kind = tuple[str, torch.dtype]


class Failed(Exception):
    """An extra call (for a note) gave no value."""


@dataclass
class Caller:
    """The learner's function under the check's clock, called with arguments of their kind."""

    exercise: Exercise
    fn: Callable[..., Any]
    kind: Kind
    clock: Clock

    def __call__(
        self, *args: Any, within: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> Any:
        """The raw result; `within` is entered in the thread that calls. Raises Failed."""

        def thunk() -> Any:
            with within():
                return self.exercise.run(self.fn, convert(args, self.kind))

        outcome = self.clock.run([thunk])[0]
        if outcome.error is not None or outcome.stopped:
            raise Failed from outcome.error
        return outcome.value

    def numbers(self, *args: Any) -> np.ndarray:
        """The first result as a float64 (bool, int64) array. Raises Failed."""
        result = self(*args)
        if isinstance(result, tuple):
            result = result[0] if result else None
        try:
            found = leaves(result)[0]
        except Exception as error_:
            raise Failed from error_
        if not isinstance(found, np.ndarray):
            raise Failed
        return found


@dataclass
class Trial:
    """What came back: per probe the numbers or None, and what was wrong where there are none."""

    kind: Kind
    bank: Bank
    got: list[Leaves | None]
    faults: list[Fault | None]
    errors: list[float]
    outcomes: list[Outcome]
    extras: list[tuple[Any, ...]]
    changed: set[str] = field(default_factory=set)
    form: str = ""

    @property
    def deciding(self) -> list[int]:
        return self.bank.deciding(self.form)

    @property
    def failures(self) -> int:
        return sum(self.got[i] is None for i in self.deciding)

    def within(self, bound: float) -> bool:
        return all(self.errors[i] <= bound for i in self.deciding)

    @property
    def stopped(self) -> int | None:
        """The probe in which time was up."""
        return next((i for i, o in enumerate(self.outcomes) if o.stopped), None)

    @property
    def not_attempted(self) -> bool:
        raised = [self.outcomes[i].error for i in self.deciding]
        return bool(raised) and all(isinstance(e, NotImplementedError) for e in raised)


def attempt(caller: Caller, bank: Bank) -> Trial:
    """Call it on the deciding probes; in the task's form, or else in that which fails least."""
    size = len(bank.probes)
    trial = Trial(
        caller.kind, bank, [None] * size, [None] * size, [float("inf")] * size,
        [Outcome() for _ in range(size)], [()] * size,
    )  # fmt: skip
    fewest = 1.0
    for form in bank.forms:
        decide = bank.deciding(form)
        _fill(trial, caller, decide)
        if trial.stopped is not None or trial.not_attempted:
            return trial
        failed = sum(trial.got[i] is None for i in decide) / len(decide)
        if failed < fewest:
            trial.form, fewest = form, failed
        if failed == 0:
            return trial
    if fewest == 1:
        _fill(trial, caller, [i for i in range(size) if not bank.probes[i].decides])
    return trial


def _fill(trial: Trial, caller: Caller, probes: Iterable[int]) -> None:
    bank, names = trial.bank, caller.exercise.arguments
    probes = list(probes)

    def thunk(i: int) -> Callable[[], Any]:
        def call() -> Any:
            args = convert(bank.probes[i].args, caller.kind)
            refuse(caller, args)
            result = caller.exercise.run(caller.fn, args)
            fresh = convert(bank.probes[i].args, caller.kind)
            pairs = zip(names, args, fresh, strict=False)
            trial.changed.update(name for name, a, b in pairs if not same(a, b))
            # Read here, in the learner's thread: a result may be an object that misbehaves.
            return result, *read(result, bank.raw[i])

        return call

    for i, outcome in zip(probes, caller.clock.run([thunk(i) for i in probes]), strict=True):
        trial.outcomes[i] = outcome
        if outcome.error is not None or outcome.stopped:
            raised = outcome.error
            if not isinstance(raised, Fault):
                raised = Fault("raises", complaint(raised, caller, bank.probes[i].args))
            trial.faults[i] = raised
            continue
        outcome.value, found, trial.extras[i] = outcome.value
        trial.got[i], trial.errors[i] = found, error(found, bank.reference[i])


def refuse(caller: Caller, args: tuple[Any, ...]) -> None:
    """Say it in words when the function cannot take these arguments at all."""
    if caller.exercise.drive is not None:  # it decides what the function is given
        args = caller.exercise.demanded
    try:
        signature = inspect.signature(caller.fn)
    except (ValueError, TypeError):
        return
    try:
        signature.bind(*args)
    except TypeError:
        raise Fault(
            "wrong_arguments",
            f"Your function takes {signature}; the task calls it as {caller.exercise.call}.",
        ) from None


def complaint(raised: BaseException | None, caller: Caller, args: tuple[Any, ...]) -> str:
    """What was raised, for which shapes, with which message, on which line of the function."""
    if raised is None:
        return "Your function did not finish."
    try:
        said = str(raised).strip().splitlines()
    except Exception:
        said = []
    message = re.sub(r" at 0x[0-9a-fA-F]+", "", said[0])[:160] if said else "no message"
    where = ""
    code = getattr(inspect.unwrap(caller.fn), "__code__", None)
    for frame, at in reversed([*traceback.walk_tb(raised.__traceback__)]):
        if frame.f_code is code:  # not by its name: a helper may be called the same
            line = linecache.getline(code.co_filename, at, frame.f_globals).strip()
            number = at - code.co_firstlineno + 1
            where = f" (line {number} of your function: `{line}`)" if line else ""
            break
    call = shapes(caller.exercise.arguments, args)
    return f"Your function raised {type(raised).__name__} for {call}: {message}{where}"


def same(a: Any, b: Any) -> bool:
    """Equal in shape and numbers, at any depth."""
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.equal(a.detach().nan_to_num(), b.nan_to_num())
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    return True
