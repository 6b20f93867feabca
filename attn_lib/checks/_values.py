"""Arguments in the learner's kind, torch or NumPy; results as NumPy; how far two differ."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ._guard import Stopped

Leaf = Any  # np.ndarray, str or None
Leaves = list[Leaf]

KINDS: tuple[tuple[str, torch.dtype], ...] = (
    ("torch", torch.float32),
    ("numpy", torch.float64),
    ("torch", torch.float64),
)


class Fault(Exception):
    """A result that holds no numbers to compare; `id` is stable, the text is for the learner."""

    def __init__(self, id: str, text: str) -> None:
        super().__init__(text)
        self.id = id


def convert(value: Any, kind: tuple[str, torch.dtype]) -> Any:
    """A fresh copy of a probe's argument as torch tensor or NumPy array, at any depth."""
    if isinstance(value, torch.Tensor):
        copy = value.clone() if not value.is_floating_point() else value.to(kind[1], copy=True)
        return copy.contiguous() if kind[0] == "torch" else copy.contiguous().numpy()
    if isinstance(value, tuple | list):
        return type(value)(convert(item, kind) for item in value)
    return value


def leaves(value: Any) -> Leaves:
    """A reference's result as a flat list; tensors as float64, bool or int64 arrays."""
    if isinstance(value, tuple | list) and not _strings(value):
        return [leaf for item in value for leaf in leaves(item)]
    if isinstance(value, tuple | list):
        return list(value)
    if value is None or isinstance(value, str):
        return [value]
    return [array(value)]


def array(value: Any) -> np.ndarray:
    """Numbers of any kind as a NumPy array: bool stays bool, integers int64, the rest float64."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        if value.is_floating_point():
            value = value.to(torch.float64)
        value = value.numpy()
    elif isinstance(value, tuple | list):
        value = np.stack([array(item) for item in value])
    out = np.asarray(value)
    if out.dtype == bool:
        return out
    if out.dtype.kind in "iu":
        return out.astype(np.int64, copy=False)
    if out.dtype.kind == "f":
        return out.astype(np.float64, copy=False)
    raise TypeError(f"no numbers: {out.dtype}")


def read(result: Any, like: Any) -> tuple[Leaves, tuple[Any, ...]]:
    """The learner's result in the form of the reference's, and what was returned beyond it.

    Raises Fault when there is nothing to compare: None, a generator, text, too few results.
    """
    if result is None:
        raise Fault("returns_none", "Your function returns None. Is the `return` missing?")
    if inspect.isgenerator(result) or inspect.iscoroutine(result) or isinstance(result, map):
        raise Fault(
            "returns_generator",
            f"Your function returns a {type(result).__name__}, not its numbers. "
            "A function with `yield`, or brackets without a list, hands out items one by one.",
        )
    if isinstance(like, tuple | list) and not _strings(like):
        if not isinstance(result, tuple | list) or len(result) < len(like):
            got = f"{len(result)}" if isinstance(result, tuple | list) else named(result)
            raise Fault("too_few_results", f"{len(like)} results are asked for; yours gives {got}.")
        found: Leaves = []
        for one, shape in zip(result, like, strict=False):
            found += read(one, shape)[0] if shape is not None else leaves(one)
        return found, tuple(result[len(like) :])
    if isinstance(like, tuple | list):
        if not isinstance(result, tuple | list) or not all(isinstance(x, str) for x in result):
            odd = [x for x in result if not isinstance(x, str)] if type(result) is list else []
            inside = f" that holds {named(odd[0])}" if odd else ""
            raise Fault(
                "wrong_type", f"A list of strings is asked for; yours is {named(result)}{inside}."
            )
        return list(result), ()
    if isinstance(result, tuple) and result:
        return [_numbers(result[0])], tuple(result[1:])
    if isinstance(result, list) and result and not isinstance(like, str):
        stacked = _stack(result)
        if stacked is None or stacked.shape != np.shape(array(like)):
            first = _stack(result[0])
            if first is not None and first.shape == np.shape(array(like)):
                return [first], tuple(result[1:])
    return [_numbers(result)], ()


def error(got: Leaves, want: Leaves) -> float:
    """Largest difference relative to the largest wanted number; inf where none can be said."""
    if len(got) != len(want):
        return float("inf")
    return max((_error(a, b) for a, b in zip(got, want, strict=True)), default=0.0)


def _error(a: Leaf, b: Leaf) -> float:
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray):
        return 0.0 if type(a) is type(b) and a == b else float("inf")
    if a.shape != b.shape:
        return float("inf")
    if a.size == 0:
        return 0.0
    a, b = a.astype(np.float64), b.astype(np.float64)
    fine = np.isfinite(b)
    if not fine.all() or not np.isfinite(a).all():
        if not np.array_equal(np.where(fine, 0.0, b), np.where(np.isfinite(a), 0.0, a), True):
            return float("inf")
        if not fine.any():
            return 0.0
        a, b = a[fine], b[fine]
    scale = float(np.abs(b).max())
    return float(np.abs(a - b).max()) / (scale if scale > 0 else 1.0)


def shapes(names: Sequence[str], args: Sequence[Any]) -> str:
    """ "q (2, 3, 6), k (2, 5, 6), heads=4": how a call is described to the learner."""
    parts = []
    for name, arg in zip(names, args, strict=False):
        shape = getattr(arg, "shape", None)
        parts.append(f"{name}={arg!r}" if shape is None else f"{name} {tuple(shape)}")
    return ", ".join(parts)


def _strings(value: Sequence[Any]) -> bool:
    return bool(value) and all(isinstance(item, str) for item in value)


def _stack(value: Any) -> np.ndarray | None:
    try:
        return array(value)
    except Stopped:
        raise
    except BaseException:  # whatever an object does when it is asked for its numbers
        return None


def _numbers(value: Any) -> np.ndarray:
    found = _stack(value)
    if found is None:
        raise Fault("wrong_type", f"Numbers are asked for; your function returns {named(value)}.")
    return found


def named(value: Any) -> str:
    """ "a list", "an ndarray": the kind of a value in a sentence."""
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
