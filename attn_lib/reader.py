"""A reader that answers a question by pointing at a word of a passage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checkpoints import load_checkpoint, read_note, save_checkpoint
from .config import TransformerConfig
from .datasets import PAD, Story, Vocabulary, data_path, pad
from .decoding import evaluating
from .masks import documents
from .transformer import Encoder


class PointerReader(nn.Module):
    """Passages (b, s) and questions (b, t) → log-weights (b, s): where the question looks.

    One encoder reads both, each sentence by itself, and nearer words weigh more (ALiBi). Every word
    of the question asks every word of the passage; a passage word's score is the sum over the
    question's words, plus `recency` for every word it stands further on, since what is said last
    counts. The weights are the result, so there are no values. stop: the token that ends a
    sentence. With `asks=False` there is no cross-attention: all that is known of the passage is the
    mean of its words, and it is compared with each word by itself, out of its sentence.

    Source: Vinyals et al. 2015, arXiv:1506.03134 (pointer networks).
    """

    def __init__(self, config: TransformerConfig, *, stop: int, asks: bool = True) -> None:
        super().__init__()
        self.stop, self.asks, dim = stop, asks, config.dim
        self.encoder = Encoder(config)
        self.q_proj = nn.Linear(dim if asks else 2 * dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        if asks:  # so that a question begins by looking for words like its own
            self.k_proj.weight.data.copy_(self.q_proj.weight)
        self.recency = nn.Parameter(torch.tensor(0.1))

    def forward(self, passages: Tensor, questions: Tensor, *, keep: Tensor) -> Tensor:
        """keep: bool (b, s), False where a passage is padding, or a word is to be hidden."""
        scores = self.scores(passages, questions, keep=keep).sum(dim=1)  # (b, s)
        scores = scores + self.recency * torch.arange(scores.shape[1], device=scores.device)
        return scores.masked_fill(~keep, -torch.inf).log_softmax(dim=-1)

    def scores(self, passages: Tensor, questions: Tensor, *, keep: Tensor) -> Tensor:
        """What each question word gives each passage word, (b, t, s); 0 for question padding."""
        real = questions != 0
        asking = self.encoder(questions, keep=real)  # (b, t, dim)
        ends = passages == self.stop
        sentence = ends.cumsum(dim=1) - ends.long()
        memory = self.encoder(passages, keep=keep, mask=documents(sentence))  # (b, s, dim)
        if not self.asks:
            shares = keep / keep.sum(1, keepdim=True)
            known = (shares[:, None] @ memory).expand(-1, questions.shape[1], -1)
            asking = torch.cat([asking, known], dim=-1)
            memory = self.encoder.embedding.tokens(passages)
        q, k = self.q_proj(asking), self.k_proj(memory)
        return q @ k.mT / q.shape[-1] ** 0.5 * real[:, :, None]


class Reader:
    """A `PointerReader` with its vocabulary: stories in, answers out.

    words: all that may occur in passages and questions.
    """

    def __init__(
        self, words: Sequence[str], *, asks: bool = True, dim: int = 64, heads: int = 4,
        layers: int = 1, seed: int = 0,
    ) -> None:  # fmt: skip
        self.vocabulary = Vocabulary(words, (PAD,))
        self._sizes = {"asks": asks, "dim": dim, "heads": heads, "layers": layers}
        config = TransformerConfig(
            vocab=len(self.vocabulary), dim=dim, heads=heads, layers=layers, positions="alibi",
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.model = PointerReader(config, stop=self.vocabulary.id("."), asks=asks)

    def encode(self, stories: Sequence[Story]) -> tuple[Tensor, Tensor, Tensor]:
        """Stories → passages (N, s), questions (N, t), padded, and where the answers stand (N,)."""
        passages = pad([self.vocabulary.encode(story.words) for story in stories])
        questions = pad([self.vocabulary.encode(story.question.split()) for story in stories])
        return passages, questions, torch.tensor([story.answer_at for story in stories])

    def loss(self, model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        """Minus the log of the weight on the answer's place."""
        passages, questions, places = batch
        return F.nll_loss(model(passages, questions, keep=passages != 0), places)

    @torch.no_grad()
    def weights(self, stories: Sequence[Story], hidden: Tensor | None = None) -> Tensor:
        """Where each question looks, (N, s). hidden: bool (N, s), words that are taken away."""
        passages, questions, _ = self.encode(stories)
        keep = passages != 0
        with evaluating(self.model):
            found = self.model(passages, questions, keep=keep if hidden is None else keep & ~hidden)
        return torch.as_tensor(found).exp()

    def answer(self, passage: Sequence[str], question: str) -> tuple[str, Tensor]:
        """The word that answers the question, and the weights (s,) over the passage's words.

        Raises ValueError naming the words that are not known.
        """
        words = [word for sentence in passage for word in sentence.split()]
        asked = Story(list(passage), question, "", 0, 0, [])
        weights = self.weights([asked])[0]
        return words[int(weights.argmax())], weights

    def right(self, stories: Sequence[Story]) -> float:
        """The share of stories in which the heaviest word is the answer."""
        found = [
            story.words[int(row.argmax())] == story.answer
            for start in range(0, len(stories), 500)
            for story, row in zip(
                stories[start : start + 500], self.weights(stories[start : start + 500]),
                strict=True,
            )
        ]  # fmt: skip
        return sum(found) / len(found)

    def save(self, path: Any, **note: Any) -> None:
        """Write a checkpoint in half precision, with all that `load_reader` needs."""
        words = list(self.vocabulary.symbols[1:])
        save_checkpoint(
            path, self.model, dtype=torch.float16, words=words, sizes=self._sizes, **note
        )


def load_reader(name: str = "06_reader") -> Reader:
    """A trained reader: "06_reader", or "06_reader_blind", which has no cross-attention.

    Made by data/make/checkpoints/reader.py. Raises ValueError for another name.
    """
    path = data_path(f"checkpoints/{name}.safetensors")
    note = read_note(path)
    reader = Reader(note["words"], **note["sizes"])
    load_checkpoint(path, reader.model)
    return reader
