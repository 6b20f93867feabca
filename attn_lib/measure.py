"""What a computation costs and how that grows with its size; what a language model is worth."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


@torch.no_grad()
def bits_per_token(
    model: nn.Module, ids: Tensor, *, length: int, overlap: int = 0, batch: int = 32
) -> float:
    """Mean of -log2 of the probability that `model` gives each of ids[1:], tokens (n,).

    The text is read in windows of `length` tokens that overlap by `overlap`, so that a token is
    predicted from at least that many before it, but for the beginning of the text; each token is
    counted once. A model maps tokens (b, length) to logits (b, length, vocab). Dropout is off, and
    the model's mode is as before.

    Raises ValueError unless 0 <= overlap < length and ids holds at least two tokens.
    """
    if ids.ndim != 1 or len(ids) < 2 or not 0 <= overlap < length:
        raise ValueError(
            "ids, overlap: expected shape (n,) with n >= 2 and 0 <= overlap < length, got "
            f"{tuple(ids.shape)}, overlap {overlap}, length {length}"
        )
    inputs, targets, step = ids[:-1], ids[1:], length - overlap
    starts = list(range(0, max(1, len(inputs) - overlap), step))
    total, training = 0.0, model.training
    model.eval()
    try:
        for first in range(0, len(starts), batch):
            rows = [s for s in starts[first : first + batch] if s + length <= len(inputs)]
            tail = [[s] for s in starts[first : first + batch] if s + length > len(inputs)]
            for group in filter(None, [rows, *tail]):  # a last window that is shorter goes alone
                logits = model(torch.stack([inputs[s : s + length] for s in group]))
                wanted = torch.stack([targets[s : s + length] for s in group])
                nats = F.cross_entropy(logits.float().mT, wanted, reduction="none")
                total += sum(
                    float(row[overlap if s else 0 :].double().sum())
                    for s, row in zip(group, nats, strict=True)
                )
    finally:
        model.train(training)
    return total / len(targets) / math.log(2)
