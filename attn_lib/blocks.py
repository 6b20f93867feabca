"""The parts of a transformer between embedding and read-out: feed-forward, block, stack."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from ._mask import Mask, whole
from .cache import KVCache
from .config import TransformerConfig
from .masks import chunks, window

LayerCache = tuple[KVCache | None, KVCache | None]  # of a layer's own tokens, and of its context


class Maps(NamedTuple):
    """What a stack did on the way, as far as it was asked: first layer first.

    weights: (b, heads, n, m) of the self-attentions, one per layer.  cross: the same of the
    cross-attentions, if there are any.  hidden: (b, n, dim), the input at index 0 and then what
    each block gave, before the last norm.  A list that was not asked for is empty.
    """

    weights: list[Tensor]
    cross: list[Tensor]
    hidden: list[Tensor]


class FeedForward(nn.Module):
    """Each token on its own: down(gelu(up(x))), or down(silu(gate(x)) * up(x)) for "swiglu".

    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415 (exact GELU); Shazeer 2020,
    arXiv:2002.05202 (SwiGLU).
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        hidden = whole("hidden", 4 * config.dim if config.hidden is None else config.hidden)
        gated = config.feed_forward == "swiglu"
        self.gate = nn.Linear(config.dim, hidden, bias=config.bias) if gated else None
        self.up = nn.Linear(config.dim, hidden, bias=config.bias)
        self.down = nn.Linear(hidden, config.dim, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.gate is None:
            return self.down(F.gelu(self.up(x)))
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """Tokens look at each other, perhaps at a context too, then each thinks for itself.

    Every step adds to x (b, n, dim). With `norm_first` a step reads x normalised, as in models
    since GPT-2; otherwise the sum is normalised, as in Vaswani et al. 2017 and in BERT.
    """

    def __init__(
        self,
        config: TransformerConfig,
        kind: str = "full_attention",
        context_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.kind, self.window, self.norm_first = kind, config.window, config.norm_first
        self.attention_norm = config.make_norm()
        self.attention = config.make_attention(kind)
        if context_dim is not None:
            self.cross_norm = config.make_norm()
            self.cross_attention = config.make_cross_attention(context_dim)
        self.feed_forward_norm = config.make_norm()
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        mask: Mask | None = None,
        context_mask: Mask | None = None,
        cache: LayerCache = (None, None),
        return_weights: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """x, and if asked the weights (b, heads, n, m) of its one or two attentions."""
        own, others = cache
        read = self._read(self.attention_norm, x)
        step, maps = _parts(
            self.attention(read, mask=self._near(mask), cache=own, return_weights=return_weights)
        )
        x = self._add(self.attention_norm, x, step)
        if context is not None:
            read = self._read(self.cross_norm, x)
            step, more = _parts(
                self.cross_attention(
                    read, context, mask=context_mask, cache=others, return_weights=return_weights
                )
            )
            x, maps = self._add(self.cross_norm, x, step), maps + more
        step = self.feed_forward(self._read(self.feed_forward_norm, x))
        return self._add(self.feed_forward_norm, x, step), maps

    def make_cache(self) -> LayerCache:
        """Empty caches for its own tokens and for its context."""
        own = KVCache(None if self.kind == "full_attention" else self.window)
        return own, KVCache() if hasattr(self, "cross_attention") else None

    def _near(self, mask: Mask | None) -> Mask | None:
        if self.kind == "full_attention" or self.window is None:
            return mask
        near = (window if self.kind == "sliding_attention" else chunks)(self.window)
        return near if mask is None else mask & near

    def _read(self, norm: nn.Module, x: Tensor) -> Tensor:
        return norm(x) if self.norm_first else x

    def _add(self, norm: nn.Module, x: Tensor, step: Tensor) -> Tensor:
        x = x + self.dropout(step)
        return x if self.norm_first else norm(x)


class Stack(nn.Module):
    """Blocks one after the other, of the kinds that the configuration names, and a last norm.

    It works on vectors (b, n, dim), so it serves series and images as well as tokens.
    """

    def __init__(self, config: TransformerConfig, context_dim: int | None = None) -> None:
        super().__init__()
        self.config, self.context_dim = config, context_dim
        if config.shared:
            kinds = config.kinds()
            self.blocks = nn.ModuleList([Block(config, kinds[0], context_dim)] * len(kinds))
        else:
            self.blocks = nn.ModuleList(Block(config, kind, context_dim) for kind in config.kinds())
        self.norm = config.make_norm() if config.norm_first else nn.Identity()

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        mask: Mask | None = None,
        context_mask: Mask | None = None,
        caches: list[LayerCache] | None = None,
        return_weights: bool = False,
        return_hidden: bool = False,
    ) -> Any:
        """x (b, n, dim) after all blocks, then the `Maps` of the way there if asked.

        `return_weights` fills all of `Maps`; `return_hidden` alone fills `hidden` and keeps the
        fused kernel. mask and context_mask are of class `Mask`, since each layer joins its own
        window to them.
        """
        self._check(context, mask, context_mask, caches)
        maps = Maps([], [], [x])
        asked = return_weights or return_hidden
        for i, block in enumerate(self.blocks):
            x, weights = block(
                x, context, mask=mask, context_mask=context_mask,
                cache=caches[i] if caches else (None, None),
                return_weights=return_weights,
            )  # fmt: skip
            if return_weights:
                maps.weights.append(weights[0])
                maps.cross.extend(weights[1:])
            if asked:
                maps.hidden.append(x)
        return (self.norm(x), maps) if asked else self.norm(x)

    def make_caches(self) -> list[LayerCache]:
        """Empty caches, a pair for each layer, to be given to every call of one generation."""
        return [block.make_cache() for block in self.blocks if isinstance(block, Block)]

    def _check(self, context: Tensor | None, mask: Any, context_mask: Any, caches: Any) -> None:
        if (context is None) != (self.context_dim is None):
            raise ValueError(
                f"context: expected {'None' if self.context_dim is None else 'a tensor'}, since "
                f"this stack was built with context_dim={self.context_dim}, got "
                f"{'None' if context is None else tuple(context.shape)}"
            )
        for name, given in (("mask", mask), ("context_mask", context_mask)):
            if given is not None and not isinstance(given, Mask):
                raise TypeError(
                    f"{name}: expected a Mask, got {type(given).__name__}; use padding(keep) for "
                    "padded batches, or MultiHeadAttention where a table of your own is needed"
                )
        if caches is not None and len(caches) != len(self.blocks):
            raise ValueError(
                f"caches: expected a pair for each of the {len(self.blocks)} layers, got "
                f"{len(caches)}; use make_caches()"
            )


def _parts(result: Any) -> tuple[Tensor, list[Tensor]]:
    return (result[0], [result[1]]) if isinstance(result, tuple) else (result, [])
