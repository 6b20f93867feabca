"""Encoder-decoders with one fault each, to measure what the common mistakes cost.

Most of them stop with an error as soon as source and target differ in length. So everything here
is padded to one length, and each fault runs, trains and says nothing.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._mask import Mask
from .cache import KVCache
from .config import TransformerConfig
from .datasets import BOS, EOS, PAD, dates, shuffled
from .datasets.dates import LANGUAGES
from .masks import causal, padding
from .multihead import MultiHeadAttention
from .training import fit
from .transformer import EncoderDecoder
from .translator import Translator

FAULTS = {
    "none": "as it should be",
    "one_vector": "the whole source in one mean vector",
    "encoder_causal": "a causal mask in the encoder",
    "causal_cross": "a causal mask in the cross-attention",
    "target_mask": "the target's padding mask on the source",
    "keys_from_target": "keys from the decoder",
    "values_from_target": "values from the decoder",
    "roles_swapped": "the source asks, the target answers",
}
_SIDES = {  # who makes queries, keys and values: x is the target, m the memory
    "keys_from_target": "xxm",
    "values_from_target": "xmx",
    "roles_swapped": "mxx",
}


class FaultyAttention(MultiHeadAttention):
    """Cross-attention whose queries, keys and values come from the `sides` named, "xmm" is right.

    x (b, n, dim) and context (b, n, dim), of one length.
    """

    def __init__(self, dim: int, heads: int, sides: str) -> None:
        super().__init__(dim, heads)
        self.sides = sides

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        mask: Mask | Tensor | None = None,
        cache: KVCache | None = None,
        return_weights: bool = False,
    ) -> Any:
        """As in `MultiHeadAttention`; a cache cannot be used, since keys change with the target."""
        if context is None or cache is not None or context.shape != x.shape:
            raise ValueError("x, context: expected equal shapes and no cache")
        q, k, v = (
            self._split(project(x if side == "x" else context))
            for side, project in zip(
                self.sides, (self.q_proj, self.k_proj, self.v_proj), strict=True
            )
        )
        out, weights = self.attend(q, k, v, mask=mask, bias=None, dropout=0.0, return_weights=True)
        out = self.o_proj(out.transpose(1, 2).flatten(2))
        return (out, weights) if return_weights else out


class FaultyEncoderDecoder(EncoderDecoder):
    """An `EncoderDecoder` with one of `FAULTS`. Sources and targets are of one length, (b, n).

    Raises ValueError for an unknown fault.
    """

    def __init__(self, source: TransformerConfig, target: TransformerConfig, fault: str) -> None:
        if fault not in FAULTS:
            raise ValueError(f"fault: expected one of {', '.join(FAULTS)}, got {fault!r}")
        super().__init__(source, target)
        self.fault = fault
        if fault in _SIDES:
            for block in self.decoder.stack.blocks:
                block.cross_attention = FaultyAttention(target.dim, target.heads, _SIDES[fault])

    def forward(
        self, source: Tensor, target: Tensor, *, keep: Tensor | None = None, pad: int = 0,
        return_weights: bool = False,
    ) -> Any:  # fmt: skip
        """Logits (b, n, vocab); keep defaults to the source tokens that are not `pad`."""
        real = source != pad if keep is None else keep
        own = padding(real) & causal if self.fault == "encoder_causal" else padding(real)
        memory = self.encoder(source, mask=own)
        if self.fault == "one_vector":  # the same vector stands in every place
            shares = real / real.sum(1, keepdim=True)
            memory = (shares[:, None] @ memory).expand_as(memory)
        seen = {
            "causal_cross": padding(real) & causal,
            "target_mask": padding(target != pad),
        }.get(self.fault, padding(real))
        return self.decoder(target, memory, context_mask=seen, return_weights=return_weights)

    @torch.no_grad()
    def write(self, source: Tensor, *, start: int, stop: int, pad: int = 0) -> Tensor:
        """Greedy targets (b, n) of sources (b, n): a row of padding is filled from the left."""
        target = torch.full_like(source, pad)
        target[:, 0] = start
        for place in range(source.shape[1] - 1):
            token = self(source, target, pad=pad)[:, place].argmax(-1)
            done = (target == stop).any(1)
            target[:, place + 1] = token.masked_fill(done, pad)
        return target


def train_faulty(
    fault: str, *, steps: int, seed: int = 0, tested: int = 500
) -> tuple[float, float]:
    """Train one fault on dates in fourteen languages; its loss and exact match on unseen dates.

    The loss is teacher-forced; the match is of `tested` dates that the model writes by itself.
    """
    split = dates(languages=LANGUAGES)
    helper = Translator(split.train)
    sources, targets = helper.encode_pairs(split.train)
    unseen, wanted = helper.encode_pairs(split.test[:tested])
    n = max(sources.shape[1], targets.shape[1])
    sources, targets, unseen, wanted = (
        F.pad(table, (0, n - table.shape[1])) for table in (sources, targets, unseen, wanted)
    )
    sizes: Any = {"dim": 64, "heads": 4, "layers": 1, "positions": "sinusoidal"}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = FaultyEncoderDecoder(
            TransformerConfig(vocab=len(helper.source), **sizes),
            TransformerConfig(vocab=len(helper.target), **sizes),
            fault,
        )

    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        read, written = batch
        fed = F.pad(written[:, :-1], (0, 1))
        labels = F.pad(written[:, 1:], (0, 1))
        return F.cross_entropy(model(read, fed).flatten(0, 1), labels.flatten(), ignore_index=0)

    fit(model, shuffled(sources, targets, batch=64, seed=seed), loss, steps=steps, seed=seed)
    with torch.no_grad():
        left = float(loss(model, (unseen, wanted)))
    start, stop = (helper.target.id(symbol) for symbol in (BOS, EOS))
    written = model.write(unseen, start=start, stop=stop, pad=helper.target.id(PAD))
    return left, float((written == wanted).all(1).float().mean())
