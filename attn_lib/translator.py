"""An encoder-decoder with its two vocabularies: text in, text out, and where it looked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpoints import load_checkpoint, read_note, save_checkpoint
from .config import TransformerConfig
from .datasets import BOS, EOS, PAD, Vocabulary, data_path, pad
from .datasets.numbers import number_pieces
from .datasets.pieces import pieces
from .datasets.weather import sentence_pieces, weather_pieces
from .decoding import evaluating
from .transformer import EncoderDecoder

Cut = Callable[[str], Sequence[str]]
CUTS: dict[str, tuple[Cut, Cut]] = {  # of the source, and of the target, whose tokens join again
    "pieces": (pieces, list),
    "numbers": (number_pieces, list),
    "weather": (weather_pieces, sentence_pieces),
}


class TextPair(Protocol):
    """Whatever has a source and a target text: `datasets.Pair`, `datasets.Week`."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...


class Look(NamedTuple):
    """One text translated: the answer, the tokens on both sides, and who looked where.

    cross: the weights of each layer, (heads, T, S). Row t belongs to written[t], the token that is
    about to be written; the last is "<eos>". Column s belongs to read[s].
    """

    answer: str
    read: list[str]
    written: list[str]
    cross: list[Tensor]


class Translator:
    """An `EncoderDecoder` that takes and gives text.

    cut: how texts become tokens. "pieces" reads words, digits and signs, "numbers" the parts of
    number words; both write characters. "weather" reads records and writes words and digits. The
    vocabularies are those of `pairs`, the only pairs that it may be trained on; `longest` tokens
    are written at most.
    """

    def __init__(
        self,
        pairs: Sequence[TextPair] = (),
        *,
        cut: str = "pieces",
        dim: int = 64,
        heads: int = 4,
        layers: int = 1,
        seed: int = 0,
        symbols: Sequence[Sequence[str]] | None = None,
        longest: int | None = None,
    ) -> None:
        if cut not in CUTS:
            raise ValueError(f"cut: expected one of {', '.join(CUTS)}, got {cut!r}")
        self._cut = CUTS[cut]
        if symbols is None or longest is None:
            read, written = (
                [self._cut[side]((pair.source, pair.target)[side]) for pair in pairs]
                for side in (0, 1)
            )
            symbols = [
                sorted({token for text in texts for token in text}) for texts in (read, written)
            ]
            longest = max(map(len, written))
        self.longest, self._sizes = longest, {
            "cut": cut, "dim": dim, "heads": heads, "layers": layers, "longest": longest,
        }  # fmt: skip
        self.source, self.target = (Vocabulary(side, (PAD, BOS, EOS)) for side in symbols)
        sizes: Any = {"dim": dim, "heads": heads, "layers": layers, "positions": "sinusoidal"}
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.model = EncoderDecoder(
                TransformerConfig(vocab=len(self.source), **sizes),
                TransformerConfig(vocab=len(self.target), **sizes),
            )

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Texts → token ids (N, S) and what is real in them, bool (N, S).

        Raises ValueError naming what the vocabulary lacks.
        """
        ids = pad([self.source.encode(self._cut[0](text)) for text in texts])
        return ids, ids != self.source.id(PAD)

    def encode_pairs(self, pairs: Sequence[TextPair]) -> tuple[Tensor, Tensor]:
        """Pairs → sources (N, S) and targets (N, T + 2) between "<bos>" and "<eos>", padded."""
        start, stop = (torch.tensor([self.target.id(symbol)]) for symbol in (BOS, EOS))
        written = [self.target.encode(self._cut[1](pair.target)) for pair in pairs]
        targets = pad([torch.cat((start, ids, stop)) for ids in written])
        return self.encode([pair.source for pair in pairs])[0], targets

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Teacher forcing: cross-entropy of each target token given the true ones before it."""
        sources, targets = batch
        logits = model(sources, targets[:, :-1], keep=sources != self.source.id(PAD))
        return F.cross_entropy(
            logits.flatten(0, 1), targets[:, 1:].flatten(), ignore_index=self.target.id(PAD)
        )

    def translate(self, texts: Sequence[str], *, width: int = 1) -> list[str]:
        """The answer to each text, greedily, or the best that a beam of `width` finds."""
        sources, keep = self.encode(texts)
        start, stop = self.target.id(BOS), self.target.id(EOS)
        ends: Any = {"start": start, "stop": stop}
        if width == 1:
            written = self.model.generate(sources, self.longest + 1, keep=keep, **ends)
        else:
            steps = self.longest + 1
            written = self.model.beam(sources, steps, width=width, keep=keep, **ends)[0]
        return [self.target.decode(ids) for ids in written]

    def exact_match(self, pairs: Sequence[TextPair], *, width: int = 1) -> float:
        """The share of pairs whose target comes out right to the last token."""
        answers: list[str] = []
        for start in range(0, len(pairs), 500):
            sources = [pair.source for pair in pairs[start : start + 500]]
            answers += self.translate(sources, width=width)
        right = [found == pair.target for found, pair in zip(answers, pairs, strict=True)]
        return sum(right) / len(right)

    @torch.no_grad()
    def look(self, text: str) -> Look:
        """Translate one text greedily and say where each written token looked."""
        sources, keep = self.encode([text])
        start, stop = self.target.id(BOS), self.target.id(EOS)
        ids = self.model.generate(sources, self.longest + 1, start=start, stop=stop, keep=keep)
        fed = ids[:, :-1] if int(ids[0, -1]) == stop else ids
        with evaluating(self.model):
            _, _, maps = self.model(sources, fed, keep=keep, return_weights=True)
        written = [self.target.symbols[i] for i in ids[0, 1:].tolist()]
        weights = [layer[0, :, : len(written)] for layer in maps.cross]
        return Look(self.target.decode(ids[0]), list(self._cut[0](text)), written, weights)

    def save(self, path: Any, **note: Any) -> None:
        """Write a checkpoint in half precision, with all that `load_translator` needs."""
        symbols = [list(v.symbols[len(v.specials) :]) for v in (self.source, self.target)]
        save_checkpoint(
            path, self.model, dtype=torch.float16, symbols=symbols, sizes=self._sizes, **note
        )


def load_translator(name: str) -> Translator:
    """A trained translator of this library: "06_dates", "06_numbers" or "06_weather".

    Its checkpoint lies in data/checkpoints and was made by data/make/checkpoints/translators.py.
    Raises ValueError for another name.
    """
    path = data_path(f"checkpoints/{name}.safetensors")
    note = read_note(path)
    translator = Translator(symbols=note["symbols"], **note["sizes"])
    load_checkpoint(path, translator.model)
    return translator
