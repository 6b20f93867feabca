"""Sliding-window attention in O(n * w): the same sum as a masked `attention`, never n x n scores.

Queries go in chunks. A chunk reaches one stretch of keys, and away from the two ends the mask of
every chunk is the same small table: those chunks go to the fused kernel many in one call, on a view
of the keys that overlaps itself. The chunks at the ends go one by one.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ._inputs import check_keep, check_qkv, fold
from ._mask import Mask, whole
from .masks import causal as causal_mask
from .masks import global_tokens
from .masks import window as window_mask

_CHUNK = (64, 512)  # queries that go together: a quarter of the window, within these limits
_GROUP = 2**14  # queries of all heads in one call: what it needs of memory is used again


def local_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    window: int,
    causal: bool = True,
    n_global: int = 0,
    keep: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """Each query sees the `window` nearest keys, itself included, and the first `n_global` tokens.

    Equal to `attention` under the mask (causal &) (window(w) | global_tokens(n_global)) &
    padding(keep), in value and gradient: 0 <= i - j < w with `causal`, |i - j| < w without. The
    global tokens are seen by every query that may look back at them and, without `causal`, see
    every key themselves. A query that may see no key gives zeros.

    q (..., n, d); k (..., n, d); v (..., n, d_v) -> out (..., n, d_v). With 4-D q (b, h, n, d),
    k and v may have fewer heads (see `attention`). keep: bool, (b, n), False where a token is
    padding; b is the first of one or two leading sizes, else 1.  scale: 1/sqrt(d) by default.

    Time and memory grow with n * w, with and without gradients; no tensor has n * n entries.
    Half types are summed in float32. CPU: tested, one or two fused calls. CUDA and MPS: the same
    public kernel, not tested here. Raises TypeError or ValueError that names the argument.
    Source: Beltagy et al. 2020, arXiv:2004.05150 (windows, global tokens).
    """
    w, g = whole("window", window), whole("n_global", n_global, least=0)
    check_qkv(q, k, v, scale)
    n = q.shape[-2]
    if k.shape[-2] != n:
        raise ValueError(
            f"k: expected one key for each of the {n} queries, since a window compares positions, "
            f"got {k.shape[-2]}; with a cache use attention(mask=(causal & window({w})).shift(c))"
        )
    check_keep(keep, q)
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    rule = window_mask(w) | global_tokens(g)
    band = _Band(
        rule=causal_mask & rule if causal else rule,
        causal=causal,
        left=min(w, n) - 1,
        right=0 if causal else min(w, n) - 1,
        g=min(g, n),
        chunk=min(max(w // 4, _CHUNK[0]), _CHUNK[1]),
        scale=scale,
    )
    shape = (*q.shape[:-1], v.shape[-1])
    q, k, v = fold(q, k, v)
    if n == 0 or (keep is None and (w >= n or g >= n)):  # nothing is out of reach
        out = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale)
    elif keep is None:
        out = _banded(q, k, v, None, band)
    else:  # one example at a time: their masks differ, and the kernel shares one mask over heads
        examples = zip(*(torch.split(t, 1) for t in (q, k, v, keep)), strict=True)
        out = torch.cat([_banded(q1, k1, v1, keep1, band) for q1, k1, v1, keep1 in examples])
    return out.reshape(shape)


class _Band(NamedTuple):
    """Query i reaches the first g keys and keys i - left to i + right, as far as `rule` allows."""

    rule: Mask
    causal: bool
    left: int
    right: int
    g: int
    chunk: int
    scale: float

    @property
    def size(self) -> int:
        """Near keys that a whole chunk of queries reaches."""
        return self.chunk + self.left + self.right

    def near(self, queries: range, n: int) -> range:
        """The keys behind the global ones, up to n, that `queries` reach together."""
        low = min(max(self.g, queries.start - self.left), n)
        return range(low, max(low, min(n, queries.stop + self.right)))

    def mask(self, queries: range, keys: range, keep: Tensor | None, like: Tensor) -> Tensor:
        """The rule for `queries` over the global keys and then `keys`: (1, 1, queries, keys)."""
        q_idx, kv_idx, glob = (
            torch.arange(r.start, r.stop, device=like.device)
            for r in (queries, keys, range(self.g))
        )
        kv_idx = torch.cat([glob, kv_idx])
        seen: Tensor = self.rule(0, 0, q_idx[:, None], kv_idx)
        return seen[None, None] if keep is None else (seen & keep[:, None, kv_idx])[None]


def _banded(q: Tensor, k: Tensor, v: Tensor, keep: Tensor | None, band: _Band) -> Tensor:
    """q, k, v (b, h, n, d); keep (1, n) -> (b, h, n, d_v), in the order of the queries."""
    (b, h, n, _), g, c = q.shape, band.g, band.chunk
    stop = n - band.right  # queries from `start` to here reach neither end nor the global keys
    start = stop - max(stop - g - band.left, 0) // c * c
    if start >= stop:
        start = stop = n
    first = 0 if band.causal else g
    step = max(1, _GROUP // (b * h * c)) * c
    cuts = [*range(first, start, c), *range(start, stop, step), *range(stop, n, c), n]
    parts = [range(*ends) for ends in pairwise(cuts)]
    near = [band.near(queries, n) for queries in parts]
    top, *q_parts = torch.split(q, [first, *map(len, parts)], dim=2)
    (k_glob, *k_parts), (v_glob, *v_parts) = (_slices(t, [range(g), *near]) for t in (k, v))

    out = []
    if first:  # without `causal` the global queries see every key
        out.append(_kernel(top, k, v, None if keep is None else keep[:, None, None], band))
    one = range(start, start + c)  # one chunk whose mask serves all in the middle
    shared = band.mask(one, band.near(one, n), None, q) if start < stop else None
    for queries, keys, q, k, v in zip(parts, near, q_parts, k_parts, v_parts, strict=True):
        if shared is not None and start <= queries.start < stop:
            seen = shared if keep is None else shared & _kept(keep, keys, band)
            out.append(_middle(q, k, v, k_glob, v_glob, seen, band))
        else:
            k, v, seen = _join(k_glob, k), _join(v_glob, v), band.mask(queries, keys, keep, q)
            out.append(_kernel(q, k, v, seen, band))
    return torch.cat(out, dim=2)


def _middle(
    q: Tensor, k: Tensor, v: Tensor, k_glob: Tensor, v_glob: Tensor, seen: Tensor, band: _Band
) -> Tensor:
    """Whole chunks whose stretches of keys lie inside: as many heads of one kernel call."""
    (b, h, n, d), size = q.shape, band.size
    q = q.reshape(b * h, -1, band.chunk, d)
    k, v = (
        _join(glob.flatten(0, 1)[:, None], _overlap(near.flatten(0, 1), size, band.chunk))
        for glob, near in ((k_glob, k), (v_glob, v))
    )
    return _kernel(q, k, v, seen, band).reshape(b, h, n, v.shape[-1])


def _kept(keep: Tensor, keys: range, band: _Band) -> Tensor:
    """The padding of each stretch of `keys`, behind that of the global ones: (1, chunks, 1, m)."""
    near = keep[:, keys.start : keys.stop].unfold(1, band.size, band.chunk)
    glob = keep[:, None, : band.g].expand(-1, near.shape[1], -1)
    return torch.cat([glob, near], dim=2)[:, :, None]


def _slices(tokens: Tensor, places: list[range]) -> tuple[Tensor, ...]:
    """(b, h, n, d) at each of `places`, as views."""
    views: tuple[Tensor, ...] = _Slices.apply(tokens, places)  # type: ignore[no-untyped-call]
    return views


class _Slices(torch.autograd.Function):
    """Overlapping slices with one gradient of the whole; plain ones would each fill their own."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, places: list[range]) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.shape, ctx.places = tokens.shape, places
        return tuple(tokens[:, :, place.start : place.stop] for place in places)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None]:
        given = [(place, g) for place, g in zip(ctx.places, grads, strict=True) if g is not None]
        if not given:
            return None, None
        whole = given[0][1].new_zeros(ctx.shape)
        for place, grad in given:
            whole[:, :, place.start : place.stop] += grad
        return whole, None


def _overlap(tokens: Tensor, size: int, step: int) -> Tensor:
    """(b, n, d) as a view (b, stretches, size, d) of stretches that begin `step` tokens apart."""
    view: Tensor = _Overlap.apply(tokens, size, step)  # type: ignore[no-untyped-call]
    return view


class _Overlap(torch.autograd.Function):
    """`unfold` whose gradient adds a chunk of every stretch at a time, several times as fast."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, size: int, step: int) -> Tensor:
        ctx.length, ctx.step = tokens.shape[1], step
        return tokens.unfold(1, size, step).mT

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (b, stretches, size, d), step = grad.shape, ctx.step
        whole = grad.new_zeros(b, ctx.length + step, d)  # the last chunk may reach past the end
        for start in range(0, size, step):
            part = grad[:, :, start : start + step]
            place = whole[:, start : start + stretches * step].view(b, stretches, step, d)
            place[:, :, : part.shape[2]] += part
        return whole[:, : ctx.length], None, None


def _join(glob: Tensor, near: Tensor) -> Tensor:
    """Global keys in front of the near ones, for each chunk; no copy where there are none."""
    if glob.shape[2] == 0:
        return near
    return torch.cat([glob.expand(-1, near.shape[1], -1, -1), near], dim=2)


def _kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, band: _Band) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=band.scale)
