"""The forecaster of series: causal, blind to the level, and able to learn a season."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from attn_lib.datasets import el_nino
from attn_lib.forecaster import Forecaster, train_forecaster
from attn_lib.forecasts import seasonal_naive


def stirred(horizon: int = 3, scale: float = 2.0, seed: int = 0) -> Forecaster:
    """A forecaster whose read-out is not zero, so that everything has an influence."""
    torch.manual_seed(seed)
    model = Forecaster(horizon, scale, dim=8, heads=2, layers=2)
    torch.nn.init.normal_(model.leave.weight)
    return model.eval()


def test_before_training_it_is_the_naive_forecast():
    values = torch.randn(2, 7)
    forecasts = Forecaster(4, 1.0)(values)
    assert torch.equal(forecasts, values[:, :, None].expand(2, 7, 4))
    assert forecasts[0, -1].tolist() == pytest.approx(seasonal_naive()(values[0].numpy(), 4))


@pytest.mark.parametrize("t", [1, 3, 8])
def test_a_changed_value_moves_nothing_before_it(t):
    model, values = stirred(), torch.randn(2, 9)
    changed = values.clone()
    changed[:, t] += 1
    moved = (model(changed) - model(values)).abs().amax((0, 2))
    assert moved[:t].max() < 1e-6 < 1e-3 < moved[t]


def test_the_level_of_the_series_only_moves_the_forecast():
    model, values = stirred(), torch.randn(2, 9)
    torch.testing.assert_close(model(values + 300), model(values) + 300, rtol=0, atol=1e-3)


def test_values_and_scale_in_another_unit_give_the_forecast_in_it():
    celsius, values = stirred(scale=2.0), torch.randn(2, 9)
    fahrenheit = stirred(scale=3.6)
    torch.testing.assert_close(fahrenheit(1.8 * values), 1.8 * celsius(values))


def test_after_is_the_last_place_of_the_context():
    model, history = stirred(), np.random.default_rng(0).normal(size=40)
    expected = model(torch.tensor(history[-12:], dtype=torch.float32)[None])[0, -1]
    got = model.after(history, 12)
    assert got.dtype == np.float64 and got.shape == (3,)
    assert got == pytest.approx(expected.tolist())
    assert got != pytest.approx(model.after(history, 5).tolist())


def test_the_maps_are_causal_and_sum_to_one():
    forecasts, maps = stirred()(torch.randn(2, 6), return_weights=True)
    assert forecasts.shape == (2, 6, 3) and len(maps.weights) == 2
    for weights in maps.weights:
        assert weights.shape == (2, 2, 6, 6)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 6))
        assert not weights.triu(1).any()


def test_it_learns_a_season_and_says_it_in_the_right_order():
    season = np.tile([0.0, 1.0, 5.0, 2.0, -3.0, -1.0], 30)
    model = train_forecaster(
        season, context=12, horizon=6, first=6, steps=150, lr=1e-2, dim=16, heads=2
    )
    assert not model.training
    for cut in range(60, 66):
        assert np.abs(model.after(season[:cut], 12) - season[cut : cut + 6]).mean() < 0.5


def test_the_same_seed_gives_the_same_weights():
    series = np.random.default_rng(0).normal(size=60)
    sizes = {"context": 8, "horizon": 2, "steps": 3, "dim": 8, "heads": 2}
    once, again, other = (train_forecaster(series, seed=s, **sizes) for s in (1, 1, 2))
    for a, b in zip(once.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(once.enter.weight, other.enter.weight)


@pytest.mark.parametrize(
    ("series", "first"), [(np.zeros(11), 1), (np.zeros((3, 20)), 1), (np.zeros(40), 0),
                          (np.zeros(40), 9)],
)  # fmt: skip
def test_a_series_without_a_whole_window_is_refused(series, first):
    with pytest.raises(ValueError, match="n >= context \\+ horizon = 12"):
        train_forecaster(series, context=8, horizon=4, steps=1, first=first)


def test_the_script_counts_measured_values_from_every_origin(monkeypatch):
    folder = Path(__file__).resolve().parent.parent / "data" / "make"
    monkeypatch.syspath_prepend(str(folder))
    script = runpy.run_path(str(folder / "results" / "forecasts.py"))
    series = el_nino()
    filled = series.filled.copy()
    filled[103] = True  # as if this month had not been measured
    series = replace(series, filled=filled)
    plan = (None, 0, 0, 0, 3, 2, None)  # three steps ahead, from every second origin
    errors = script["errors"](series, seasonal_naive(), 100, 107, plan)
    assert errors.shape == (3, 3)  # origins 100, 102, 104
    for row, origin in zip(errors, (100, 102, 104), strict=True):
        for step, error in enumerate(row):
            if origin + step == 103:
                assert np.isnan(error)
            else:
                naive = series.values[origin - 1]
                assert error == pytest.approx(naive - series.values[origin + step])
