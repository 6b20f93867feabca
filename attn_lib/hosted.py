"""Other forms of attention as the `attend=` of `MultiHeadAttention`.

    MultiHeadAttention(512, 8, attend=partial(attend_local, window=128))
    MultiHeadAttention(512, 8, attend=attend_online)
    MultiHeadAttention(512, 8, attend=attend_alibi)

An argument that a form cannot honour raises ValueError and names it; nothing is dropped silently.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ._mask import Mask
from .attention import fused_attention
from .cache import conjuncts
from .local import local_attention
from .masks import _padding, _window
from .masks import causal as _causal
from .masks import window as window_mask
from .online import online_attention
from .positions import alibi


def attend_local(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    window: int,
    causal: bool = True,
    n_global: int = 0,
    mask: Mask | Tensor | None = None,
    bias: Tensor | None = None,
    dropout: float = 0.0,
    return_weights: bool = False,
) -> Any:
    """`local_attention` as an `attend=`: each query sees its window, in O(n * window).

    mask: None, or what the window implies anyway (`causal`, the same or a wider `window(w)`), or
    `padding(keep)`, or these joined by `&`. Raises ValueError for any other mask, a bias, dropout
    and weights, and with a cache, where queries are fewer than keys.
    """
    _refuse("local", bias=bias is not None, dropout=dropout > 0, return_weights=return_weights)
    looks_back, near, keep, others = _read(mask)
    if looks_back and not causal:
        others = [_causal]
    if near is not None and (near < window or n_global):
        others = [window_mask(near)]
    if others:
        raise ValueError(
            f"mask: expected None, padding(keep) or what window={window}, causal={causal}, "
            f"n_global={n_global} imply, got {others[0]!r}; use attend=fused_attention for it"
        )
    return local_attention(q, k, v, window=window, causal=causal, n_global=n_global, keep=keep)


def attend_sliding(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    window: int,
    mask: Mask | Tensor | None = None,
    bias: Tensor | None = None,
    dropout: float = 0.0,
    return_weights: bool = False,
) -> Any:
    """`fused_attention`, but `local_attention` where that gives the same in less work.

    That is where the mask is window(w), perhaps with `causal` and `padding(keep)`, over at least
    2 * window tokens. Sliding layers of a transformer use it; the mask alone says who sees whom.
    """
    looks_back, near, keep, others = _read(mask)
    n, plain = q.shape[2], bias is None and dropout == 0 and not return_weights and not others
    if plain and near == window and n == k.shape[2] and n >= 2 * window:
        return local_attention(q, k, v, window=window, causal=looks_back, keep=keep)
    return fused_attention(
        q, k, v, mask=mask, bias=bias, dropout=dropout, return_weights=return_weights
    )


def attend_online(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    block: int = 256,
    mask: Mask | Tensor | None = None,
    bias: Tensor | None = None,
    dropout: float = 0.0,
    return_weights: bool = False,
) -> Any:
    """`online_attention` as an `attend=`: exact, with memory linear in n.

    Raises ValueError for a bias, dropout and weights, which it does not have.
    """
    _refuse("online", bias=bias is not None, dropout=dropout > 0, return_weights=return_weights)
    return online_attention(q, k, v, mask=mask, block=block)


def attend_alibi(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Mask | Tensor | None = None,
    bias: Tensor | None = None,
    dropout: float = 0.0,
    return_weights: bool = False,
) -> Any:
    """`fused_attention` with the bias of `alibi`, for self-attention with or without a cache.

    The queries are taken for the last of the keys, as they are with a cache.
    """
    heads, n, m = q.shape[1], q.shape[2], k.shape[2]
    distance = alibi(heads, n, m, q_offset=m - n).to(q.device)
    return fused_attention(
        q, k, v, mask=mask, bias=distance if bias is None else bias + distance, dropout=dropout,
        return_weights=return_weights,
    )  # fmt: skip


def _read(mask: Mask | Tensor | None) -> tuple[bool, int | None, Tensor | None, list[Any]]:
    """What a mask joins by &: causal or not, its window, its padding, and everything else."""
    looks_back, near, keep = False, None, None
    others: list[Any] = []
    parts = conjuncts(mask) if isinstance(mask, Mask) else [] if mask is None else [mask]
    for part in parts:
        if not isinstance(part, Mask):
            others.append(f"a tensor of shape {tuple(part.shape)}")
        elif part.key() == _causal.key():
            looks_back = True
        elif part._rule is _window:
            near = part._args[0] if near is None else min(near, part._args[0])
        elif part._rule is _padding and keep is None:
            keep = part._args[0]
        else:
            others.append(part)
    return looks_back, near, keep, others


def _refuse(form: str, **asked: bool) -> None:
    for name, value in asked.items():
        if value:
            raise ValueError(
                f"{name}: attend_{form} cannot honour it, since it never holds the weights of all "
                f"keys at once; leave {name} out, or use attend=fused_attention"
            )
