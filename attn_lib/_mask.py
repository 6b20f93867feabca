"""The class behind `attn_lib.masks`: a rule that composes, moves and turns into a tensor."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

_DRAWN = 8  # squares drawn by str(mask) where the mask itself fixes no length
_CACHE_BYTES = 64 * 2**20  # dense masks kept, so that one written inside a loop is built once
_cache: OrderedDict[Any, tuple[Mask, Tensor]] = OrderedDict()


class Mask:
    """A rule `(b, h, q_idx, kv_idx) -> bool tensor`: True where the query may attend to the key.

    Build one with the factories of this module. `positional` is True where the rule needs the
    position of a query: such a mask asks for n == m or an explicit `shift`. `fixes` holds the
    sizes that the mask's own data demands, for instance {"batch": 2, "m": 7}.
    """

    def __init__(
        self,
        rule: Callable[..., Any],
        *args: Any,
        name: str,
        positional: bool = True,
        fixes: dict[str, int] | None = None,
    ) -> None:
        self._rule, self._args, self._name = rule, args, name
        self.positional, self.fixes = positional, fixes or {}

    def __call__(self, b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        return self._rule(b, h, q_idx, kv_idx, *self._args)

    def __and__(self, other: Mask) -> Mask:
        return _join(_both, "&", self, other)

    def __or__(self, other: Mask) -> Mask:
        return _join(_either, "|", self, other)

    def __rand__(
        self, other: Any
    ) -> Mask:  # a tensor on the left: the same message as on the right
        return _join(_both, "&", self, other)

    def __ror__(self, other: Any) -> Mask:
        return _join(_either, "|", self, other)

    def __invert__(self) -> Mask:
        name = f"~{_bracket(self)}"
        return Mask(_not, self, name=name, positional=self.positional, fixes=self.fixes)

    def __bool__(self) -> bool:
        raise TypeError(
            "a Mask has no truth value: combine masks with &, | and ~ instead of and, or and not; "
            "ask mask.dense(n).any() about its entries"
        )

    def __repr__(self) -> str:
        return self._name

    def __str__(self) -> str:
        m = self.fixes.get("m", _DRAWN)
        batch, heads = self.fixes.get("batch", 1), self.fixes.get("heads", 1)
        n = min([m, *(known - offset for known, offset in self._known(0))])
        table = self.dense(n, m, batch=batch, heads=heads)[0, 0].tolist() if n > 0 else []
        first = " (example 0, head 0)" if batch * heads > 1 else ""
        rows = [" ".join("■" if seen else "□" for seen in row) for row in table]
        return "\n".join([f"{self!r}{first}: queries ↓ keys →", *rows])

    def shift(self, q_offset: int) -> Mask:
        """The same mask for queries whose first stands at position `q_offset`.

        With c keys in a cache the new queries stand at c, c + 1, …: `causal.shift(c)`. Where n
        queries are the last of m keys it is `causal.shift(m - n)`; `shift(0)` says they are the
        first. Two shifts add up.
        """
        mask, offset = self._args if self._rule is _moved else (self, 0)
        offset += whole("q_offset", q_offset, least=None)
        fixes = {size: value for size, value in self.fixes.items() if size != "n"}
        name = f"{_bracket(mask)}.shift({offset})"
        return Mask(_moved, mask, offset, name=name, positional=False, fixes=fixes)

    def dense(
        self,
        n: int,
        m: int | None = None,
        *,
        batch: int = 1,
        heads: int = 1,
        q_offset: int | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """The mask as a bool tensor that broadcasts to (batch, heads, n, m); m defaults to n.

        Its first two sizes are 1 where the mask is the same for every example or head. Equal calls
        share one tensor: clone it before you write into it. Raises ValueError where the sizes do
        not fit, or where n != m and nobody said at which positions the queries stand (`shift`).
        """
        n = whole("n", n, least=0)
        m = n if m is None else whole("m", m, least=0)
        mask = self if q_offset is None else self.shift(q_offset)
        mask.check(n, m, batch=batch, heads=heads)
        target = torch.get_default_device() if device is None else torch.device(device)
        if torch.compiler.is_compiling():
            return mask._table(n, m, target)
        key = (mask.key(), n, m, target)
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key][1]
        # a table first made under inference_mode must still serve a training step later
        with torch.inference_mode(False):
            table = mask._table(n, m, target)
        _cache[key] = (mask, table)  # the mask is kept too: its tensors' ids are part of the key
        while sum(kept.nbytes for _, kept in _cache.values()) > _CACHE_BYTES:
            _cache.popitem(last=False)
        return table

    def check(self, n: int, m: int, *, batch: int = 1, heads: int = 1) -> None:
        """Raise ValueError, with the remedy, unless the mask fits n queries and m keys."""
        sizes = {"batch": batch, "heads": heads, "n": n, "m": m}
        for size, wanted in self.fixes.items():
            if sizes[size] != wanted:
                raise ValueError(
                    f"mask {self!r} was built for {size} = {wanted}, got {size} = {sizes[size]}: "
                    "build it from data of the same sizes as the scores"
                )
        if self.positional and n != m:
            raise ValueError(
                f"mask {self!r} needs the positions of the queries, and {n} queries over {m} keys "
                f"can be aligned in two ways: mask.shift({m - n}) if the queries are the last of "
                "the keys (decoding with a cache), mask.shift(0) if they are the first"
            )
        for known, offset in self._known(0):
            if not 0 <= offset <= known - n:
                raise ValueError(
                    f"mask {self!r} knows positions 0 to {known - 1}, got queries from {offset} to "
                    f"{offset + n - 1}: choose a shift that keeps them inside"
                )
        for part in self._args:
            if isinstance(part, Mask) and self._rule is not _moved:
                part.check(n, m, batch=batch, heads=part.fixes.get("heads", heads))

    def _known(self, offset: int) -> Iterator[tuple[int, int]]:
        """How many positions each part knows, and at which of them the queries begin."""
        parts = [part for part in self._args if isinstance(part, Mask)]
        if not parts and "n" in self.fixes:
            yield self.fixes["n"], offset
        for part in parts:
            yield from part._known(offset + (self._args[1] if self._rule is _moved else 0))

    def key(self) -> tuple[Any, ...]:
        """Equal for masks that were written alike; tensors count by identity."""
        parts = (part.key() if isinstance(part, Mask) else part for part in self._args)
        return (self._rule, *(id(part) if isinstance(part, Tensor) else part for part in parts))

    def _table(self, n: int, m: int, device: torch.device) -> Tensor:
        batch, heads = self.fixes.get("batch", 1), self.fixes.get("heads", 1)
        b = torch.arange(batch, device=device)[:, None, None, None]
        h = torch.arange(heads, device=device)[:, None, None]
        q_idx = torch.arange(n, device=device)[:, None]
        kv_idx = torch.arange(m, device=device)
        seen: Tensor = self(b, h, q_idx, kv_idx)
        return seen.expand(batch, heads, n, m).contiguous()


def _both(b: Any, h: Any, q_idx: Any, kv_idx: Any, left: Mask, right: Mask) -> Any:
    return left(b, h, q_idx, kv_idx) & right(b, h, q_idx, kv_idx)


def _either(b: Any, h: Any, q_idx: Any, kv_idx: Any, left: Mask, right: Mask) -> Any:
    return left(b, h, q_idx, kv_idx) | right(b, h, q_idx, kv_idx)


def _not(b: Any, h: Any, q_idx: Any, kv_idx: Any, mask: Mask) -> Any:
    return ~mask(b, h, q_idx, kv_idx)


def _moved(b: Any, h: Any, q_idx: Any, kv_idx: Any, mask: Mask, q_offset: int) -> Any:
    return mask(b, h, q_idx + q_offset, kv_idx)


def _join(rule: Callable[..., Any], sign: str, left: Mask, right: Any) -> Mask:
    require_mask(right)
    name = f"{_bracket(left, sign)} {sign} {_bracket(right, sign)}"
    positional = left.positional or right.positional
    sizes = merge_sizes(left.fixes, right.fixes)
    return Mask(rule, left, right, name=name, positional=positional, fixes=sizes)


def _bracket(mask: Mask, sign: str = "") -> str:
    kind = {_both: "&", _either: "|"}.get(mask._rule)
    if kind is None or kind == sign:
        return f"({mask!r})" if mask._rule is _not and not sign else repr(mask)
    return f"({mask!r})"


def merge_sizes(*sizes: dict[str, int]) -> dict[str, int]:
    merged: dict[str, int] = {}
    for fixes in sizes:
        for size, value in fixes.items():
            if merged.setdefault(size, value) != value:
                raise ValueError(
                    f"masks of different sizes cannot be combined: one was built for {size} = "
                    f"{merged[size]}, the other for {size} = {value}"
                )
    return merged


def require_mask(mask: Any) -> None:
    if not isinstance(mask, Mask):
        raise TypeError(
            f"expected a Mask, got {type(mask).__name__}: factories take their arguments first, as "
            "in window(4); a bool tensor joins a dense mask, mask.dense(n) & tensor"
        )


def whole(name: str, value: Any, least: int | None = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: expected a whole number, got {value!r}")
    if least is not None and value < least:
        raise ValueError(f"{name}: expected at least {least}, got {value}")
    return value


def shape_of(data: Tensor) -> str:
    return "x".join(map(str, data.shape))
