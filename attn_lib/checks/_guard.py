"""Run a learner's function so that whatever it does, the kernel lives on.

Signals work neither off the main thread nor on Windows, so the calls run in a thread of their own
and an endless loop is ended by raising an exception inside that thread. Python delivers it between
two bytecodes: a thread that is blocked inside C code (`time.sleep(1000)`, one giant product) cannot
be ended. It is then left behind, as a daemon, and the verdict says so.
"""

from __future__ import annotations

import builtins
import ctypes
import io
import random
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch


class Stopped(BaseException):
    """Raised inside the learner's thread when its time is up."""


@dataclass
class Outcome:
    """What one call gave: a value, or the exception it raised; `stopped` when time was up."""

    value: Any = None
    error: BaseException | None = None
    stopped: bool = False
    printed: str = ""


class Clock:
    """One time limit shared by all calls of a check."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.left = seconds
        self.expired = False
        self.stuck = False
        self.printed = ""

    def run(self, thunks: Sequence[Callable[[], Any]]) -> list[Outcome]:
        """Call each in turn; those not reached in time come back as stopped."""
        outcomes: list[Outcome] = []
        done = threading.Event()
        text = io.StringIO()

        def work() -> None:
            ident = threading.get_ident()
            try:
                for thunk in thunks:
                    outcome = Outcome()
                    start = text.tell()
                    try:
                        outcome.value = thunk()
                    except Stopped:
                        raise
                    except BaseException as error:  # sys.exit() and KeyboardInterrupt as well
                        outcome.error = error
                    outcome.printed = text.getvalue()[start:]
                    outcomes.append(outcome)
            except Stopped:
                _raise_in(ident, _NOTHING)  # first of all: the next one is on its way
            done.set()

        if not self.expired:
            with _calm(text):
                begin = time.monotonic()
                thread = threading.Thread(target=work, daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no threads here (Pyodide): run without a limit
                    work()
                self._wait(done, thread, begin)
                self.left -= time.monotonic() - begin
        if not self.printed and outcomes:
            self.printed = outcomes[0].printed
        missing = len(thunks) - len(outcomes)
        return outcomes[:] + [Outcome(stopped=True) for _ in range(missing)]

    def _wait(self, done: threading.Event, thread: threading.Thread, begin: float) -> None:
        try:
            # In short steps: on Windows a long wait would hold back the interrupt button.
            while not done.wait(0.05):
                if time.monotonic() - begin > self.left:
                    self.expired = True
                    self.stuck = not _end(thread, done)
                    return
        except KeyboardInterrupt:
            _end(thread, done)
            raise


_raise_in = ctypes.PYFUNCTYPE(None, ctypes.c_ulong, ctypes.py_object)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)
_NOTHING = ctypes.py_object()  # NULL: takes back what is still to be raised


def _end(thread: threading.Thread, done: threading.Event, patience: float = 1.0) -> bool:
    """Raise Stopped in the thread; True when it ended.

    Once would not be enough against a loop around `try: ... except: pass`. So making the exception
    (which Python does when it is caught) asks for the next one, until one arrives outside of any
    `try`. That must run no bytecode, or it would interrupt itself: hence a partial as `__init__`.
    """
    again = type("Stopped", (Stopped,), {})
    again.__init__ = staticmethod(partial(_raise_in, thread.ident, again))  # type: ignore[misc]
    _raise_in(thread.ident or 0, again)
    return done.wait(patience)


def _refuse_input(*_: Any) -> str:
    raise RuntimeError("input() cannot be used inside a check")


@contextmanager
def _calm(text: io.StringIO) -> Iterator[None]:
    """Keep prints and warnings out of the notebook; questions to the user are refused."""
    ask, stdout, stderr = builtins.input, sys.stdout, sys.stderr
    builtins.input = _refuse_input
    try:
        with warnings.catch_warnings(), redirect_stdout(text), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        builtins.input = ask
        sys.stdout, sys.stderr = stdout, stderr


@contextmanager
def restored(fn: Any) -> Iterator[None]:
    """Leave random states, the default type and torch's threads as they were before the check.

    Probes are small: on a busy machine the threads of one product wait longer for each other than
    the product takes, ten times and more. In a notebook `exit()` would end the kernel; inside a
    check it raises SystemExit instead.
    """
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    names = getattr(fn, "__globals__", {})
    old = {key: names[key] for key in ("exit", "quit") if key in names}
    for key in old:
        names[key] = sys.exit
    try:
        torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
        for key, value in old.items():
            if names.get(key) is sys.exit:
                names[key] = value
