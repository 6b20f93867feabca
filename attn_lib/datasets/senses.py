"""Sentences in which one word means one of two things."""

from __future__ import annotations

from typing import NamedTuple

from .files import data_text


class Sense(NamedTuple):
    """A word, one of its two senses, and a sentence that holds the word once, in that sense."""

    word: str
    sense: str
    sentence: str


def senses() -> list[Sense]:
    """200 sentences: bank, light, spring, bat and crane, two senses each, twenty of each sense.

    The word stands in its plain form ("bank", never "banks"), so that every vector of a word comes
    from the same row of an embedding table. The sentences were written for this course before
    anything was measured on them, and none has been removed since. data/senses.tsv (CC BY 4.0).
    """
    rows = data_text("senses.tsv").splitlines()[1:]
    return [Sense(*row.split("\t")) for row in rows]
