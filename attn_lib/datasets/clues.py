"""A task with one clue far away: who sees it, answers; who does not, can only guess."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .splits import check_count

VALUES, FILLERS = 8, 8
ASK, BOARD = VALUES, VALUES + 1  # token ids; 0 to VALUES - 1 are the clues
VOCAB = VALUES + 2 + FILLERS


class FarClues(NamedTuple):
    """A batch: tokens (b, n), what each text's questions want (b,), where it stands (b, copies)."""

    tokens: Tensor
    answers: Tensor
    places: Tensor


def far_clues(
    *, length: int, places: range, batch: int, asks: int = 16, copies: int = 1, seed: int = 0
) -> Iterator[FarClues]:
    """Endless batches of texts with one clue among fillers, and questions at their end.

    Token 0 of a text is the board, the last `asks` tokens are questions. At `copies` of `places`,
    drawn uniformly, stands the clue, one of 8; every other token is one of 8 fillers. Each question
    wants the clue; a guess is right one time in 8. The order follows from `seed` alone.

    Raises ValueError if a place falls on the board, on a question or outside the text.
    """
    counts = {"length": length, "batch": batch, "asks": asks, "copies": copies}
    for name, count in counts.items():
        check_count(name, count)
    if not places or min(places) < 1 or max(places) >= length - asks:
        raise ValueError(
            f"places: expected some of 1 to {length - asks - 1}, behind the board and before the "
            f"{asks} questions, got {places}"
        )
    if copies > len(places):
        raise ValueError(f"copies: expected at most {len(places)}, the places, got {copies}")
    return _texts(length, places, batch, asks, copies, torch.Generator().manual_seed(seed))


def _texts(
    length: int, places: range, batch: int, asks: int, copies: int, draw: torch.Generator
) -> Iterator[FarClues]:
    free = torch.tensor(places)
    while True:
        tokens = torch.randint(BOARD + 1, VOCAB, (batch, length), generator=draw)
        tokens[:, 0], tokens[:, -asks:] = BOARD, ASK
        answers = torch.randint(VALUES, (batch,), generator=draw)
        where = free[torch.rand(batch, len(free), generator=draw).argsort(-1)[:, :copies]]
        tokens.scatter_(1, where, answers[:, None].expand(-1, copies))
        yield FarClues(tokens, answers, where)
