"""How times and memory are measured here, and nothing about what is measured.

Times: the candidates of one comparison take turns in one process, so that a busy machine slows all
of them alike; a ratio is the median of the ratios of single rounds, with an interval between two of
them. What share of such intervals holds the true median is exact and follows from the number of
rounds alone (`coverage`): 95 % needs at least 6. Memory: growth of VmHWM in a fresh process
started from a small parent (ru_maxrss is inherited from the parent and would read no growth).
"""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Figure:
    """One measured number, the interval around it, and the bar that it should keep."""

    name: str
    value: float
    low: float
    high: float
    unit: str = "×"
    bar: tuple[str, float] | None = None  # ("<=", 1.05) or (">=", 5.0)
    note: str = ""
    rounds: int = 0

    @property
    def covered(self) -> float:
        """How often an interval made like this one holds the true median."""
        return coverage(self.rounds, cut(self.rounds))

    @property
    def verdict(self) -> str:
        """yes or no; "not sure" where the bar lies inside the interval."""
        if self.bar is None:
            return ""
        sign, limit = self.bar
        good, edge = (
            (self.value <= limit, self.high <= limit)
            if sign == "<="
            else (self.value >= limit, self.low >= limit)
        )
        other = self.low > limit if sign == "<=" else self.high < limit
        return "yes" if good and edge else "no" if other else f"{'yes' if good else 'no'}, not sure"


def rounds(
    calls: dict[str, Callable[[], object]], count: int, least: int = 0, limit: float = math.inf
) -> dict[str, list[float]]:
    """Seconds of each call in each of `count` rounds, after one round to warm up.

    After `limit` seconds it stops early, with at least `least` rounds.
    """

    def clock(call: Callable[[], object]) -> Callable[[], float]:
        def run() -> float:
            start = time.perf_counter()
            call()
            return time.perf_counter() - start

        return run

    return turns({name: clock(call) for name, call in calls.items()}, count, least, limit)


def turns(
    clocks: dict[str, Callable[[], float]], count: int, least: int = 0, limit: float = math.inf
) -> dict[str, list[float]]:
    """What each of `clocks` returns in `count` rounds, after one unread; the order alternates."""
    times: dict[str, list[float]] = {name: [] for name in clocks}
    for clock in clocks.values():
        clock()
    order, start = list(clocks), time.perf_counter()
    for turn in range(count):
        if turn >= least and time.perf_counter() - start > limit:
            break
        for name in order if turn % 2 == 0 else reversed(order):
            times[name].append(clocks[name]())
    return times


def coverage(count: int, cut: int) -> float:
    """P(the median lies between the values left when `cut` of `count` are dropped at either end).

    It misses when at most `cut` of the values fall on one side of it, and each falls there with
    probability 1/2: 5 values and none dropped give 1 - 2 / 2^5 = 93.75 %.
    """
    return 1 - 2 * sum(math.comb(count, i) for i in range(cut + 1)) / 2**count


def cut(count: int) -> int:
    """How many values may be dropped at either end for 95 %; 0 where even all do not reach it."""
    return max((c for c in range(count // 2) if coverage(count, c) >= 0.95), default=0)


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The median and the narrowest interval that covers it to 95 %, or else that of all values."""
    ranked, dropped = sorted(values), cut(len(values))
    return statistics.median(ranked), ranked[dropped], ranked[len(ranked) - 1 - dropped]


def ratio(
    name: str, mine: Sequence[float], other: Sequence[float], bar: tuple[str, float] | None = None,
    note: str = "",
) -> Figure:  # fmt: skip
    """mine / other for "<=" bars and none, other / mine ("times as fast") for ">=" bars."""
    pairs = [(a, b) for a, b in zip(mine, other, strict=True)]
    if bar is not None and bar[0] == ">=":
        pairs = [(b, a) for a, b in pairs]
    value, low, high = median_interval([a / b for a, b in pairs])
    return Figure(name, value, low, high, bar=bar, note=note, rounds=len(pairs))


def exponent(
    name: str, sizes: Sequence[int], times: dict[int, list[float]], bar: tuple[str, float]
) -> Figure:
    """The slope of log time over log n, fitted in each round, and the median of the slopes."""
    xs = [math.log(n) for n in sizes]
    middle = sum(xs) / len(xs)
    spread = sum((x - middle) ** 2 for x in xs)
    slopes = [
        sum((x - middle) * math.log(t) for x, t in zip(xs, row, strict=True)) / spread
        for row in zip(*(times[n] for n in sizes), strict=True)
    ]
    value, low, high = median_interval(slopes)
    return Figure(name, value, low, high, unit="", bar=bar, rounds=len(slopes))


def memory(code: str) -> float:
    """MiB by which a call grows a fresh process: `code` prepares, says `start()`, and calls."""
    script = f"""
def high():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024
mark = []
def start():
    open("/proc/self/clear_refs", "w").write("5")  # the high-water mark begins again here
    mark.append(high())
{code}
print(high() - mark[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def memory_figure(
    name: str, code: str, bar: tuple[str, float] | None = None, count: int = 3, note: str = ""
) -> Figure:
    value, low, high = median_interval([memory(code) for _ in range(count)])
    return Figure(name, value, low, high, unit=" MiB", bar=bar, note=note, rounds=count)
