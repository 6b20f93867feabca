"""The weather of Seattle day by day, and weeks of it condensed into one sentence."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .series import Floats, read_rows
from .splits import Split, check_count

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_RECORD = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (\d{1,2})\.(\d) mm"
_SENTENCE = re.compile(r"\d| mm|, |[A-Za-z]+ ?")


class Week(NamedTuple):
    """Seven days of weather in a row and the sentence that condenses them."""

    start: datetime.date
    source: str  # "Mon 0.0 mm, Tue 10.9 mm, ..."
    target: str  # "wettest Thursday, 14 mm", or "no rain"
    day: int | None  # which of the seven days the sentence is about, 0 to 6
    spans: list[tuple[int, int]]  # [start, end) of each day in the source


@dataclass(frozen=True)
class Weather:
    """Daily records; every array has shape (n,)."""

    dates: list[datetime.date]
    rain: Floats  # mm
    warmest: Floats  # °C
    coldest: Floats  # °C
    wind: Floats  # m/s
    kind: list[str]  # "drizzle", "fog", "rain", "snow" or "sun"

    def __len__(self) -> int:
        return len(self.dates)


def seattle_weather() -> Weather:
    """The weather of Seattle on each day of 2012 to 2015: n = 1,461, no day missing.

    Source: NOAA, public domain, through vega_datasets 0.9.0.
    """
    rows = read_rows("seattle-weather.csv")
    numbers = np.array([[float(value) for value in row[1:5]] for row in rows]).T
    days = [datetime.date.fromisoformat(row[0].replace("/", "-")) for row in rows]
    rain, warmest, coldest, wind = numbers
    return Weather(days, rain, warmest, coldest, wind, [row[5] for row in rows])


def weather_weeks(*, validation_year: int = 2014, test_year: int = 2015) -> Split[Week]:
    """Every seven days in a row of one year, with the sentence that condenses them.

    The sentence names the day with the most rain and its millimetres, rounded half up ("below
    1 mm" if less fell), or says "no rain". Weeks in which two days share the most rain are left
    out, because two sentences would be right. No week crosses from one year into the next, so no
    day is in two parts; the years that are left are for training.

    Raises ValueError if the years are not two different ones of 2012 to 2015.
    """
    years = (validation_year, test_year)
    if validation_year == test_year or not set(years) <= {2012, 2013, 2014, 2015}:
        raise ValueError(
            f"validation_year, test_year: expected two different years of 2012 to 2015, got {years}"
        )
    weather = seattle_weather()
    parts = Split[Week]([], [], [])
    for start in range(len(weather) - 6):
        days, rain = weather.dates[start : start + 7], weather.rain[start : start + 7]
        if days[0].year != days[6].year or _tied(rain):
            continue
        part = {validation_year: parts.validation, test_year: parts.test}
        part.get(days[0].year, parts.train).append(_week(days, rain))
    return parts


def invented_weeks(n: int, *, seed: int = 0) -> list[Week]:
    """`n` weeks of made-up rain to practise on: real weeks are few and have few large numbers.

    Each week has its own scale, from drizzle to 80 mm, and some of its days are dry; a third of
    the weeks hold two days less than 1 mm apart. No record of Seattle goes into them, and a week
    that happens to equal a real one is left out.

    Raises ValueError if n < 1.
    """
    check_count("n", n)
    draw, weeks = np.random.default_rng(seed), list[Week]()
    parts = weather_weeks()
    real = {week.source for week in parts.train + parts.validation + parts.test}
    while len(weeks) < n:
        first = int(draw.integers(1, 8))
        days = [datetime.date(2001, 1, first + i) for i in range(7)]
        rain = draw.random(7) * 80 ** draw.random()
        rain *= draw.random(7) > draw.random()
        if draw.random() < 1 / 3:
            rain[draw.integers(7)] = rain.max() + draw.uniform(-1, 1)
        rain = np.clip(rain.round(1), 0, 99.4) + 0.0  # no minus zero
        if not _tied(rain) and (week := _week(days, rain)).source not in real:
            weeks.append(week)
    return weeks


def weather_pieces(text: str) -> list[str]:
    """A week's records in tokens of one meaning each: "Thu 14.3 mm" → "Thu", "14", ".3".

    Raises ValueError if the text is not days with their rain, such as "Mon 0.0 mm, Tue 9.5 mm".
    """
    if not re.fullmatch(f"{_RECORD}(, {_RECORD})*", text):
        raise ValueError(
            'text: expected days with their rain, such as "Mon 0.0 mm, Tue 9.5 mm", below 100 mm '
            f"and with one decimal, got {text!r}"
        )
    found = re.findall(_RECORD, text)
    return [part for day, whole, tenth in found for part in (day, whole, f".{tenth}")]


def sentence_pieces(text: str) -> list[str]:
    """A sentence about a week in words and digits that join to the sentence again."""
    return _SENTENCE.findall(text)


def _tied(rain: Floats) -> bool:
    """Whether two days share the most rain, so that two sentences would be right."""
    return bool(rain.max() > 0 and (rain == rain.max()).sum() > 1)


def _week(days: list[datetime.date], rain: Floats) -> Week:
    source, spans = "", []
    for day, fallen in zip(days, rain, strict=True):
        source += ", " if source else ""
        record = f"{DAYS[day.weekday()][:3]} {fallen:.1f} mm"
        spans.append((len(source), len(source) + len(record)))
        source += record
    if rain.max() == 0:
        return Week(days[0], source, "no rain", None, spans)
    wettest = int(rain.argmax())
    name = DAYS[days[wettest].weekday()]
    amount = f"{int(rain[wettest] + 0.5)} mm" if rain[wettest] >= 1 else "below 1 mm"
    return Week(days[0], source, f"wettest {name}, {amount}", wettest, spans)
