"""Who sees whom in each layer of a decoder: the schemes of lessons 05 to 08 side by side.

A scheme is a mask for all layers, or a pattern of sliding and full layers; `SCHEMES` names those
that lesson 08 compares. Their sizes follow from the length of the text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .config import TransformerConfig
from .masks import Mask, causal, chunks, dilated, global_tokens, random_blocks, window
from .transformer import DecoderLM

FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True)
class Scheme:
    """One mask for every layer, `causal` included, joined in sliding layers by `window(w)`.

    pattern: kinds of layers, repeated as in `TransformerConfig`; w: keys that a sliding layer
    sees, itself included.
    """

    mask: Mask = causal
    pattern: Sequence[str] = (FULL,)
    w: int | None = None

    def masks(self, layers: int) -> list[Mask]:
        """The mask of each layer, from the first to the last."""
        kinds = [self.pattern[i % len(self.pattern)] for i in range(layers)]
        near = self.mask if self.w is None else self.mask & window(self.w)
        return [near if kind == SLIDING else self.mask for kind in kinds]

    def pairs(self, n: int, layers: int) -> int:
        """How many pairs of query and key all layers together let through: what is computed."""
        masks = self.masks(layers)
        counts = {mask.key(): int(mask.dense(n).sum()) for mask in set(masks)}
        return sum(counts[mask.key()] for mask in masks)

    def reached(self, n: int, layers: int) -> Tensor:
        """Bool (n, n): whether token j can have changed token i after all layers."""
        found = self.masks(layers)[0].dense(n)[0, 0]
        for mask in self.masks(layers)[1:]:
            found = (mask.dense(n)[0, 0].float() @ found.float()) > 0
        return found

    def decoder(self, vocab: int, *, layers: int, dim: int, heads: int) -> DecoderLM:
        """A fresh decoder of this pattern; call it with mask=scheme.mask."""
        config = TransformerConfig(
            vocab=vocab, dim=dim, heads=heads, layers=layers, hidden=2 * dim,
            layer_pattern=self.pattern, window=self.w,
        )  # fmt: skip
        return DecoderLM(config)


def schemes(n: int) -> dict[str, Scheme]:
    """The schemes that lesson 08 compares, with sizes for texts of n tokens, n >= 32.

    Windows of n/32 to n/4 keys; n/16 near keys and every √n-th for "strided" (Child et al. 2019,
    arXiv:1904.10509); n/32 global tokens; random blocks beside them for "BigBird" (Zaheer et al.
    2020, arXiv:2007.14062), here under `causal`.
    """
    w, g, root = n // 16, n // 32, math.isqrt(n)
    found = {"full": Scheme()}
    for size in (n // 32, w, n // 8, n // 4):
        found[f"window n/{n // size}"] = Scheme(causal & window(size))
    found |= {
        "dilated": Scheme(causal & dilated(w, 4)),
        "chunked": Scheme(causal & chunks(n // 8)),
        "strided": Scheme(causal & (window(w) | dilated(root + 2, root))),
        "BigBird": Scheme(causal & (window(w) | global_tokens(g) | random_blocks(g, 0.1))),
        "window + global": Scheme(causal & (window(w) | global_tokens(g))),
    }
    for sliding in (1, 3, 5):
        pattern = (SLIDING,) * sliding + (FULL,)
        found[f"{sliding}:1"] = Scheme(pattern=pattern, w=w)
    return found
