"""Cutting short texts into pieces, and finding which pieces a stretch of the text holds."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\d|[^\W\d_]+|[^\w\s]")


def pieces(text: str) -> list[str]:
    """Words, single digits and single signs in order; blanks only separate.

    "15. Juni 2019" → "1", "5", ".", "Juni", "2", "0", "1", "9".
    """
    return _PIECE.findall(text)


def piece_places(text: str) -> list[tuple[int, int]]:
    """[start, end) of each of `pieces(text)` in the text."""
    return [found.span() for found in _PIECE.finditer(text)]


def pieces_in(text: str, span: tuple[int, int]) -> list[int]:
    """Which of `pieces(text)`, counted from 0, lie inside [start, end) of the text."""
    start, end = span
    places = piece_places(text)
    return [i for i, (first, last) in enumerate(places) if start <= first and last <= end]
