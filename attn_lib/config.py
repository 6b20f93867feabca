"""The sizes and choices in which transformers differ, checked in one place.

BERT is `norm_first=False` with learned positions, token types and biases; Llama has "rms" norms,
"rotary" positions, grouped heads and a "swiglu" feed-forward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import nn

from ._mask import whole
from .attention import fused_attention
from .hosted import attend_alibi, attend_sliding
from .multihead import MultiHeadAttention
from .positions import Pairing, rotary

KINDS = ("full_attention", "sliding_attention", "chunked_attention")
CHOICES = {
    "feed_forward": ("gelu", "swiglu"),
    "norm": ("layer", "rms"),
    "positions": ("none", "sinusoidal", "learned", "rotary", "alibi"),
}


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes and choices of one stack of layers; the defaults are a small modern decoder's.

    hidden: width of the feed-forward, 4 * dim unless given.  max_length: tokens that "learned"
    positions reach.  layer_pattern: kinds of attention, repeated over the layers:
    ("sliding_attention",) * 5 + ("full_attention",) is five to one. A sliding layer sees `window`
    keys, itself included; a chunked one sees its own chunk of `window` positions.
    embedding_dim: width of the embedding's tables, brought to `dim` by a projection.  shared: one
    layer's weights serve all layers. ALBERT has both (Lan et al. 2019, arXiv:1909.11942).

    Raises ValueError that names the field and what it may be.
    """

    vocab: int
    dim: int
    heads: int
    layers: int
    kv_heads: int | None = None
    head_dim: int | None = None
    hidden: int | None = None
    feed_forward: Literal["gelu", "swiglu"] = "gelu"
    norm: Literal["layer", "rms"] = "layer"
    norm_eps: float = 1e-5
    norm_first: bool = True
    bias: bool = False
    dropout: float = 0.0
    positions: Literal["none", "sinusoidal", "learned", "rotary", "alibi"] = "rotary"
    max_length: int | None = None
    rotary_base: float = 10_000.0
    pairing: Pairing = "interleaved"
    token_types: int = 0
    embedding_norm: bool = False
    embedding_dim: int | None = None
    tied: bool = True
    layer_pattern: Sequence[str] = ("full_attention",)
    window: int | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        for name in ("vocab", "dim", "heads", "layers"):
            whole(name, getattr(self, name))
        for name in ("kv_heads", "head_dim", "hidden", "max_length", "embedding_dim", "window"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name))
        whole("token_types", self.token_types, least=0)
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: expected one of {allowed}, got {getattr(self, name)!r}")
        kinds = self.layer_pattern
        if isinstance(kinds, str) or not kinds or not set(kinds) <= set(KINDS):
            raise ValueError(f"layer_pattern: expected a sequence of {KINDS}, got {kinds!r}")
        if self.window is None and set(kinds) != {"full_attention"}:
            raise ValueError(f"window: expected a number of keys beside {kinds!r}, got None")
        if self.shared and len(set(kinds)) > 1:
            raise ValueError(f"layer_pattern: expected one kind beside shared, got {kinds!r}")
        if self.max_length is None and self.positions == "learned":
            raise ValueError("max_length: expected a number beside learned positions, got None")

    def kinds(self) -> list[str]:
        """The kind of each layer, from the first to the last."""
        return [self.layer_pattern[i % len(self.layer_pattern)] for i in range(self.layers)]

    def make_norm(self, dim: int | None = None) -> nn.Module:
        """A fresh norm over `dim` features: LayerNorm (Ba et al. 2016) or RMSNorm (Zhang 2019)."""
        kind = nn.LayerNorm if self.norm == "layer" else nn.RMSNorm
        return kind(self.dim if dim is None else dim, eps=self.norm_eps)

    def make_attention(self, kind: str) -> MultiHeadAttention:
        """Fresh self-attention for a layer of this kind."""
        rotate = partial(rotary, base=self.rotary_base, pairing=self.pairing)
        attend: Callable[..., Any] = fused_attention
        if self.positions == "alibi":
            attend = attend_alibi
        elif kind == "sliding_attention" and self.window is not None:
            attend = partial(attend_sliding, window=self.window)
        return MultiHeadAttention(
            self.dim, self.heads, kv_heads=self.kv_heads, head_dim=self.head_dim, bias=self.bias,
            dropout=self.dropout, rotary=rotate if self.positions == "rotary" else None,
            attend=attend,
        )  # fmt: skip

    def make_cross_attention(self, context_dim: int) -> MultiHeadAttention:
        """Fresh cross-attention; positions of the context are the context's own affair."""
        return MultiHeadAttention(
            self.dim, self.heads, kv_heads=self.kv_heads, head_dim=self.head_dim, bias=self.bias,
            dropout=self.dropout, context_dim=context_dim,
        )  # fmt: skip
