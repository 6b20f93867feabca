"""The data that the lessons use: small, real where it can be, verified whenever it is read.

Everything lies in `data/`, so nothing is fetched; data/README.md says where each file came from.
"""

from . import clues as clues
from .batches import BOS, EOS, PAD, encode_pairs, pad, pair_vocabularies, shuffled
from .clues import FarClues, far_clues
from .dates import dates, write_date
from .files import data_path, data_text
from .numbers import number_in_words, number_pieces, number_places, number_words
from .pieces import piece_places, pieces, pieces_in
from .senses import Sense, senses
from .series import Series, co2, el_nino, sunspots
from .splits import Pair, Split, part_of, split_by
from .stories import Fact, Story, stories, structure_of
from .text import Passage, Plays, Vocabulary, passages, shakespeare, text_windows
from .weather import (
    Weather,
    Week,
    invented_weeks,
    seattle_weather,
    sentence_pieces,
    weather_pieces,
    weather_weeks,
)

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "Fact",
    "FarClues",
    "Pair",
    "Passage",
    "Plays",
    "Sense",
    "Series",
    "Split",
    "Story",
    "Vocabulary",
    "Weather",
    "Week",
    "clues",
    "co2",
    "data_path",
    "data_text",
    "dates",
    "el_nino",
    "encode_pairs",
    "far_clues",
    "invented_weeks",
    "number_in_words",
    "number_pieces",
    "number_places",
    "number_words",
    "pad",
    "pair_vocabularies",
    "part_of",
    "passages",
    "piece_places",
    "pieces",
    "pieces_in",
    "seattle_weather",
    "senses",
    "sentence_pieces",
    "shakespeare",
    "shuffled",
    "split_by",
    "stories",
    "structure_of",
    "sunspots",
    "text_windows",
    "weather_pieces",
    "weather_weeks",
    "write_date",
]
