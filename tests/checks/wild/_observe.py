"""What is seen from outside when a wild function is called beside the reference."""

from __future__ import annotations

import math
import sys
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from . import _reference

HERE = str(Path(__file__).parent)
CLOSE, APART = 1e-5, 1e-2  # right below, wrong above; what lies between is a matter of precision
MAX_LINES = 10_000


class TooLong(BaseException):
    """Raised inside a function that executes too many lines; no `except Exception` stops it."""


def limited(fn: Callable[..., Any], args: tuple) -> Any:
    """Call `fn`, counting the lines it executes in this folder."""
    count = 0

    def on_line(frame: Any, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        if count > MAX_LINES:
            raise TooLong
        return on_line

    def on_call(frame: Any, event: str, arg: Any) -> Any:
        return on_line if frame.f_code.co_filename.startswith(HERE) else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        return fn(*args)
    finally:
        sys.settrace(before)


def to_lib(value: Any, lib: str) -> Any:
    if isinstance(value, tuple):
        return tuple(to_lib(part, lib) for part in value)
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy()) if lib == "torch" else value.copy()
    return value


def snapshot(value: Any) -> Any:
    """A copy that later writes into the original cannot reach."""
    if isinstance(value, tuple):
        return tuple(snapshot(part) for part in value)
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    return value.copy() if isinstance(value, np.ndarray) else value


def flat(value: Any) -> list[Any]:
    """Every leaf of a result, tuples opened."""
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, tuple) else [value]


def numbers(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    return np.asarray(value)


def compare_one(got: Any, want: Any) -> str:
    if got is None:
        return "none"
    try:
        a, b = numbers(got), numbers(want)
    except (ValueError, TypeError):
        return "shape"  # ragged lists
    if a.dtype == object:
        return "shape"
    if a.dtype.kind not in "biufc":
        return "type"
    if a.shape != b.shape:
        return "shape"
    if np.isnan(a).any() or (np.isinf(a).any() and b.dtype != bool):
        return "nan"
    gap = np.abs(np.where(np.isinf(a), 9e9, a) - b.astype(float)).max(initial=0)
    if b.dtype == bool and a.dtype != bool:
        return "dtype" if gap == 0 else "type"
    if gap <= CLOSE:
        return "dtype" if b.dtype.kind == "i" and a.dtype.kind == "f" else "ok"
    return "differs" if gap > APART else "precision"


def compare(check: str, got: Any, want: Any) -> str:
    if check == "layer_pattern":
        if got is None:
            return "none"
        if not isinstance(got, list) or not all(isinstance(kind, str) for kind in got):
            return "type"
        return "ok" if got == want else "differs"
    if check in _reference.WITH_WEIGHTS and not isinstance(got, tuple):
        want = want[0]
    if check == "alibi" and got is not None and numbers(got).shape == want.shape:
        got = np.tril(numbers(got))
    if isinstance(got, tuple) != isinstance(want, tuple) or (
        isinstance(got, tuple) and [len(flat(p)) for p in got] != [len(flat(p)) for p in want]
    ):
        return "none" if got is None else "type"
    seen = [compare_one(g, w) for g, w in zip(flat(got), flat(want), strict=True)]
    return next((one for one in seen if one != "ok"), "ok")


def libs(item: Any) -> tuple[str, ...]:
    if item.lib != "any":
        return (item.lib,)
    return ("numpy",) if item.check in _reference.FROM_NUMBERS else ("numpy", "torch")


@cache
def cases(check: str) -> list[tuple[tuple, Any]]:
    """Every probe of an exercise with the reference's answer."""
    reference = getattr(_reference, check)
    return [(args, reference(*args)) for args in _reference.probes(check)]


def observe(item: Any) -> list[str]:
    """One word per probe: ok, or what is wrong."""
    seen = []
    for lib in libs(item):
        for args, want in cases(item.check):
            seen.append(observe_once(item, to_lib(args, lib), want))
            if seen[-1] == "slow":
                return seen
    return seen


def observe_once(item: Any, given: tuple, want: Any) -> str:
    kept = snapshot(given)
    getattr(item.fn, "reset", lambda: None)()
    try:
        with np.errstate(all="ignore"):
            got = snapshot(limited(item.fn, given))
            word = compare(item.check, got, want)
            if getattr(item, "effect", None) == "unrepeatable" and not same(got, item.fn(*kept)):
                return "unrepeatable"
    except TooLong:
        return "slow"
    except Exception:
        return "raises"
    return "mutates" if word == "ok" and not same(given, kept) else word


def same(one: Any, other: Any) -> bool:
    """Whether two results (or two sets of arguments) hold the same numbers."""
    pairs = [(numbers(a), numbers(b)) for a, b in zip(flat(one), flat(other), strict=True)]
    return all(a.shape == b.shape and np.array_equal(a, b) for a, b in pairs if a.dtype != object)


# ------------------------------------------------- what only a probe of its own brings to light


def cuts_gradient(item: Any) -> bool:
    args = to_lib(_reference.probes(item.check)[0], "torch")
    leaves = [a.requires_grad_() for a in args if torch.is_tensor(a) and a.is_floating_point()]
    out = flat(item.fn(*args))[0]
    return bool(leaves) and not (torch.is_tensor(out) and out.requires_grad)


def overflows(item: Any) -> bool:
    args = _reference.probes(item.check)[0]
    large = tuple(a * 300 if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in args)
    with np.errstate(all="ignore"):
        out = flat(item.fn(*to_lib(large, libs(item)[0])))[0]
    return not np.isfinite(numbers(out)).all()


def mishandles_empty_rows(item: Any) -> bool:
    q, k, v, mask = _reference.probes("scaled_dot_product_attention")[1]
    mask = mask.copy()
    mask[1] = False
    with np.errstate(all="ignore"):
        out = numbers(flat(item.fn(*to_lib((q, k, v, mask), libs(item)[0])))[0])
    return bool(np.abs(np.nan_to_num(out[..., 1, :], nan=1.0)).max() > CLOSE)


class _Largest(TorchDispatchMode):
    size = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if torch.is_tensor(out):
            self.size = max(self.size, out.numel())
        return out


def is_quadratic(item: Any) -> bool:
    n, d, w = 512, 4, 3
    rng = np.random.default_rng(0)
    args = to_lib((*(rng.normal(size=(1, 1, n, d)) for _ in range(3)), w), item.lib)
    if item.lib == "torch":
        with _Largest() as largest:
            item.fn(*args)
        return largest.size >= n * n
    tracemalloc.start()
    item.fn(*args)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak >= n * n * math.ceil(np.dtype(float).itemsize / 2)


SPECIAL = {
    "gradient": cuts_gradient,
    "overflow": overflows,
    "empty_rows": mishandles_empty_rows,
    "quadratic": is_quadratic,
}
