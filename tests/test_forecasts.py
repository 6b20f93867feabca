"""Plain forecasts against worked examples, and origins that cannot see ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_lib.forecasts import (
    LinearAutoregression,
    conformal_band,
    rolling_origin,
    seasonal_naive,
)


def test_seasonal_naive_repeats_the_last_season() -> None:
    history = np.array([9.0, 1.0, 2.0, 3.0])
    assert seasonal_naive(3)(history, 7).tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert seasonal_naive()(history, 2).tolist() == [3, 3]
    with pytest.raises(ValueError, match="at least 5 values, got 4"):
        seasonal_naive(5)(history, 1)
    with pytest.raises(ValueError, match="period"):
        seasonal_naive(0)


@given(st.floats(0.1, 1.5), st.floats(-0.9, -0.1), st.floats(-50, 50))
def test_autoregression_finds_the_rule_that_made_the_series(a: float, b: float, c: float) -> None:
    values = [1.0, 2.0]
    for _ in range(30):
        values.append(c + a * values[-1] + b * values[-2])
    if max(map(abs, values)) > 1e6 or np.std(values[-15:]) < 1e-3:
        return  # exploded, or at rest and without information
    series = np.array(values)
    model = LinearAutoregression(2, series[:-5])
    np.testing.assert_allclose(model.weights, [a, b], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(series[:-5], 5), series[-5:], rtol=1e-4, atol=1e-3)


def test_autoregression_is_the_least_squares_solution() -> None:
    series = np.cumsum(np.random.default_rng(0).normal(size=40)) + 300
    model = LinearAutoregression(3, series)
    rows = [[1.0, series[t - 1], series[t - 2], series[t - 3]] for t in range(3, 40)]
    solution = np.linalg.lstsq(np.array(rows), series[3:], rcond=None)[0]
    np.testing.assert_allclose(model.weights, solution[1:], rtol=1e-6)
    first = solution @ [1, *series[:-4:-1]]
    second = solution @ [1, first, *series[:-3:-1]]
    np.testing.assert_allclose(model(series, 2), [first, second], rtol=1e-9)
    with pytest.raises(ValueError, match=r"2·order \+ 1 = 41"):
        LinearAutoregression(20, series)
    with pytest.raises(ValueError, match="finite"):
        LinearAutoregression(2, [1.0, float("nan"), 2, 3, 4, 5])
    with pytest.raises(ValueError, match="at least 3 values, got 2"):
        model(series[:2], 1)


def test_an_origin_sees_only_what_lies_before_it() -> None:
    series = np.arange(10.0)
    seen = []

    def forecast(history: np.ndarray, horizon: int) -> np.ndarray:
        seen.append(history.tolist())
        history[:] = -1  # a forecast that scribbles on its input changes nothing
        return np.zeros(horizon)

    made, truth = rolling_origin(series, forecast, origins=[2, 7], horizon=3)
    assert seen == [[0, 1], [0, 1, 2, 3, 4, 5, 6]]
    assert truth.tolist() == [[2, 3, 4], [7, 8, 9]] and made.shape == (2, 3)
    assert series.tolist() == list(range(10))
    for origins in ([0], [8], []):
        with pytest.raises(ValueError, match="origins: expected 1 to 7"):
            rolling_origin(series, forecast, origins=origins, horizon=3)


def test_band_by_hand_and_its_coverage() -> None:
    errors = np.array([[-1.0, 10], [2, -20], [-3, 30], [4, 40]])
    assert conformal_band(errors, level=0.8).tolist() == [4, 40]  # rank ceil(5 · 0.8) = 4
    assert conformal_band(errors, level=0.6).tolist() == [3, 30]
    draw = np.random.default_rng(1)
    inside = [
        np.abs(draw.normal()) <= conformal_band(draw.normal(size=(19, 1)), level=0.9)[0]
        for _ in range(2000)
    ]
    assert 0.88 < np.mean(inside) < 0.93  # 18 of 19 ranks: exactly 0.9 is promised
    with pytest.raises(ValueError, match="needs at least 9 origins, got 4"):
        conformal_band(errors, level=0.9)
    with pytest.raises(ValueError, match="0 < level < 1"):
        conformal_band(errors, level=1.0)
