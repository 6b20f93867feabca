"""Dates as people write them in fourteen languages, and in ISO 8601."""

from __future__ import annotations

import datetime
import json
import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from .files import data_text
from .splits import Pair, Split, check_choices, check_count, split_by

LANGUAGES = ("cs", "da", "de", "el", "en", "es", "fi", "fr", "it", "nl", "pl", "pt", "ru", "sv")
EIGHT = ("de", "en", "es", "fr", "it", "nl", "pl", "sv")
FORMATS = ("full", "long", "medium")
_FIELD = re.compile(r"'[^']*'|E+|M+|d+|y+|[^'EMdy]+")
_PART = {"d": "day", "M": "month", "y": "year"}


@cache
def _cldr() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(data_text("cldr_dates.json"))
    return table


def write_date(day: datetime.date, language: str, style: str = "long") -> Pair:
    """One date as the language writes it, with the places of its year, month and day.

    style "full" (with the day of the week), "long" or "medium": CLDR's patterns by those names,
    as in Babel 2.18.0, with every kind of space made ordinary. The target is ISO 8601,
    "YYYY-MM-DD"; `spans` gives [start, end) in the source for "year", "month" and "day".

    Raises ValueError for a language or style that data/cldr_dates.json does not hold.
    """
    check_choices("language", (language,), LANGUAGES)
    check_choices("style", (style,), FORMATS)
    entry = _cldr()[language]
    source, spans = "", {}
    for piece in _FIELD.findall(entry["patterns"][style]):
        word = _word(piece, day, entry)
        if piece[0] in _PART:
            spans[_PART[piece[0]]] = (len(source), len(source) + len(word))
        source += word
    return Pair(source, day.isoformat(), language, spans)


def _word(piece: str, day: datetime.date, entry: dict[str, Any]) -> str:
    """What one piece of a CLDR pattern stands for; letters in quotes stand for themselves."""
    words: dict[str, str] = {
        "EEEE": entry["days"][day.weekday()],
        "MMMM": entry["months"][day.month - 1],
        "MMM": entry["months_short"][day.month - 1],
        "MM": f"{day.month:02d}",
        "M": str(day.month),
        "dd": f"{day.day:02d}",
        "d": str(day.day),
        "y": str(day.year),
    }
    return words.get(piece, piece.strip("'"))


def dates(
    n: int = 30_000,
    *,
    languages: tuple[str, ...] = EIGHT,
    formats: tuple[str, ...] = FORMATS,
    years: tuple[int, int] = (1950, 2049),
    held_out: float = 0.1,
    seed: int = 0,
) -> Split[Pair]:
    """`n` renderings of random days, each with its ISO 8601 target, split by day.

    Every draw takes a day, a language and a format, each uniformly; years are inclusive. A day
    that is held out is unseen in every language and format, whatever `n` and `seed`: its part
    follows from the day alone. A rendering that was drawn twice stands once, so the parts
    together hold at most n pairs.

    Source: CLDR through Babel 2.18.0 (Unicode-3.0), data/cldr_dates.json.
    Raises ValueError for unknown languages or formats, n < 1, or years outside 1000 to 9999.
    """
    check_count("n", n)
    check_choices("languages", languages, LANGUAGES)
    check_choices("formats", formats, FORMATS)
    first, last = years
    if not 1000 <= first <= last <= 9999:
        raise ValueError(f"years: expected (first, last) within 1000 to 9999, got {years}")
    pairs = list(dict.fromkeys(_draw(n, languages, formats, first, last, seed)))
    drawn = [write_date(day, language, style) for day, language, style in pairs]
    return split_by(drawn, [pair.target for pair in drawn], held_out=held_out)


def _draw(
    n: int, languages: tuple[str, ...], formats: tuple[str, ...], first: int, last: int, seed: int
) -> Iterator[tuple[datetime.date, str, str]]:
    draw = random.Random(seed)
    start = datetime.date(first, 1, 1)
    span = (datetime.date(last, 12, 31) - start).days + 1
    for _ in range(n):
        day = start + datetime.timedelta(days=draw.randrange(span))
        yield day, draw.choice(languages), draw.choice(formats)
