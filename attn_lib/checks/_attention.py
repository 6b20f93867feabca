"""Scaled dot-product attention with switches: the reference that many exercises share.

`attend` without switches is right. Its mistakes stand in `_attention_mistakes.py`; an exercise
whose reference passes `**switches` on to `attend` can use them as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ._localise import Seen
from ._probes import numbers, pattern
from ._trial import Caller

INF = float("inf")


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, scale: str = "sqrt_d",
    product: str = "q@kT", axis: int = -1, weights: str = "softmax", values: str = "v",
    mask_view: str = "as_is", mask_mode: str = "before", fill: float = -INF,
    keys: str = "all", causal: bool = False, divisor: float | None = None,
) -> Tensor:  # fmt: skip
    """softmax(q kᵀ / √d) v over allowed keys; q (..., n, d), k (..., m, d), v (..., m, dv)."""
    d = q.shape[-1]
    by = divisor or {
        "sqrt_d": d**0.5, "none": 1.0, "d": float(d), "times": d**-0.5, "after": 1.0,
        "sqrt_queries": q.shape[-2] ** 0.5, "sqrt_keys": k.shape[-2] ** 0.5,
        "sqrt_values": v.shape[-1] ** 0.5, "eight": 8.0, "floor": d**0.5,
    }[scale]  # fmt: skip
    if keys == "but_last":
        k, v = k[..., :-1, :], v[..., :-1, :]
        mask = None if mask is None else mask[..., :-1]
    if product == "q@k":
        s = q @ k
    elif product == "k@qT":
        s = k @ q.mT
    elif product == "reshape":
        s = q @ k.reshape(*k.shape[:-2], d, k.shape[-2])
    elif product == "cosine":
        s = torch.nn.functional.normalize(q, dim=-1) @ torch.nn.functional.normalize(k, dim=-1).mT
    elif product == "T" and q.ndim != 2:
        raise ValueError("works on one sequence only")
    else:
        s = q @ k.mT
    s = (s / by).floor() if scale == "floor" else s / by
    if causal:
        s = s.masked_fill(~torch.ones(s.shape[-2:], dtype=torch.bool).tril(), -INF)
    if mask is not None:
        mask = {"as_is": lambda m: m, "inverted": lambda m: ~m, "transposed": lambda m: m.mT}[
            mask_view
        ](mask)
        s = _masked(s, mask, mask_mode, fill)
    if axis == 1 and s.ndim != 4:
        raise ValueError("axis 1 is the heads only where there are heads")
    w = _weights(s, axis, weights)
    if mask is not None and mask_mode == "after":
        w = w * mask
    if mask is not None and mask_mode == "filled_after":
        w = w.masked_fill(~mask, fill)
    if scale == "after":
        w = w / d**0.5
    if values == "none":
        return w
    if values == "mean":
        return w @ v / k.shape[-2]
    if values == "plus_q":
        return w @ v + q
    if values == "plus_q_where_it_fits":
        return w @ v + q if q.shape[-1] == v.shape[-1] else w @ v
    if values == "last":
        return w[..., -1:] @ v[..., -1:, :]
    if values == "wT":
        return w.mT @ v
    return w @ {"v": v, "k": k, "q": q}[values]


def _masked(s: Tensor, mask: Tensor, mode: str, fill: float) -> Tensor:
    return {
        "before": lambda: s.masked_fill(~mask, fill),
        "zero": lambda: s.masked_fill(~mask, 0.0),
        "minus_one": lambda: s.masked_fill(~mask, -1.0),
        "added": lambda: s + mask,
        "zero_times_inf": lambda: s + (~mask).to(s.dtype) * -INF,
        "ignored": lambda: s,
        "after": lambda: s,
        "filled_after": lambda: s,
    }[mode]()


def _weights(s: Tensor, axis: int, how: str) -> Tensor:
    forms: dict[str, Callable[[], Tensor]] = {
        "softmax": lambda: s.softmax(axis),
        "none": lambda: s,
        "exp_only": s.exp,
        "no_exp": lambda: s / s.sum(axis, keepdim=True),
        "sigmoid": s.sigmoid,
        "twice": lambda: s.softmax(axis).softmax(axis),
        "log": lambda: s.log_softmax(axis),
        "all": lambda: s.exp() / s.exp().sum((-2, -1), keepdim=True),
        "everything": lambda: s.exp() / s.exp().sum(),
        "relu": lambda: s.relu() / s.relu().sum(-1, keepdim=True).clamp_min(1e-9),
        "hardmax": lambda: torch.nn.functional.one_hot(s.argmax(-1), s.shape[-1]).to(s.dtype),
    }
    return forms[how]()


def attention_localise(seen: Seen) -> str | None:
    """What the weights tell: the row sums, the column sums and the effective scale."""
    weights = seen.got("with v = identity")
    if weights is None or weights.shape != seen.want("with v = identity").shape:
        return None
    q, k = seen.args("with v = identity")[:2]
    rows = weights.sum(-1)
    if abs(rows - 1).max() > 1e-3:
        low, high = rows.min(), rows.max()
        if high - low < 1e-3:
            return f"your weights sum to {low:.3g} in each row; 1 is expected."
        return f"your weights sum to between {low:.3g} and {high:.3g} in a row; 1 is expected."
    if weights.min() <= 0:
        return None
    logs = torch.from_numpy(weights).log()
    logs, dots = logs - logs.mean(-1, keepdim=True), q @ k.mT
    dots = dots - dots.mean(-1, keepdim=True)
    scale = float((logs * dots).sum() / (dots * dots).sum())
    if scale > 0 and float((logs - scale * dots).abs().max()) < 1e-3:
        root = q.shape[-1] ** 0.5
        if abs(scale * root - 1) > 1e-3:
            return f"your scores are divided by {1 / scale:.4g}; √d is {root:.4g} here."
    return None


def _large(call: Caller) -> str | None:
    q, k, v = numbers(3, 2, 3, 6) * 300, numbers(4, 2, 5, 6) * 300, numbers(5, 2, 5, 7)
    if not bool(torch.from_numpy(call.numbers(q, k, v)).isfinite().all()):
        return "With q and k 300 times larger it gives NaN: subtract each row's largest score."
    return None


def _empty_row(call: Caller) -> str | None:
    mask = pattern("##..#", ".....", "#.##.")
    found = call.numbers(numbers(3, 2, 3, 6), numbers(4, 2, 5, 6), numbers(5, 2, 5, 7), mask)
    row = torch.from_numpy(found)[:, 1]
    if not bool(row.isfinite().all()):
        return "A row that may see nothing gives NaN; the library gives zeros there."
    if float(row.abs().max()) > 1e-6:
        return "A row that may see nothing gives an average of v; the library gives zeros there."
    return None


def _heads(call: Caller) -> str | None:
    q, k, v = numbers(3, 2, 3, 4, 6), numbers(4, 2, 3, 5, 6), numbers(5, 2, 3, 5, 7)
    try:
        found = torch.from_numpy(call.numbers(q, k, v))
    except Exception:
        found = torch.zeros(0)
    want: Any = attend(q, k, v)
    if found.shape != want.shape or not torch.allclose(found.double(), want, atol=1e-4):
        return "Right on (b, n, d); with a head axis (b, h, n, d), as in lesson 03, it is not."
    return None


attention_notes = (_large, _empty_row, _heads)
