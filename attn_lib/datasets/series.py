"""Measured series: sea temperature, carbon dioxide and sunspots."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .files import data_text

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One measured quantity at equal steps of time."""

    name: str
    unit: str
    period: int  # steps in one season: 12 months, 52 weeks, 11 years
    times: npt.NDArray[np.datetime64]  # (n,), the date that the source gives each value
    values: Floats  # (n,), in `unit`; nothing missing
    filled: npt.NDArray[np.bool_]  # (n,), True where the value was interpolated

    def __len__(self) -> int:
        return len(self.values)


def read_rows(name: str) -> list[list[str]]:
    """The rows of data/series/`name` (CSV) without its heading, verified as in `data_path`."""
    return list(csv.reader(data_text(f"series/{name}").splitlines()))[1:]


def _series(name: str, unit: str, period: int, times: list[str], values: list[float]) -> Series:
    measured = np.array(values)
    missing = np.isnan(measured)
    steps = np.arange(len(measured))
    filled = np.where(missing, np.interp(steps, steps[~missing], measured[~missing]), measured)
    return Series(name, unit, period, np.array(times, dtype="datetime64[D]"), filled, missing)


def el_nino() -> Series:
    """Sea-surface temperature off Peru (0-10° S, 80-90° W), °C, monthly means, 1950 to 2010.

    n = 732, season 12. Source: NOAA ERSST.V3B, Niño 1+2, through statsmodels 0.15.0; public
    domain.
    """
    rows = read_rows("elnino.csv")
    times = [f"{row[0]}-{month:02d}-01" for row in rows for month in range(1, 13)]
    values = [float(value) for row in rows for value in row[1:]]
    return _series("sea-surface temperature", "°C", 12, times, values)


def co2() -> Series:
    """Carbon dioxide in the air at Mauna Loa, ppm by volume, weekly means, 1958 to 2001.

    n = 2,284, season 52. 59 weeks were not measured, up to 18 in a row (1964); they are filled
    on the straight line between their neighbours and marked in `filled`, so that errors can be
    counted on measured weeks only. Source: Keeling and Whorf 2004, CDIAC, through statsmodels
    0.15.0; public domain.
    """
    rows = read_rows("co2.csv")
    times = [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day, _ in rows]
    values = [float(value) if value else float("nan") for _, value in rows]
    return _series("carbon dioxide", "ppm", 52, times, values)


def sunspots() -> Series:
    """Mean number of sunspots in each year, 1700 to 2008.

    n = 309; the cycle is about 11 years and not constant. Source: National Geophysical Data
    Center, through statsmodels 0.15.0; public domain.
    """
    rows = read_rows("sunspots.csv")
    return _series(
        "sunspots", "count", 11, [f"{row[0]}-01-01" for row in rows], [float(r[1]) for r in rows]
    )
