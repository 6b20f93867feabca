"""Keys and values of the tokens read so far, so that decoding computes each of them once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._mask import Mask, _both, whole
from .masks import _window as _window_rule
from .masks import causal
from .masks import window as _window

_CAUSAL = causal.key()
_ROOM = 64  # tokens at first; room doubles from there, so that n appends copy O(n) and not O(n²)


class KVCache:
    """The keys and values of one attention layer, in the order of their positions.

    `append` takes those of the new tokens, in chunks of any size, and returns all that the new
    queries may need. With `window=w` each query sees the w newest keys, itself included, and only
    the last w - 1 keys are kept; positions stay the true ones: `length` is the position of the
    next token, `start` that of the oldest key kept. However the tokens are cut into chunks, the
    results are those of one call without a cache.

    One cache serves one layer and one batch. Beam search picks rows with `reorder`; `crop` takes
    back the newest tokens; `reset` empties it. With autograd on, gradients flow through every
    chunk; under `torch.no_grad` the tokens are written into room made ahead. It runs on any device
    and under autocast; under `torch.compile` every new length is a graph of its own.

    Raises ValueError if window < 1, or where new keys do not fit those held.
    Source: Pope et al. 2022, arXiv:2211.05102; with a window, Jiang et al. 2023, arXiv:2310.06825.
    """

    def __init__(self, window: int | None = None) -> None:
        self.window = None if window is None else whole("window", window)
        self.reset()

    def __repr__(self) -> str:
        return f"KVCache(window={self.window}), length {self.length}, start {self.start}"

    def reset(self) -> None:
        """Forget everything: the next token stands at position 0."""
        self.length = 0
        self._first = self._end = 0  # the columns of the two buffers that are held
        self._k: Tensor | None = None
        self._v: Tensor | None = None

    @property
    def start(self) -> int:
        """Position of the oldest key held."""
        return self.length - (self._end - self._first)

    @property
    def keys(self) -> Tensor | None:
        """The keys held, (b, h_kv, length - start, d), or None before the first token."""
        return None if self._k is None else self._k[:, :, self._first : self._end]

    @property
    def values(self) -> Tensor | None:
        """The values held, (b, h_kv, length - start, d_v), or None before the first token."""
        return None if self._v is None else self._v[:, :, self._first : self._end]

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add the keys (b, h_kv, n, d) and values (b, h_kv, n, d_v) of the next n tokens.

        Returns the keys and values that these n queries may need, oldest first and themselves
        included: all so far, or with a window the n new ones and the w - 1 before them.
        """
        self._check(k, v)
        n, held = k.shape[2], self._end - self._first
        if torch.is_grad_enabled():  # autograd keeps what it saved: nothing is overwritten
            self._k, self._v = _joined(self.keys, k), _joined(self.values, v)
            self._first, self._end = 0, held + n
        else:
            if self._k is None or self._v is None or self._end + n > self._k.shape[2]:
                room = max(_ROOM, 2 * (held + n))
                self._k, self._v = _copied(self.keys, k, room), _copied(self.values, v, room)
                self._first, self._end = 0, held
            self._k[:, :, self._end : self._end + n] = k
            self._v[:, :, self._end : self._end + n] = v
            self._end += n
        self.length += n
        keys = self._k[:, :, self._first : self._end]
        values = self._v[:, :, self._first : self._end]
        self._forget()
        return keys, values

    def align(self, mask: Mask | Tensor | None, n: int, m: int) -> Mask | Tensor | None:
        """The mask for the n newest queries over the m keys that `append` returned for them.

        mask: a `Mask` written as if there were no cache, or a bool tensor (..., n, length) over all
        keys so far. One that was shifted already keeps its own shift. The window is joined to it.
        Raises ValueError where it was built for another number of keys.
        """
        near = None if self.window is None else _window(self.window)
        if isinstance(mask, Tensor):
            return self._align_tensor(mask, near, n, m)
        masks = [part for part in (mask, near) if part is not None]
        if not masks or (n == 1 and all(_sees_all(part, m) for part in masks)):
            return None
        placed = self._place(masks[0], n, m)
        for part in masks[1:]:
            placed = placed & self._place(part, n, m)
        return placed

    def reorder(self, rows: Tensor) -> None:
        """Keep the batch rows `rows`, (b',) whole numbers, in this order; rows may repeat."""
        if rows.ndim != 1 or rows.is_floating_point() or rows.dtype == torch.bool:
            raise ValueError(
                f"rows: expected whole numbers of shape (b,), got {tuple(rows.shape)}, "
                f"{rows.dtype}; use mask.nonzero()[:, 0] to pick rows by a bool tensor"
            )
        if self._k is not None and self._v is not None:
            self._k, self._v = self._k.index_select(0, rows), self._v.index_select(0, rows)

    def crop(self, length: int) -> None:
        """Take back the newest tokens until `length` are left.

        Raises ValueError for more tokens than were read, or where a window has already dropped
        keys that the next query would need.
        """
        length = whole("length", length, 0)
        if length > self.length:
            raise ValueError(
                f"length: expected at most the {self.length} tokens read, got {length}"
            )
        needed = 0 if self.window is None else max(0, length - (self.window - 1))
        if length and self.start > needed:
            raise ValueError(
                f"length: the next query after {length} tokens needs keys from position {needed}, "
                f"and the window of {self.window} keeps them from {self.start}: reset() and read "
                "the tokens again"
            )
        self._end = max(self._first, self._end - (self.length - length))
        self.length = length

    def _place(self, mask: Mask, n: int, m: int) -> Mask:
        query = self.length - n if mask.positional else 0  # position of the first query
        key = self.length - m
        if key == 0:
            return mask.shift(query) if query else mask
        if mask.fixes.get("m", self.length) != self.length:
            raise ValueError(
                f"mask {mask!r} was built for {mask.fixes['m']} keys, got {self.length} tokens so "
                "far: build it over all tokens read, those that the window dropped too"
            )
        fixes = {size: fixed for size, fixed in mask.fixes.items() if size in ("batch", "heads")}
        name = f"({mask!r} for queries from {query} and keys from {key})"
        return _Placed(_placed, mask, query, key, name=name, positional=False, fixes=fixes)

    def _align_tensor(self, mask: Tensor, near: Mask | None, n: int, m: int) -> Tensor:
        if mask.ndim < 2 or mask.shape[-1] not in (1, self.length):
            raise ValueError(
                f"mask: expected (..., {n}, {self.length}), a column for each token read so far, "
                f"got {tuple(mask.shape)}; a Mask such as causal needs no care with a cache"
            )
        mask = mask[..., -m:]
        if near is None or mask.dtype != torch.bool:  # other types are refused by the attention
            return mask
        return mask & self._place(near, n, m).dense(n, m, device=mask.device)[0, 0]

    def _forget(self) -> None:
        if self.window is None or self._k is None or self._v is None:
            return
        self._first = max(self._first, self._end - (self.window - 1))
        if self._k.shape[2] > 4 * (self.window + _ROOM):  # a long prompt shall not stay in memory
            self._k = _copied(self.keys, self._k, self._end - self._first)
            self._v = _copied(self.values, self._v, self._end - self._first)
            self._first, self._end = 0, self._end - self._first

    def _check(self, k: Tensor, v: Tensor) -> None:
        if k.ndim != 4 or v.ndim != 4 or k.shape[:3] != v.shape[:3]:
            raise ValueError(
                "k, v: expected (b, h_kv, n, d) and (b, h_kv, n, d_v) of the same n tokens, got "
                f"{tuple(k.shape)} and {tuple(v.shape)}; split the heads first"
            )
        for name, new, old in (("k", k, self._k), ("v", v, self._v)):
            if old is None:
                continue
            if new.shape[:2] != old.shape[:2] or new.shape[3] != old.shape[3]:
                b, h, _, d = old.shape
                raise ValueError(
                    f"{name}: expected ({b}, {h}, n, {d}) like the tokens already held, got "
                    f"{tuple(new.shape)}; one cache serves one layer and one batch: reset() it "
                    "before the next batch"
                )
            if new.dtype != old.dtype or new.device != old.device:
                raise ValueError(
                    f"{name}: expected {old.dtype} on {old.device} like the tokens already held, "
                    f"got {new.dtype} on {new.device}; reset() the cache, or stay in one autocast"
                )


def conjuncts(mask: Mask) -> list[Mask]:
    """The masks that `&` joined: [causal, window(4)] for causal & window(4)."""
    if mask._rule is _both:
        left, right = mask._args
        return [*conjuncts(left), *conjuncts(right)]
    return [mask]


def _sees_all(mask: Mask, m: int) -> bool:
    # the newest of m tokens, alone: nothing is ahead of it and nothing further back than m - 1
    return all(
        part.key() == _CAUSAL or (part._rule is _window_rule and part._args[0] >= m)
        for part in conjuncts(mask)
    )


class _Placed(Mask):
    """A mask whose queries and keys both start somewhere else than at position 0."""

    def check(self, n: int, m: int, *, batch: int = 1, heads: int = 1) -> None:
        """Its positions are known, so n and m may differ; sizes are for the joined mask to check.

        Keys are missing in front only behind a window, so that such a mask never stands alone.
        """


def _placed(b: Any, h: Any, q_idx: Any, kv_idx: Any, mask: Mask, query: int, key: int) -> Any:
    return mask(b, h, q_idx + query, kv_idx + key)


def _joined(old: Tensor | None, new: Tensor) -> Tensor:
    return new if old is None else torch.cat([old, new], dim=2)


def _copied(old: Tensor | None, like: Tensor, room: int) -> Tensor:
    b, h, _, d = like.shape
    with torch.inference_mode(False):  # a cache filled there may go on elsewhere
        buffer = like.new_empty(b, h, room, d)
    if old is not None:
        buffer[:, :, : old.shape[2]] = old
    return buffer
