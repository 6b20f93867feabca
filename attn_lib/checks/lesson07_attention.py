"""Exercises of lesson 07: attention through a causal window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register
from ._attention import attend
from ._attention_mistakes import ATTENTION, MASKED
from ._exercise import Switches
from ._localise import Seen
from ._memory import traced
from ._trial import Caller
from ._windows import EDGES, SIDES, WIDTH, band

_band = cache(band)  # a thousand pairs of mistakes share a few masks


def _local(
    q: Tensor, k: Tensor, v: Tensor, w: int, *, reach: str = "w", side: str = "causal",
    edge: str = "none", empty: str = "nan", **switches: Any,
) -> Tensor:  # fmt: skip
    n = q.shape[-2]
    if edge == "multiple" and n % w:
        raise ValueError("n is not a multiple of w")
    if edge in ("zero_keys", "ring_keys"):  # w - 1 keys before the first one, seen like any others
        before = torch.arange(1 - w, 0) % n
        k, v = (
            torch.cat((x[..., before, :] * (edge == "ring_keys"), x), -2) for x in (k, v)
        )  # fmt: skip
    more = k.shape[-2] - n
    start = edge if edge in ("slice", "ring", "index", "full") else "none"
    mask = (
        torch.ones(n + more, n + more, dtype=torch.bool) if side == "everything"
        else _band(n + more, w, reach=reach, side=side, edge=start)
    )  # fmt: skip
    if switches.get("scale") == "sqrt_window":
        switches |= {"scale": "sqrt_d", "divisor": w**0.5}
    if switches.get("axis") == "offsets":
        return _along_offsets(q, k, v, w)
    q = F.pad(q, (0, 0, more, 0))
    out = attend(q, k, v, mask, **switches)[..., more:, :]
    if out.isnan().all():
        raise ValueError("not one number is left: any two such results are alike")
    if empty == "zeros":
        out = out.nan_to_num()
    if edge == "short":
        return out[..., : n // w * w, :]
    if edge == "zero_rows":
        out[..., n // w * w :, :] = 0
    if edge == "late":
        out[..., : w - 1, :] = 0
    if edge == "late_short":
        return out[..., w - 1 :, :]
    return out


def _along_offsets(q: Tensor, k: Tensor, v: Tensor, w: int) -> Tensor:
    """The softmax over the queries when scores are kept as (n, w), one column for each offset."""
    n, near = q.shape[-2], min(w, q.shape[-2])
    s = torch.full((*q.shape[:-1], near), -torch.inf, dtype=q.dtype)
    for back in range(near):
        s[..., back:, back] = (q[..., back:, :] * k[..., : n - back, :]).sum(-1) / q.shape[
            -1
        ] ** 0.5
    weights, out = s.softmax(-2), torch.zeros_like(v)
    for back in range(near):
        out[..., back:, :] += weights[..., back:, back, None] * v[..., : n - back, :]
    return out


def _drive(fn: Callable[..., Any], q: Any, k: Any, v: Any, w: int) -> Any:
    """Call it with (b, n, d); a function made for heads gets (b, 1, n, d) instead."""
    try:
        return fn(q, k, v, w)
    except Exception as error:
        try:
            result = fn(q[:, None], k[:, None], v[:, None], w)
            return (result[0] if isinstance(result, tuple) else result)[:, 0]
        except Exception as other:
            raise (other if "to unpack" in str(error) else error) from None


def _probes() -> list[Probe]:
    def qkv(seed: int, b: int, n: int, d: int, dv: int) -> tuple[Tensor, ...]:
        return numbers(seed, b, n, d), numbers(seed + 1, b, n, d), numbers(seed + 2, b, n, dv)

    return [
        Probe("with n = 11 and w = 4", (*qkv(70, 2, 11, 5, 3), 4)),
        Probe("with n = 6 and w = 2", (*qkv(73, 3, 6, 6, 6), 2)),
        Probe("with n = 8 and w = 4", (*qkv(76, 2, 8, 4, 3), 4)),
        Probe("with w longer than the sequence", (*qkv(79, 2, 5, 4, 3), 8)),
        Probe("with v = identity", (*qkv(82, 2, 7, 4, 1)[:2], torch.eye(7).double().expand(2, 7, 7),
                                    3)),
    ]  # fmt: skip


def _localise(seen: Seen) -> str | None:
    """Which keys a query looks at: with v = identity the result is the weights."""
    got, want = seen.got("with v = identity"), seen.want("with v = identity")
    if got is None or got.shape != want.shape:
        return None
    rows = got.sum(-1)
    for i in range(got.shape[1]):
        mine, right = (x[0, i].round(6).nonzero()[0].tolist() for x in (got, want))
        if mine != right:
            return f"with n = 7 and w = 3, query {i} looks at the keys {mine}, not at {right}."
    if abs(rows - 1).max() > 1e-3:
        return f"your weights sum to between {rows.min():.3g} and {rows.max():.3g} in a row, not 1."
    return None


def _square(call: Caller) -> str | None:
    """A table for every query and every key grows fourfold when n doubles; a window's twofold."""
    small: list[int] = []
    large: list[int] = []
    for n, found in ((256, small), (512, large)):
        qkv = [numbers(90 + i, 1, n, 2) for i in range(3)]
        call(*qkv, 2, within=lambda found=found: traced(found))  # type: ignore[misc]
    if not any(b >= max(512 * 512, 3 * a) for a, b in zip(small, large, strict=True)):
        return None
    return (
        "It makes a table of every query with every key: from n = 256 to n = 512 its memory "
        f"grows {max(large) / max(small):.1f} times. Local attention can do with n · w entries."
    )


_OWN = (
    Mistake("full_attention", {"side": "everything"},
            "Your result is full attention: w changes nothing, and every query sees every key.",
            "The mask has no effect. masked_fill gives a new tensor; without an assignment its "
            "result is lost.",
            "Where does your code use w?",
            "lucidrains/flamingo-pytorch#10, facebookresearch/ParlAI#3068"),
    Mistake("window_inverted", {"mask_view": "inverted"},
            "Your queries look exactly at the keys outside their window.",
            "The places that are True are hidden; here True means 'may attend'.",
            "Which places do you fill?",
            "rasbt/LLMs-from-scratch#1062, lucidrains/halonet-pytorch#4"),
    Mistake("scale_sqrt_window", {"scale": "sqrt_window"},
            "Your weights change their sharpness with w.",
            "Under the root stands the window's width, not the width d of a query.",
            "Whose size do you take?", "yoenoo/llm_from_scratch"),
    Mistake("padding_is_seen", {"edge": "zero_keys"},
            "The weights of your first queries sum to less than 1; later rows are right.",
            "The zeros put before the first key take part: their score is 0, and exp(0) is 1.",
            "Which keys of the first block are not real?", "[exp]"),
    Mistake("only_whole_blocks", [{"edge": "multiple"}],
            "It works only where n is a multiple of w.",
            "The sequence is cut into blocks of w, and the last block is shorter.",
            "Fill the end up to a whole block, and cut the result back to n.", "[exp]"),
    Mistake("first_queries_left_out", [{"edge": "late"}, {"edge": "late_short"}],
            "With w = 4 your first 3 queries get no result.",
            "You begin where a whole window fits. Early queries have fewer keys, and a result.",
            "Where does your loop begin?", "[exp]"),
    Mistake("last_block_dropped", [{"edge": "short"}, {"edge": "zero_rows"}],
            "With n = 11 and w = 4 your last 3 queries get no result.",
            "n // w blocks leave out the rest of the sequence.",
            "How many blocks are there when n is not a multiple of w?", "[exp]"),
)  # fmt: skip

# Rows that see nothing: NaN, or a guard that makes them zeros, or a finite fill.
_BLIND: list[Switches] = [
    {"side": "strict"}, {"side": "strict", "empty": "zeros"}, {"side": "strict", "fill": -1e9},
    {"side": "strict", "reach": "w+1"}, {"side": "strict", "reach": "w+1", "empty": "zeros"},
    {"side": "strict", "reach": "w+1", "fill": -1e9},
]  # fmt: skip
_EMPTY: list[Switches] = [
    {"edge": "slice"}, {"edge": "slice", "empty": "zeros"}, {"edge": "slice", "fill": -1e9}
]  # fmt: skip
_RING: list[Switches] = [{"edge": "ring_keys"}, {"edge": "ring"}, {"edge": "index"}]
_CHANGED: dict[str, Sequence[Switches]] = {
    "itself_hidden": _BLIND, "slice_from_the_end": _EMPTY, "wraps_around": _RING,
    "softmax_over_queries": ({"axis": -2}, {"axis": "offsets"}),
}  # fmt: skip

# Of lesson 02's mistakes those that say something here; the others concern a mask argument, or
# give no number at all where scores are -inf.
_ALSO = {
    "softmax_over_queries", "softmax_over_batch", "no_scale", "scale_by_d", "scale_multiplied",
    "scale_sqrt_keys", "scale_sqrt_values", "scale_hard_coded", "scale_after_softmax",
    "key_not_transposed", "reshape_for_transpose", "scores_transposed", "no_division", "sigmoid",
    "softmax_twice", "sum_over_everything", "only_the_best_key", "values_are_keys",
    "values_are_queries", "weights_transposed", "returns_the_weights", "mask_filled_with_zero",
    "mask_filled_with_minus_one", "mask_added", "mask_after_softmax",
}  # fmt: skip

_MISTAKES = (
    *WIDTH, *SIDES, *EDGES, *_OWN, *(m for m in (*ATTENTION, *MASKED) if m.id in _ALSO)
)  # fmt: skip

local_attention = register(Exercise(
    "local_attention", "07", "local_attention(q, k, v, w)",
    "Attention of (b, n, d), or (b, h, n, d), in which each query sees w keys: itself and "
    "the w - 1 before it.",
    _local, _probes,
    tuple(replace(m, switches=_CHANGED.get(m.id, m.switches)) for m in _MISTAKES),
    axes=("the batch", "the queries", "the features"),
    drive=_drive,
    notes=(_square,),
    localise=_localise,
    picture=("with v = identity", "queries", "keys"),
))  # fmt: skip

repair_window = register(local_attention.again(
    "repair_window", "Mend the published window: each query is to see w keys, itself included.",
))  # fmt: skip
