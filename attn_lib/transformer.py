"""Encoder, decoder language model and encoder-decoder: embeddings, a stack, a read-out."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import LayerCache, Stack
from .config import TransformerConfig
from .decoding import beam_search, evaluating, generate
from .embedding import Embedding
from .masks import Mask, causal, padding


class Encoder(nn.Module):
    """Tokens (b, n) -> vectors (b, n, dim); every token sees every other.

    Source: Devlin et al. 2018, arXiv:1810.04805 (`norm_first=False`); Vaswani et al. 2017.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config)
        self.stack = Stack(config)

    def forward(
        self,
        tokens: Tensor,
        types: Tensor | None = None,
        *,
        keep: Tensor | None = None,
        mask: Mask | None = None,
        return_weights: bool = False,
        return_hidden: bool = False,
    ) -> Any:
        """Vectors (b, n, dim), then `Maps` if asked.

        keep: bool (b, n), False where a row is padded; the same as mask=padding(keep). Maps.hidden
        begins with the embeddings as the first block reads them.
        """
        if keep is not None:
            mask = padding(keep) if mask is None else mask & padding(keep)
        x = self.embedding(tokens, types)
        return self.stack(x, mask=mask, return_weights=return_weights, return_hidden=return_hidden)


class DecoderLM(nn.Module):
    """Tokens (b, n) -> logits (b, n, vocab) for the token after each; no token sees ahead.

    With `context_dim` every block also looks at a context (b, m, context_dim), and the model is
    the right half of an encoder-decoder. The read-out shares the embedding's weights if `tied`.

    Source: Radford et al. 2019 (GPT-2); Press and Wolf 2016, arXiv:1608.05859 (tied read-out).
    """

    def __init__(self, config: TransformerConfig, context_dim: int | None = None) -> None:
        super().__init__()
        if config.tied and config.embedding_dim not in (None, config.dim):
            raise ValueError(
                f"tied: expected False beside embedding_dim = {config.embedding_dim}, since the "
                f"read-out works on dim = {config.dim} features, got True"
            )
        self.config = config
        self.embedding = Embedding(config)
        self.stack = Stack(config, context_dim)
        self.head = None if config.tied else nn.Linear(config.dim, config.vocab, bias=False)

    def forward(
        self,
        tokens: Tensor,
        context: Tensor | None = None,
        *,
        mask: Mask = causal,
        context_mask: Mask | None = None,
        caches: list[LayerCache] | None = None,
        return_weights: bool = False,
        return_hidden: bool = False,
    ) -> Any:
        """Logits (b, n, vocab), then `Maps` if asked.

        mask is the whole mask: `causal & padding(keep)`, `causal | prefix(p)`. With `caches`, from
        `stack.make_caches()`, the tokens continue those that the caches hold.
        """
        own = caches[0][0] if caches else None
        x = self.embedding(tokens, offset=0 if own is None else own.length)
        out = self.stack(
            x, context, mask=mask, context_mask=context_mask,
            caches=caches, return_weights=return_weights, return_hidden=return_hidden,
        )  # fmt: skip
        x, *maps = out if isinstance(out, tuple) else (out,)
        logits = F.linear(x, self.embedding.tokens.weight) if self.head is None else self.head(x)
        return (logits, *maps) if maps else logits

    def generate(
        self,
        tokens: Tensor,
        steps: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        stop: int | None = None,
        cache: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """tokens (b, n) with up to `steps` new ones behind them, (b, n + steps) at most.

        temperature 0 takes the likeliest token each time; `top_k` draws among the k likeliest.
        A row that wrote `stop` is filled up with it, and when all have, writing ends. `cache`
        changes the time and not the text. Dropout is off; the module's mode is as before.
        """
        return generate(
            self, tokens, steps, temperature=temperature, top_k=top_k, stop=stop, cache=cache,
            generator=generator,
        )  # fmt: skip


class EncoderDecoder(nn.Module):
    """A source (b, m) is read, a target (b, n) is written: logits (b, n, vocab of the target).

    Each target token sees the target tokens before it and, in every layer, the whole source.

    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(self, source: TransformerConfig, target: TransformerConfig) -> None:
        super().__init__()
        self.encoder = Encoder(source)
        self.decoder = DecoderLM(target, context_dim=source.dim)

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        *,
        keep: Tensor | None = None,
        return_weights: bool = False,
    ) -> Any:
        """Logits for the token after each target token, then the encoder's and decoder's `Maps`.

        keep: bool (b, m), False where the source is padding. The decoder's `Maps.cross` say which
        source tokens each target token looked at.
        """
        seen = None if keep is None else padding(keep)
        read = self.encoder(source, mask=seen, return_weights=return_weights)
        memory, *maps = read if return_weights else (read,)
        out = self.decoder(target, memory, context_mask=seen, return_weights=return_weights)
        return (out[0], *maps, out[1]) if return_weights else out

    def generate(
        self,
        source: Tensor,
        steps: int,
        *,
        start: int,
        stop: int | None = None,
        keep: Tensor | None = None,
        temperature: float = 0.0,
        top_k: int | None = None,
        cache: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The target of each source (b, m): `start` and up to `steps` tokens, (b, 1 + steps).

        Greedy, unless `temperature` says otherwise; the rest is as in `DecoderLM.generate`.
        """
        memory, tokens = self._read(source, start, keep)
        return generate(
            self.decoder, tokens, steps, context=memory,
            context_mask=None if keep is None else padding(keep), temperature=temperature,
            top_k=top_k, stop=stop, cache=cache, generator=generator,
        )  # fmt: skip

    def beam(
        self,
        source: Tensor,
        steps: int,
        *,
        start: int,
        stop: int,
        width: int = 4,
        length_penalty: float = 0.0,
        keep: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The likeliest target found, (b, 1 + steps) at most, and its log-probability (b,).

        The `width` likeliest beginnings go on side by side until each wrote `stop`; width 1 is
        greedy. Long targets lose probability with every token: the winner is the largest
        log-probability / length^length_penalty.

        Raises ValueError if width < 1.  Source: Wu et al. 2016, arXiv:1609.08144.
        """
        memory, tokens = self._read(source, start, keep)
        return beam_search(
            self.decoder, tokens, steps, stop=stop, width=width, length_penalty=length_penalty,
            context=memory, keep=keep,
        )  # fmt: skip

    @torch.no_grad()
    def _read(self, source: Tensor, start: int, keep: Tensor | None) -> tuple[Tensor, Tensor]:
        with evaluating(self.encoder):
            memory = self.encoder(source, mask=None if keep is None else padding(keep))
        return memory, torch.full_like(source[:, :1], start)
