"""Plain forecasts of a series, and the fair way to compare any forecast with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Forecast = Callable[[Floats, int], Floats]  # (history (t,), horizon) -> (horizon,)


def seasonal_naive(period: int = 1) -> Forecast:
    """Repeat the last season: step h gets the value `period` steps before it, or 2·period, ....

    period=1 is the naive forecast, the last value for ever. The forecast raises ValueError if
    the history is shorter than one period.
    """
    if period < 1:
        raise ValueError(f"period: expected at least 1, got {period}")

    def forecast(history: Floats, horizon: int) -> Floats:
        if len(history) < period:
            raise ValueError(f"history: expected at least {period} values, got {len(history)}")
        season = np.asarray(history[len(history) - period :], dtype=np.float64)
        return np.resize(season, horizon)

    return forecast


class LinearAutoregression:
    """x_t = a + b_1 x_{t-1} + ... + b_order x_{t-order}, by least squares; a `Forecast`.

    Steps further ahead feed on the forecasts before them. The series should be longer than
    2·order + 1, so that there are more equations than unknowns.
    """

    def __init__(self, order: int, series: npt.ArrayLike) -> None:
        values = np.asarray(series, dtype=np.float64)
        if order < 1 or values.ndim != 1 or len(values) < 2 * order + 1:
            raise ValueError(
                f"series: expected shape (n,) with n >= 2·order + 1 = {2 * order + 1}, "
                f"order >= 1, got shape {values.shape}"
            )
        if not np.isfinite(values).all():
            raise ValueError("series: expected finite values; fill or cut out the missing ones")
        lags = np.lib.stride_tricks.sliding_window_view(values, order)[:-1, ::-1]
        self.order = order
        self.level = float(values.mean())  # taken off first, which keeps the equations well posed
        columns = np.column_stack((np.ones(len(lags)), lags - self.level))
        solution = np.linalg.lstsq(columns, values[order:] - self.level, rcond=None)[0]
        self.intercept, self.weights = float(solution[0]), solution[1:]  # weights[0]: lag 1

    def __call__(self, history: Floats, horizon: int) -> Floats:
        """Forecast `horizon` steps after `history` (t,), t >= order → (horizon,)."""
        if len(history) < self.order:
            raise ValueError(f"history: expected at least {self.order} values, got {len(history)}")
        known = list(np.asarray(history[len(history) - self.order :]) - self.level)
        for _ in range(horizon):
            recent = np.array(known[: -self.order - 1 : -1])
            known.append(self.intercept + float(self.weights @ recent))
        return np.array(known[self.order :]) + self.level


def rolling_origin(
    series: npt.ArrayLike, forecast: Forecast, *, origins: Sequence[int], horizon: int
) -> tuple[Floats, Floats]:
    """Forecast from several points in time, each seeing only what lies before it.

    From origin t the forecast is given series[:t] (a copy) and is compared with
    series[t : t + horizon]. Returns (forecasts, truth), each (len(origins), horizon); a NaN in
    the truth stays one. Raises ValueError if an origin leaves no history or too little future.
    """
    values = np.asarray(series, dtype=np.float64)
    if horizon < 1 or not origins or min(origins) < 1 or max(origins) + horizon > len(values):
        raise ValueError(
            f"origins: expected 1 to {len(values) - horizon} (n - horizon) and horizon >= 1, "
            f"got {min(origins, default=None)} to {max(origins, default=None)}, horizon {horizon}"
        )
    made = [np.asarray(forecast(values[:t].copy(), horizon)) for t in origins]
    return np.stack(made), np.stack([values[t : t + horizon] for t in origins])


def conformal_band(errors: npt.ArrayLike, *, level: float = 0.9) -> Floats:
    """Half the width of a forecast band, step by step: (origins, horizon) errors → (horizon,).

    Of the n absolute errors at a step, sorted, it takes the one with rank ceil((n + 1) · level).
    If new errors are exchangeable with these, forecast ± band covers at least `level` of them;
    overlapping windows of one series are not quite, so measure the coverage on later origins.

    Source: Vovk, Gammerman and Shafer 2005; Lei et al. 2018, arXiv:1604.04173 (split conformal).
    Raises ValueError if there are too few errors for that level, or the level is not in (0, 1).
    """
    sizes = np.sort(np.abs(np.asarray(errors, dtype=np.float64)), axis=0)
    if not 0 < level < 1 or sizes.ndim != 2:
        raise ValueError(
            f"level, errors: expected 0 < level < 1 and shape (origins, horizon), "
            f"got {level} and {sizes.shape}"
        )
    rank = math.ceil(round((len(sizes) + 1) * level, 9))  # 20 · 0.55 is 11, not a hair more
    if rank > len(sizes):
        least = math.ceil(round(level / (1 - level), 9))
        raise ValueError(
            f"errors: a band of level {level} needs at least {least} origins, got {len(sizes)}"
        )
    return np.asarray(sizes[rank - 1])
