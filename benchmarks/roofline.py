"""What this machine can do at most, measured; and each time beside the least it could have been.

No program is faster than its useful operations at the machine's matrix-multiply peak, nor than its
inputs and outputs at the memory's bandwidth: the larger of the two times is the roof
(Williams et al. 2009, doi:10.1145/1498765.1498785).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass

import torch

from benchmarks.measure import median_interval


@dataclass
class Roof:
    """The machine's best: operations in 10^9 a second, bytes in 10^9 a second."""

    peak: float  # large matrices multiplied
    thin: float  # the products of attention: 8 heads of 256 queries, 64 features, 256 keys
    bandwidth: float  # a large array copied, read and written

    def seconds(self, flops: float, moved: float = 0.0) -> float:
        """The least time for `flops` operations on `moved` bytes."""
        return max(flops / self.peak, moved / self.bandwidth) / 1e9

    def higher(self, other: Roof) -> Roof:
        """The best of two measurements."""
        return Roof(*(max(pair) for pair in zip(astuple(self), astuple(other), strict=True)))


@dataclass
class Work:
    """What a result cannot do without: operations, and bytes read once or written once."""

    flops: float
    moved: float = 0.0


@dataclass
class Line:
    """One candidate of one comparison: its time, and that time over the reference's."""

    what: str
    who: str
    seconds: float
    value: float
    low: float
    high: float
    rounds: int
    rate: float  # useful operations in 10^9 a second
    share: float  # the roof's time over the candidate's


def measure_roof(repeats: int = 5, size: int = 1536) -> Roof:
    """The best of `repeats`, so that a busy machine lowers it least."""
    a, b, out = (torch.randn(size, size) for _ in range(3))
    q, k, scores = torch.randn(8, 256, 64), torch.randn(8, 64, 256), torch.empty(8, 256, 256)
    source = torch.ones(16 * size * size)  # beyond every cache
    target = torch.empty_like(source)

    def thin() -> None:
        for _ in range(20):
            torch.bmm(q, k, out=scores)

    return Roof(
        peak=2 * size**3 / _best(lambda: torch.mm(a, b, out=out), repeats) / 1e9,
        thin=20 * 2 * 8 * 256 * 256 * 64 / _best(thin, repeats) / 1e9,
        bandwidth=2 * source.nbytes / _best(lambda: target.copy_(source), repeats) / 1e9,
    )


def lines(what: str, times: dict[str, list[float]], work: Work, roof: Roof) -> list[Line]:
    """A line for each candidate; the first is the reference of the ratios."""
    reference = next(iter(times.values()))
    made = []
    for who, seconds in times.items():
        middle = statistics.median(seconds)
        ratios = [t / r for t, r in zip(seconds, reference, strict=True)]
        rate, share = work.flops / middle / 1e9, roof.seconds(work.flops, work.moved) / middle
        spread = median_interval(ratios)
        made.append(Line(what, who, middle, *spread, len(seconds), rate, share))
    return made


def attention_work(
    pairs: float, n: int, m: int | None = None, *, heads: int = 8, d: int = 64, dim: int = 0,
    grad: bool = False,
) -> Work:  # fmt: skip
    """`pairs` of a query and a key that it sees, in each head; with `dim` four projections too.

    A pair costs a product for its score and one for its value, 4 d operations, and twice as much
    again in the backward pass. Computing scores a second time there is not counted as useful.
    """
    m = n if m is None else m
    flops = 4.0 * d * heads * pairs
    moved = 4.0 * (2 * n + 2 * m) * heads * d  # float32: q and out, k and v
    if dim:
        flops += 2.0 * dim * heads * d * (2 * n + 2 * m)
        moved = 4.0 * (dim * (2 * n + (m if m != n else 0)) + 4 * dim * heads * d)
    return Work(3 * flops, 2 * moved) if grad else Work(flops, moved)


def window_pairs(n: int, w: int) -> float:
    """Pairs 0 <= i - j < w: the causal window; `window_pairs(n, n)` is the causal mask."""
    w = min(w, n)
    return w * n - w * (w - 1) / 2


def _best(call: Callable[[], object], repeats: int) -> float:
    call()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best
