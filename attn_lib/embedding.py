"""From tokens to vectors: a table, and what says where each token stands."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import TransformerConfig
from .positions import sinusoidal


class Embedding(nn.Module):
    """Tokens (b, n) -> vectors (b, n, dim), with what the configuration adds to them.

    Source of the factor sqrt(dim) beside sinusoidal positions: Vaswani et al. 2017.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.dim if config.embedding_dim is None else config.embedding_dim
        self.tokens = nn.Embedding(config.vocab, width)
        nn.init.normal_(self.tokens.weight, std=width**-0.5)  # tied logits begin near 1
        if config.positions == "learned":
            self.positions = nn.Embedding(config.max_length or 0, width)
            nn.init.normal_(self.positions.weight, std=width**-0.5)
        self.types = nn.Embedding(config.token_types, width) if config.token_types else None
        self.norm = config.make_norm(width) if config.embedding_norm else nn.Identity()
        factored = config.embedding_dim is not None
        self.widen = nn.Linear(width, config.dim) if factored else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, types: Tensor | None = None, *, offset: int = 0) -> Tensor:
        """`types` (b, n) names a segment for each token, 0 unless given; `offset` a position."""
        self._check(tokens, offset)
        n, config = tokens.shape[1], self.config
        x: Tensor = self.tokens(tokens)
        if config.positions == "sinusoidal":
            width = x.shape[-1]
            x = x * width**0.5 + sinusoidal(n, width, offset=offset).to(x)
        elif config.positions == "learned":
            x = x + self.positions.weight[offset : offset + n]
        if self.types is not None:
            x = x + self.types(torch.zeros_like(tokens) if types is None else types)
        out: Tensor = self.widen(self.dropout(self.norm(x)))
        return out

    def _check(self, tokens: Tensor, offset: int) -> None:
        if not isinstance(tokens, Tensor) or tokens.dtype not in (torch.int64, torch.int32):
            got = tokens.dtype if isinstance(tokens, Tensor) else type(tokens).__name__
            raise TypeError(f"tokens: expected whole numbers, int64, got {got}; use tokens.long()")
        if tokens.ndim != 2:
            raise ValueError(
                f"tokens: expected (b, n), got {tuple(tokens.shape)}; use tokens.unsqueeze(0) for "
                "one example"
            )
        longest = self.config.max_length
        if self.config.positions == "learned" and offset + tokens.shape[1] > (longest or 0):
            raise ValueError(
                f"tokens: expected at most max_length = {longest} positions, got "
                f"{offset + tokens.shape[1]}; shorten the text, or use positions without a limit"
            )
        if tokens.device.type == "cpu" and not torch.compiler.is_compiling() and tokens.numel():
            low, high = (int(end) for end in tokens.aminmax())
            if low < 0 or high >= self.config.vocab:
                raise ValueError(
                    f"tokens: expected numbers from 0 to {self.config.vocab - 1}, the vocabulary, "
                    f"got {low} to {high}; build the model for a larger vocab, or check the text"
                )
