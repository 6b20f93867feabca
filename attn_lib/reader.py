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
from .transformer import Encoder


class PointerReader(nn.Module):
    """Passages (b, s) and questions (b, t) → log-weights (b, s): where the question looks.

    Question and passage are read by one encoder. The question's last word asks, the passage's words
    answer, one head; its weights are the result, so there are no values. With `asks=False` there
    is no cross-attention: all that is known of the passage is the mean of its words, and what is
    compared with the question is each word by itself, out of its sentence.

    Source: Vinyals et al. 2015, arXiv:1506.03134 (pointer networks).
    """

    def __init__(self, config: TransformerConfig, *, asks: bool = True) -> None:
        super().__init__()
        self.asks, dim = asks, config.dim
        self.encoder = Encoder(config)
        self.q_proj = nn.Linear(dim if asks else 2 * dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, passages: Tensor, questions: Tensor, *, keep: Tensor) -> Tensor:
        """keep: bool (b, s), False where a passage is padding, or a word is to be hidden."""
        real = questions != 0
        read = self.encoder(questions, torch.ones_like(questions), keep=real)  # (b, t, dim)
        last = real.sum(1) - 1
        asking = read[torch.arange(len(read)), last]  # (b, dim)
        memory = self.encoder(passages, keep=keep)  # (b, s, dim)
        if not self.asks:
            shares = keep / keep.sum(1, keepdim=True)
            asking = torch.cat([asking, (shares[:, None] @ memory)[:, 0]], dim=1)
            memory = self.encoder.embedding.tokens(passages)
        q, k = self.q_proj(asking), self.k_proj(memory)
        scores = (k @ q[:, :, None])[:, :, 0] / q.shape[-1] ** 0.5  # (b, s)
        return scores.masked_fill(~keep, -torch.inf).log_softmax(dim=-1)


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
            vocab=len(self.vocabulary), dim=dim, heads=heads, layers=layers, token_types=2,
            positions="learned", max_length=72,
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.model = PointerReader(config, asks=asks)

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
