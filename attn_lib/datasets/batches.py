"""Sequences of unequal length as padded tensors, and endless shuffled batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .splits import Pair, check_count
from .text import Vocabulary

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"


def pad(sequences: Sequence[Tensor], value: int = 0) -> Tensor:
    """Token ids of unequal length, each (n_i,), → (len(sequences), max n_i), filled at the end.

    The mask of the real tokens is `padded != value`. Raises ValueError for an empty list.
    """
    if not sequences:
        raise ValueError("sequences: expected at least one sequence, got an empty list")
    return torch.nn.utils.rnn.pad_sequence(list(sequences), batch_first=True, padding_value=value)


def pair_vocabularies(pairs: Sequence[Pair]) -> tuple[Vocabulary, Vocabulary]:
    """Character vocabularies of the sources and of the targets, with "<pad>" = 0, "<bos>" = 1
    and "<eos>" = 2 in front."""
    specials = (PAD, BOS, EOS)
    return (
        Vocabulary.of((pair.source for pair in pairs), specials),
        Vocabulary.of((pair.target for pair in pairs), specials),
    )


def encode_pairs(
    pairs: Sequence[Pair], source: Vocabulary, target: Vocabulary
) -> tuple[Tensor, Tensor]:
    """Pairs → (sources, targets), (N, S) and (N, T + 2), int64, padded with "<pad>".

    Targets stand between "<bos>" and "<eos>": feed targets[:, :-1], predict targets[:, 1:].
    Raises ValueError if a pair holds a symbol that the vocabulary lacks.
    """
    bos, eos = (torch.tensor([target.id(symbol)]) for symbol in (BOS, EOS))
    sources = [source.encode(pair.source) for pair in pairs]
    targets = [torch.cat((bos, target.encode(pair.target), eos)) for pair in pairs]
    return pad(sources, source.id(PAD)), pad(targets, target.id(PAD))


def shuffled(*tensors: Tensor, batch: int, seed: int = 0) -> Iterator[tuple[Tensor, ...]]:
    """Endless batches of rows taken together from `tensors`, each (N, ...) → (batch, ...).

    Every row comes once before any comes again; what is left of a round that does not fill a
    batch is dropped. The order follows from `seed` alone.

    Raises ValueError if the tensors have unequal or too few rows.
    """
    check_count("batch", batch)
    counts = {len(tensor) for tensor in tensors}
    if len(counts) != 1 or min(counts) < batch:
        raise ValueError(
            f"tensors: expected equally many rows, at least batch = {batch}, got "
            f"{[len(tensor) for tensor in tensors]}"
        )
    return _rounds(tensors, batch, torch.Generator().manual_seed(seed))


def _rounds(
    tensors: tuple[Tensor, ...], batch: int, draw: torch.Generator
) -> Iterator[tuple[Tensor, ...]]:
    n = len(tensors[0])
    while True:
        order = torch.randperm(n, generator=draw)
        for start in range(0, n - batch + 1, batch):
            rows = order[start : start + batch]
            yield tuple(tensor[rows.to(tensor.device)] for tensor in tensors)
