"""The scripts behind lesson 07's tables: they score what they say, and the tables are whole."""

from __future__ import annotations

import csv
import importlib.util
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from attn_lib.baselines import KneserNey

DATA = Path(__file__).resolve().parent.parent / "data"


def table(name: str) -> list[dict[str, str]]:
    with (DATA / "results" / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Load one script of data/make/results by name."""
    monkeypatch.syspath_prepend(str(DATA / "make"))

    def load(name: str) -> ModuleType:
        path = DATA / "make" / "results" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"results_{name}", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_bits_are_those_of_a_loop_over_characters(script) -> None:  # type: ignore[no-untyped-def]
    windows = script("windows")
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, (420,), generator=generator)
    model = windows.trained(window=3, steps=2, seed=0, ids=ids, vocab=5)
    found = []
    for start in range(0, len(ids) - 128, 64):
        with torch.no_grad():
            p = model(ids[None, start : start + 128])[0].softmax(-1)
        found += [-math.log2(p[t, ids[start + t + 1]]) for t in range(64, 128)]
    assert windows.bits(model, ids) == pytest.approx(sum(found) / len(found), abs=1e-5)


def test_counting_scores_the_same_characters(script) -> None:  # type: ignore[no-untyped-def]
    windows = script("windows")
    ids = torch.randint(5, (420,), generator=torch.Generator().manual_seed(0))
    p = KneserNey(2, 5).fit(ids.numpy()).tune(ids.numpy()).probabilities(ids.numpy())
    places = [start + t + 1 for start in range(0, len(ids) - 128, 64) for t in range(64, 128)]
    want = -np.log2(p[places]).mean()
    assert windows.counted(2, ids, ids, ids, 5) == pytest.approx(want)


def test_the_three_ways_give_the_same_numbers(script) -> None:  # type: ignore[no-untyped-def]
    cost = script("local_cost")
    outs = [way(*cost.inputs(600), cost.dense(600)) for way in cost.WAYS.values()]
    assert len(outs) == 3
    for out in outs[1:]:
        torch.testing.assert_close(out, outs[0], atol=1e-5, rtol=1e-4)


def test_a_copier_is_asked_for_the_token_before(script) -> None:  # type: ignore[no-untyped-def]
    copying = script("copying")
    assert copying.right(layers=1, back=1, steps=60, seed=0) > 0.9
    assert copying.right(layers=1, back=8, steps=60, seed=0) < 0.2


def test_the_tables_are_whole() -> None:
    windows = table("07_windows.csv")
    rows = [(r["size"], r["seed"]) for r in windows if r["model"] == "attention"]
    assert sorted(rows) == sorted((w, s) for w in ("2", "4", "8", "16", "32", "128") for s in "012")
    copied = {(r["layers"], r["seed"]) for r in table("07_copying.csv")}
    assert copied == {(layers, seed) for layers in "123" for seed in "012"}
    sizes = [256, 512, 1024, 2048, 4096, 8192, 16384]
    assert {(r["way"], int(r["n"])) for r in table("07_cost.csv")} == {
        (way, n) for way in ("plain formula", "fused kernel", "local_attention") for n in sizes
    }
