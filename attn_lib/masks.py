"""Masks: who may look at whom. True means "may attend".

A `Mask` is a rule, not a tensor. It answers for any query and key position, composes with
`&`, `|` and `~`, and becomes a tensor only when somebody asks (`mask.dense(n)`):

    mask = causal & (window(128) | global_tokens(first=4)) & padding(keep)

A `Mask` is a `mask_mod` of `torch.nn.attention.flex_attention`, unchanged. It pickles.

What "a window of w" means elsewhere, in keys that a query sees, itself included:

    | keys seen | who                                                                      |
    | --------- | ------------------------------------------------------------------------ |
    | w         | `causal & window(w)` here; Hugging Face `kv > q - w`; gpt-oss; torchtune |
    | w + 1     | flash-attention `(left, right)`; JAX `local_window_size`; nanochat;      |
    |           | x-transformers `max_attend_past`; lucidrains local-attention             |
    | 2w - 1    | `window(w)` here, without `causal`; Keras                                |
    | 2w + 1    | Longformer; Hugging Face's bidirectional windows                         |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ._mask import Mask, merge_sizes, require_mask, shape_of, whole

__all__ = [
    "Mask",
    "causal",
    "chunks",
    "dilated",
    "documents",
    "full",
    "global_tokens",
    "is_causal",
    "padding",
    "per_head",
    "prefix",
    "random_blocks",
    "window",
]


def window(w: int) -> Mask:
    """Each query sees the `w` nearest keys on either side, itself counted: |i - j| < w.

    Compose with `causal` for the one-sided window of decoders, 0 <= i - j < w.
    Other libraries count differently: see the table at the head of this module.

    Raises ValueError if w < 1.  Source: Beltagy et al. 2020, arXiv:2004.05150.
    """
    return Mask(_window, whole("w", w), name=f"window({w})")


def dilated(w: int, step: int) -> Mask:
    """Each query sees every `step`-th key, `w` of them on either side, itself counted.

    |i - j| < w * step and (i - j) divisible by step; `dilated(w, 1)` is `window(w)`.

    Raises ValueError if w < 1 or step < 1.  Source: Beltagy et al. 2020, arXiv:2004.05150.
    """
    w, step = whole("w", w), whole("step", step)
    return Mask(_dilated, w, step, name=f"dilated({w}, {step})")


def chunks(size: int) -> Mask:
    """Each query sees the keys of its own chunk of `size` positions: i // size == j // size.

    Raises ValueError if size < 1.  Source: Llama 4, 2025 (chunked attention).
    """
    return Mask(_chunks, whole("size", size), name=f"chunks({size})")


def prefix(length: int) -> Mask:
    """Every query sees the first `length` keys: j < length. `causal | prefix(p)` is a prefix LM.

    Raises ValueError if length < 0.  Source: Raffel et al. 2020, arXiv:1910.10683.
    """
    length = whole("length", length, least=0)
    return Mask(_prefix, length, name=f"prefix({length})", positional=False)


def global_tokens(first: int) -> Mask:
    """The `first` tokens see every key and every query sees them: i < first or j < first.

    Under `causal` every later query may look back at them, and they still look at nothing ahead.

    Raises ValueError if first < 0.  Source: Beltagy et al. 2020, arXiv:2004.05150.
    """
    return Mask(_global_tokens, whole("first", first, least=0), name=f"global_tokens({first})")


def documents(ids: Tensor | Sequence[Any]) -> Mask:
    """Each query sees the keys of its own document: ids[i] == ids[j], for packed batches.

    ids: whole numbers, (n,) for all examples or (b, n) for each. Raises ValueError for other
    shapes and TypeError for other numbers.  Source: Krell et al. 2021, arXiv:2107.02027.
    """
    ids = torch.as_tensor(ids).clone()
    if ids.is_floating_point() or ids.is_complex():
        raise TypeError(f"ids: expected whole numbers, got {ids.dtype}; use ids.long()")
    if ids.ndim not in (1, 2):
        raise ValueError(f"ids: expected shape (n,) or (b, n), got {tuple(ids.shape)}")
    sizes = {"n": ids.shape[-1], "m": ids.shape[-1]}
    if ids.ndim == 2:
        sizes["batch"] = ids.shape[0]
    return Mask(_documents, ids, name=f"documents({shape_of(ids)})", fixes=sizes)


def padding(keep: Tensor | Sequence[Sequence[bool]]) -> Mask:
    """Every query of example b sees the keys that are real tokens there: keep[b, j].

    keep: bool, (b, m), True where a token is real and False where it is padding. Padded queries
    are not hidden: leave them out of the loss. Raises TypeError unless bool, ValueError unless 2-D.
    """
    keep = torch.as_tensor(keep).clone()
    if keep.dtype != torch.bool:
        raise TypeError(
            f"keep: expected bool, True for a real token, got {keep.dtype}; use tokens != pad, "
            "or keep.bool() if its ones are real tokens"
        )
    if keep.ndim != 2:
        raise ValueError(f"keep: expected shape (b, m), got {tuple(keep.shape)}")
    sizes = {"batch": keep.shape[0], "m": keep.shape[1]}
    return Mask(_padding, keep, name=f"padding({shape_of(keep)})", positional=False, fixes=sizes)


def random_blocks(size: int, p: float, seed: int = 0) -> Mask:
    """Blocks of `size` queries see blocks of `size` keys, each pair with probability `p`.

    The choice is a function of the two block numbers and the seed, so any n gives the same start.

    Raises ValueError if size < 1 or not 0 <= p <= 1.  Source: Zaheer et al. 2020, arXiv:2007.14062.
    """
    size, seed = whole("size", size), whole("seed", seed, least=0)
    if not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ValueError(f"p: expected a probability from 0 to 1, got {p!r}")
    return Mask(_random_blocks, size, float(p), seed, name=f"random_blocks({size}, {p}, {seed})")


def per_head(masks: Sequence[Mask]) -> Mask:
    """Head h uses masks[h]. Raises ValueError for an empty list, TypeError for what is no Mask."""
    if isinstance(masks, Mask):
        raise TypeError("masks: expected a list with one Mask for each head, got one Mask")
    if not masks:
        raise ValueError("masks: expected one Mask for each head, got none")
    for mask in masks:
        require_mask(mask)
    sizes = merge_sizes({"heads": len(masks)}, *(mask.fixes for mask in masks))
    name = f"per_head([{', '.join(map(repr, masks))}])"
    positional = any(mask.positional for mask in masks)
    return Mask(_per_head, *masks, name=name, positional=positional, fixes=sizes)


def is_causal(mask: Mask, n: int, m: int) -> bool:
    """Whether a mask is plain `causal` for n queries that are the first of m keys.

    Fused kernels have a fast path for exactly that mask.
    """
    first = causal.shift(0).key()
    return mask.key() == first or (n == m and mask.key() == causal.key())


# The rules. They are module-level functions so that masks pickle; each works on tensors of any
# shape that broadcast together, and on the scalars that flex_attention passes.


def _causal(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
    return q_idx >= kv_idx


def _full(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
    return kv_idx >= 0


def _window(b: Any, h: Any, q_idx: Any, kv_idx: Any, w: int) -> Any:
    return (q_idx - kv_idx < w) & (kv_idx - q_idx < w)


def _dilated(b: Any, h: Any, q_idx: Any, kv_idx: Any, w: int, step: int) -> Any:
    return _window(b, h, q_idx, kv_idx, w * step) & ((q_idx - kv_idx) % step == 0)


def _chunks(b: Any, h: Any, q_idx: Any, kv_idx: Any, size: int) -> Any:
    return q_idx // size == kv_idx // size


def _prefix(b: Any, h: Any, q_idx: Any, kv_idx: Any, length: int) -> Any:
    return kv_idx < length


def _global_tokens(b: Any, h: Any, q_idx: Any, kv_idx: Any, first: int) -> Any:
    return (q_idx < first) | (kv_idx < first)


def _documents(b: Any, h: Any, q_idx: Any, kv_idx: Any, ids: Tensor) -> Any:
    ids = ids.to(kv_idx.device)
    if ids.ndim == 1:
        return ids[q_idx] == ids[kv_idx]
    return ids[b, q_idx] == ids[b, kv_idx]


def _padding(b: Any, h: Any, q_idx: Any, kv_idx: Any, keep: Tensor) -> Any:
    return keep.to(kv_idx.device)[b, kv_idx]


def _random_blocks(b: Any, h: Any, q_idx: Any, kv_idx: Any, size: int, p: float, seed: int) -> Any:
    # an integer hash (two multiply-and-shift rounds on 32 bits) stands in for a table of draws
    mixed = (q_idx // size) * 0x9E3779B1 + (kv_idx // size) * 0x85EBCA77 + seed * 0xC2B2AE3D
    for _ in range(2):
        mixed = mixed & 0xFFFFFFFF
        mixed = (mixed ^ (mixed >> 16)) * 0x45D9F3B
    return ((mixed ^ (mixed >> 16)) & 0xFFFFFF) < round(p * 2**24)


def _per_head(b: Any, h: Any, q_idx: Any, kv_idx: Any, *masks: Mask) -> Any:
    seen = masks[0](b, h, q_idx, kv_idx) & (h == 0)
    for head, mask in enumerate(masks[1:], start=1):
        seen = seen | (mask(b, h, q_idx, kv_idx) & (h == head))
    return seen


causal = Mask(_causal, name="causal")
causal.__doc__ = """Each query sees itself and the keys before it: i >= j (Vaswani et al. 2017)."""
full = Mask(_full, name="full", positional=False)
full.__doc__ = """Every query sees every key."""
