"""What `make benchmark` says of its own figures, and what it installs."""

from __future__ import annotations

import itertools
import re
import tomllib

import pytest

from benchmarks.measure import Figure, coverage, cut, exponent, median_interval, ratio
from tools import course

PROJECT = tomllib.loads((course.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRA = PROJECT["project"]["optional-dependencies"]["benchmark"]
PEERS = [re.match(r"[\w-]+", one)[0] for one in EXTRA]


@pytest.mark.parametrize("count", [1, 2, 5, 6, 9, 10])
def test_coverage_counts_the_samples_whose_interval_holds_the_median(count: int) -> None:
    """Every pattern of values below and above the median is equally likely: count them all."""
    for dropped in range((count + 1) // 2):
        held = 0
        for pattern in itertools.product((-1, 1), repeat=count):
            ranked = sorted(pattern)
            held += ranked[dropped] < 0 < ranked[count - 1 - dropped]
        assert coverage(count, dropped) == pytest.approx(held / 2**count)


@pytest.mark.parametrize(
    ("count", "dropped", "held"), [(3, 0, 0.75), (5, 0, 0.9375), (6, 0, 0.96875), (21, 5, 0.9734)]
)
def test_intervals_of_known_rounds(count: int, dropped: int, held: float) -> None:
    assert cut(count) == dropped
    assert Figure("", 1, 1, 1, rounds=count).covered == pytest.approx(held, abs=1e-4)
    values = list(range(count, 0, -1))
    assert median_interval(values) == ((count + 1) / 2, 1 + dropped, count - dropped)


def test_a_ratio_is_taken_round_by_round() -> None:
    mine, other = [1.0, 10.0, 1.0], [2.0, 20.0, 3.0]  # the second round met a busy machine
    assert ratio("", mine, other).value == 0.5
    fast = ratio("", mine, other, (">=", 2.5))  # "times as fast"
    assert (fast.value, fast.low, fast.high, fast.rounds) == (2.0, 2.0, 3.0, 3)


@pytest.mark.parametrize(
    ("low", "value", "high", "said"),
    [(1, 2, 3, "yes"), (1, 2, 5, "yes, not sure"), (3, 5, 6, "no, not sure"), (5, 6, 7, "no")],
)
def test_the_verdict_says_when_the_bar_lies_inside(low, value, high, said) -> None:
    assert Figure("", value, low, high, bar=("<=", 4)).verdict == said
    assert Figure("", -value, -high, -low, bar=(">=", -4)).verdict == said


def test_exponent_of_a_square_is_two() -> None:
    times = {n: [1e-6 * n**2, 3e-6 * n**2] for n in (64, 128, 256)}
    assert exponent("", list(times), times, ("<=", 2)).value == pytest.approx(2)


@pytest.mark.parametrize("name", PEERS)
def test_peers_are_pinned(name: str) -> None:
    assert re.fullmatch(r"\d[\w.]*", course.pins()[name])


def test_make_installs_the_peers_of_the_extra() -> None:
    makefile = (course.ROOT / "Makefile").read_text(encoding="utf-8")
    assert sorted(re.search(r"^PEERS := (.+)$", makefile, re.MULTILINE)[1].split()) == sorted(PEERS)
