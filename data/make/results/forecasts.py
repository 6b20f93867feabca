"""Write results/05_forecasts.csv: who forecasts sea temperature and carbon dioxide best.

Each series is cut in three by time: one part to learn from, one to set the width of the band (90 %)
and one to test on, from rolling origins. Counted are measured values only. The rules are naive,
seasonal-naive and linear autoregressions over one season and over as many values as the forecaster
of one causal attention layer reads; the forecaster is trained from three seeds. Two minutes on
one core:

    python data/make/results/forecasts.py
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _common import output_folder

from attn_lib.datasets import Series, co2, el_nino
from attn_lib.forecaster import train_forecaster
from attn_lib.forecasts import (
    Forecast,
    LinearAutoregression,
    conformal_band,
    rolling_origin,
    seasonal_naive,
)

# where learning ends, where testing begins, context, horizon, steps between origins, training
PLANS = {
    "el_nino": (el_nino, 360, 480, 48, 12, 1, {"steps": 400, "batch": 32}),
    "co2": (co2, 1400, 1750, 104, 52, 4, {"steps": 400, "batch": 16}),
}
SEEDS = 3
HEADER = "series,method,seed,steps,unit,origins,mae,mae_first,mae_last,coverage,width,torch"


def errors(series: Series, forecast: Forecast, first: int, last: int, plan: tuple) -> np.ndarray:
    """Errors (origins, horizon) from the origins first ... last - horizon, NaN if not measured."""
    *_, horizon, every, _ = plan
    origins = list(range(first, last - horizon + 1, every))
    made, truth = rolling_origin(series.values, forecast, origins=origins, horizon=horizon)
    unmeasured = np.stack([series.filled[t : t + horizon] for t in origins])
    return np.where(unmeasured, np.nan, made - truth)


def methods(series: Series, plan: tuple) -> Iterator[tuple[str, object, int, Forecast]]:
    """Name, seed, steps and forecast of each method."""
    _, learn, _, context, horizon, _, training = plan
    past, period = series.values[:learn], series.period
    yield "naive", "", 0, seasonal_naive()
    yield "seasonal-naive", "", 0, seasonal_naive(period)
    for order in (period, context):
        yield f"linear, {order} lags", "", 0, LinearAutoregression(order, past)
    for seed in range(SEEDS):
        model = train_forecaster(
            past, context=context, horizon=horizon, first=period, seed=seed, **training
        )
        forecast = lambda history, _, model=model: model.after(history, context)  # noqa: E731
        yield f"attention, {context} values", seed, training["steps"], forecast


def main() -> None:
    torch.set_num_threads(1)
    table = [HEADER.split(",")]
    for name, plan in PLANS.items():
        series, learn, tested = plan[0](), plan[1], plan[2]
        for method, seed, steps, forecast in methods(series, plan):
            tuning = errors(series, forecast, learn, tested, plan)
            test = np.abs(errors(series, forecast, tested, len(series), plan))
            band = conformal_band(tuning[~np.isnan(tuning).any(1)], level=0.9)
            inside = (test <= band)[~np.isnan(test)].mean()
            steps_ahead = np.nanmean(test, axis=0)
            figures = [np.nanmean(test), steps_ahead[0], steps_ahead[-1], inside, band.mean()]
            version = torch.__version__.split("+")[0]
            row = [name, method, seed, steps, series.unit, len(test)]
            table.append([*row, *(f"{figure:.3f}" for figure in figures), version])
            print(*table[-1], flush=True)
    path = output_folder() / "results" / "05_forecasts.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(table)


if __name__ == "__main__":
    main()
