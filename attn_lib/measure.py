"""What a computation costs: its time, and how that grows with the size of the input."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch


def milliseconds(function: Callable[..., Any], *args: Any, repeats: int = 5) -> float:
    """CPU time of function(*args) on one thread, in ms: the shortest of `repeats` runs after one.

    One thread's own time counts the work, not how many cores are free while it is done.
    Raises ValueError if repeats < 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats: expected at least 1, got {repeats}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        function(*args)
        times = []
        for _ in range(repeats):
            start = time.process_time_ns()
            function(*args)
            times.append((time.process_time_ns() - start) / 1e6)
        return min(times)
    finally:
        torch.set_num_threads(threads)


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The slope of log(cost) against log(size): 1 where cost is linear, 2 where it is quadratic.

    Raises ValueError unless there are at least two sizes and all numbers are positive.
    """
    x, y = np.asarray(sizes, dtype=float), np.asarray(costs, dtype=float)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2:
        raise ValueError(f"expected as many costs as sizes, two or more, got {x.shape}, {y.shape}")
    if (x <= 0).any() or (y <= 0).any():
        raise ValueError("expected positive sizes and costs: a logarithm is taken of each")
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
