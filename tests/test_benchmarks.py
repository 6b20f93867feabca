"""What `make benchmark` says of its own figures, and what it installs."""

from __future__ import annotations

import importlib
import itertools
import re
import subprocess
import tomllib
from functools import partial

import pytest
import torch

from benchmarks import run
from benchmarks.calls import agree, backward, forward
from benchmarks.cases import cache, causal, cross, full, local, longformer, memory, multihead
from benchmarks.measure import Figure, coverage, cut, exponent, median_interval, ratio, rounds
from benchmarks.roofline import Line, Roof, Work, attention_work, lines, measure_roof, window_pairs
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
    makefile = (course.ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    assert sorted(re.search(r"^PEERS := (.+)$", makefile, re.MULTILINE)[1].split()) == sorted(PEERS)


SMALL = {
    "full": partial(full.candidates, n=24),
    "causal": partial(causal.candidates, n=24),
    "causal, rotary": partial(causal.rotary_candidates, n=24),
    "cross": partial(cross.candidates, n=12),
    "window": partial(local.candidates, n=96, w=16),
    "window and global tokens": partial(longformer.candidates, n=96, n_global=3, side=8),
    "window alone": partial(longformer.candidates, n=96, n_global=0, side=8),
}


@pytest.mark.parametrize("grad", [False, True], ids=["forward", "gradients"])
@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_candidates_give_the_same_outputs_and_gradients(kind: str, grad: bool) -> None:
    """Those that are installed; the others must be named as missing."""
    options = run.Options(compiled=False)
    calls = SMALL[kind](options, grad=grad)
    assert len(calls) > 1 or options.missing
    agree(calls)


@pytest.mark.parametrize("grad", [False, True], ids=["forward", "gradients"])
def test_modules_at_their_bars_give_the_same_outputs(grad: bool) -> None:
    calls, pairs = multihead.candidates(run.Options(), grad, batch=2, n=6)
    assert ("here", "torch") in pairs
    for mine, other in pairs:
        agree({mine: calls[mine], other: calls[other]})


def test_decoders_write_the_same_tokens() -> None:
    model = cache.small_llama(layers=2, dim=32, vocab=20)
    calls = cache.candidates(run.Options(), model, steps=6)
    agree(calls)
    assert next(iter(calls.values()))()[0].shape == (1, 7)
    agree(cache.with_and_without(length=3, steps=4))


def test_agree_names_the_candidate_that_differs() -> None:
    x = torch.ones(2, 3)
    calls = {"double": forward(lambda t: 2 * t, x), "triple": forward(lambda t: 3 * t, x)}
    with pytest.raises(AssertionError, match="triple differs from double"):
        agree(calls)
    calls = {  # the same outputs, other gradients
        "kept": backward(lambda t: 2 * t, x),
        "cut": backward(lambda t: t + t.detach(), x),
    }
    with pytest.raises(AssertionError, match="cut differs from kept"):
        agree(calls)


@pytest.mark.parametrize("grad", [False, True], ids=["forward", "gradients"])
@pytest.mark.parametrize("form", memory.FORMS)
def test_programs_of_the_memory_case_run(form: str, grad: bool) -> None:
    if "lucidrains" in form:
        pytest.importorskip("local_attention")
    marks = []
    exec(memory.code(form, grad, n=64, small=16), {"start": lambda: marks.append("started")})
    assert marks == ["started"]


def test_a_form_that_the_system_ends_is_left_out_by_name(monkeypatch) -> None:
    def figure(name, code, count):
        if name.startswith("attention"):
            raise subprocess.CalledProcessError(-9, "python")
        return Figure(name, 1, 1, 1)

    monkeypatch.setattr(memory, "memory_figure", figure)
    options = run.Options(quick=True)
    assert "attention (all scores), forward" not in [f.name for f in memory.measure(options)]
    assert options.missing[0] == "attention (all scores), forward (its process ended with -9)"


def test_useful_work_by_hand() -> None:
    assert window_pairs(5, 2) == 1 + 2 * 4  # the first token sees one key, the others two
    assert window_pairs(5, 9) == window_pairs(5, 5) == 15
    work = attention_work(15, 5, heads=2, d=3)
    assert work == Work(flops=2 * 15 * (2 * 3 + 2 * 3), moved=4 * 4 * 5 * 2 * 3)
    assert attention_work(15, 5, heads=2, d=3, grad=True).flops == 3 * work.flops
    projected = attention_work(15, 5, heads=2, d=3, dim=7)
    assert projected.flops - work.flops == 4 * 2 * 5 * 7 * 6


def test_the_roof_is_the_slower_of_products_and_memory() -> None:
    roof = Roof(peak=100, thin=50, bandwidth=10)
    assert roof.higher(Roof(90, 60, 10)) == Roof(100, 60, 10)
    assert roof.seconds(100e9, 1e9) == 1 and roof.seconds(100e9, 20e9) == 2
    found = lines("it", {"ours": [2.0, 4.0], "theirs": [3.0, 8.0]}, Work(100e9), roof)
    assert [line.value for line in found] == [1.0, 1.75]
    assert (found[0].rate, found[0].share) == (pytest.approx(100 / 3), pytest.approx(1 / 3))


def test_the_roof_is_measured() -> None:
    roof = measure_roof(repeats=1, size=64)
    assert min(roof.peak, roof.thin, roof.bandwidth) > 0


def test_rounds_stop_at_the_limit_but_not_before_the_least() -> None:
    calls = {"a": lambda: None, "b": lambda: None}
    assert [len(t) for t in rounds(calls, 9, least=4, limit=0.0).values()] == [4, 4]
    assert [len(t) for t in rounds(calls, 9, least=4, limit=100.0).values()] == [9, 9]


def test_the_quick_run_takes_fewer_rounds_and_sizes() -> None:
    quick, all_ = run.Options(quick=True), run.Options()
    assert (quick.count(21), all_.count(21)) == (3, 21)
    assert run.Options(until=0.0).limit == 0.0 < quick.limit < all_.limit
    assert quick.sizes((256, 4096, 16384), keep=16384) == [256, 16384]
    assert all_.sizes((256, 4096)) == [256, 4096]


@pytest.mark.parametrize("name", run.case_names())
def test_every_file_of_the_folder_is_a_case(name: str) -> None:
    case = importlib.import_module(f"benchmarks.cases.{name}")
    assert case.TITLE and callable(case.measure)


def test_a_case_that_breaks_is_reported_and_keeps_its_figures(monkeypatch, tmp_path) -> None:
    def measure(options):
        yield Figure("before", 1, 1, 1)
        yield Line("n = 4", "attn_lib", 0.5, 1, 1, 1, 5, 10, 0.1)
        options.draw("A panel, forward", 4, {"attn_lib": [0.5]}, Work(1e9))
        options.missing.append("some-peer")
        raise MemoryError("no room")

    monkeypatch.setattr(full, "measure", measure)
    monkeypatch.setattr(run, "measure_roof", lambda repeats=5: Roof(100, 50, 10))
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "case_names", lambda: ["full"])
    monkeypatch.setattr("sys.argv", ["run.py"])
    assert run.main() == 1
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "MemoryError: no room" in text and "left out: some-peer" in text
    assert "| before |" in text and "| n = 4 | attn_lib | 500 |" in text
    assert (tmp_path / "results.png").stat().st_size > 0
