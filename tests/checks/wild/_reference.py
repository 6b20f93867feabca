"""Plain references in float64 NumPy and the inputs on which wild functions are tried.

Slow on purpose: one query, one key, one head at a time. Written for these tests alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray


def softmax(scores: Array) -> Array:
    out = np.zeros_like(scores, dtype=np.float64)
    for row in np.ndindex(scores.shape[:-1]):
        e = [math.exp(s - scores[row].max()) for s in scores[row]]
        out[row] = np.array(e) / sum(e)
    return out


def scaled_dot_product_attention(
    q: Array, k: Array, v: Array, mask: Array | None = None
) -> tuple[Array, Array]:
    lead, n, m, d = q.shape[:-2], q.shape[-2], k.shape[-2], q.shape[-1]
    allowed = np.broadcast_to(True if mask is None else mask, (*lead, n, m))
    weights = np.zeros((*lead, n, m))
    out = np.zeros((*lead, n, v.shape[-1]))
    for at in np.ndindex(*lead, n):
        seen = [j for j in range(m) if allowed[at][j]]
        if not seen:
            continue
        scores = np.array([float(q[at] @ k[at[:-1]][j]) / math.sqrt(d) for j in seen])
        for j, w in zip(seen, softmax(scores), strict=True):
            weights[at][j] = w
            out[at] += w * v[at[:-1]][j]
    return out, weights


def self_attention(x: Array, w_q: Array, w_k: Array, w_v: Array) -> tuple[Array, Array]:
    return scaled_dot_product_attention(x @ w_q, x @ w_k, x @ w_v)


def split_heads(x: Array, heads: int) -> Array:
    d = x.shape[-1] // heads
    return np.stack([x[:, :, h * d : (h + 1) * d] for h in range(heads)], axis=1)


def merge_heads(x: Array) -> Array:
    return np.concatenate([x[:, h] for h in range(x.shape[1])], axis=-1)


def multi_head_attention(
    x: Array, w_q: Array, w_k: Array, w_v: Array, w_o: Array, heads: int, mask: Array | None = None
) -> Array:
    q, k, v = (split_heads(x @ w, heads) for w in (w_q, w_k, w_v))
    return merge_heads(scaled_dot_product_attention(q, k, v, mask)[0]) @ w_o


def sinusoidal(n: int, dim: int) -> Array:
    pe = np.zeros((n, dim))
    for p in range(n):
        for c in range(dim):
            angle = p / 10000 ** (2 * (c // 2) / dim)
            pe[p, c] = math.sin(angle) if c % 2 == 0 else math.cos(angle)
    return pe


def rotary(x: Array, positions: Array) -> Array:
    out, d = np.array(x, dtype=np.float64), x.shape[-1]
    for t, p in enumerate(positions):
        for i in range(d // 2):
            c, s = math.cos(p * 10000 ** (-2 * i / d)), math.sin(p * 10000 ** (-2 * i / d))
            a, b = x[..., t, 2 * i], x[..., t, 2 * i + 1]
            out[..., t, 2 * i], out[..., t, 2 * i + 1] = a * c - b * s, a * s + b * c
    return out


def alibi(heads: int, n: int) -> Array:
    slopes = [2 ** (-8 * h / heads) for h in range(1, heads + 1)]
    cells = [[[-s * (i - j) for j in range(n)] for i in range(n)] for s in slopes]
    return np.tril(np.array(cells))  # above the diagonal anything goes


def causal_mask(n: int) -> Array:
    return np.array([[j <= i for j in range(n)] for i in range(n)])


def padding_mask(lengths: Array, n: int) -> Array:
    return np.array([[j < int(length) for j in range(n)] for length in lengths])


def next_token_loss(logits: Array, tokens: Array, pad: int | None = None) -> float:
    losses = []
    for b, t in np.ndindex(tokens.shape[0], tokens.shape[1] - 1):
        if pad is not None and tokens[b, t + 1] == pad:
            continue
        losses.append(-math.log(softmax(logits[b, t])[tokens[b, t + 1]]))
    return sum(losses) / len(losses)


def cached_step(q: Array, k: Array, v: Array, cache: Any) -> tuple[Array, tuple[Array, Array]]:
    if cache is not None:
        k, v = np.concatenate([cache[0], k], axis=2), np.concatenate([cache[1], v], axis=2)
    return scaled_dot_product_attention(q, k, v)[0], (k, v)


def cross_attention(
    x: Array, memory: Array, w_q: Array, w_k: Array, w_v: Array, keep: Array | None = None
) -> tuple[Array, Array]:
    mask = None if keep is None else keep[:, None, :]
    return scaled_dot_product_attention(x @ w_q, memory @ w_k, memory @ w_v, mask)


def teacher_forcing(targets: Array, bos: int) -> tuple[Array, Array]:
    first = np.full((targets.shape[0], 1), bos)
    return np.concatenate([first, targets[:, :-1]], axis=1), targets


def window_mask(n: int, w: int) -> Array:
    return np.array([[0 <= i - j < w for j in range(n)] for i in range(n)])


def dilated_mask(n: int, w: int, step: int) -> Array:
    reach = [step * a for a in range(w)]
    return np.array([[(i - j) in reach for j in range(n)] for i in range(n)])


def local_attention(q: Array, k: Array, v: Array, w: int) -> tuple[Array, Array]:
    return scaled_dot_product_attention(q, k, v, window_mask(q.shape[-2], w))


def global_local_mask(n: int, w: int, n_global: int) -> Array:
    g = n_global
    return np.array([[abs(i - j) < w or i < g or j < g for j in range(n)] for i in range(n)])


def layer_pattern(layers: int, period: int) -> list[str]:
    kinds = []
    for number in range(1, layers + 1):
        kinds.append("full_attention" if number % period == 0 else "sliding_attention")
    return kinds


def repeat_kv(k: Array, groups: int) -> Array:
    return np.stack([k[:, h // groups] for h in range(k.shape[1] * groups)], axis=1)


def mean_pool(hidden: Array, keep: Array) -> Array:
    rows = [h[np.asarray(m, dtype=bool)].mean(axis=0) for h, m in zip(hidden, keep, strict=True)]
    return np.stack(rows)


# Functions whose reference gives (output, weights); the weights are optional.
WITH_WEIGHTS = (
    "scaled_dot_product_attention",
    "self_attention",
    "cross_attention",
    "local_attention",
)
# Functions that take numbers only and may answer in either kind.
FROM_NUMBERS = ("sinusoidal", "alibi", "causal_mask", "window_mask", "dilated_mask")
FROM_NUMBERS += ("global_local_mask", "layer_pattern")


def _attention_probes(rng: np.random.Generator) -> list[tuple]:
    def r(*shape: int) -> Array:
        return rng.normal(size=shape) * 1.5

    mask = rng.random((5, 7)) < 0.6
    mask[:, 2] = True  # no empty row: what those give is not demanded
    per_example = rng.random((2, 1, 5, 7)) < 0.6
    per_example[..., 4] = True
    wide = (r(2, 3, 5, 4), r(2, 3, 7, 4), r(2, 3, 7, 6))
    square = (r(2, 3, 6, 6), r(2, 3, 6, 6), r(2, 3, 6, 6))
    return [
        (*wide, None),
        (*wide, mask),
        (*wide, per_example),
        (*square, None),
        (*square, causal_mask(6)),
    ]


def _masked_lengths(lengths: list[int], n: int) -> Array:
    return padding_mask(np.array(lengths), n)


def probes(check: str) -> list[tuple]:
    """Argument tuples for one exercise, NumPy float64; all sizes different, plus a square case."""
    rng = np.random.default_rng(20)

    def r(*shape: int) -> Array:
        return rng.normal(size=shape)

    tokens = rng.integers(1, 11, size=(3, 6))
    padded = np.where(_masked_lengths([6, 4, 2], 6), tokens, 0)
    cases: dict[str, Callable[[], list[tuple]]] = {
        "softmax": lambda: [
            (r(2, 3, 5) * 2,),
            (r(4, 4),),
            (r(3, 7) * 500,),
            (r(2, 5) + np.array([[1000], [0]]),),
        ],
        "scaled_dot_product_attention": lambda: _attention_probes(rng),
        "self_attention": lambda: [
            (r(2, 5, 6), r(6, 4), r(6, 4), r(6, 3)),
            (r(2, 6, 6), r(6, 6), r(6, 6), r(6, 6)),
        ],
        "split_heads": lambda: [(r(2, 5, 12), 3), (r(3, 4, 8), 2), (r(2, 4, 16), 4)],
        "merge_heads": lambda: [(r(2, 3, 5, 4),), (r(4, 4, 4, 4),)],
        "multi_head_attention": lambda: [
            (r(2, 5, 12), *(r(12, 12) / 3 for _ in range(4)), 3, None),
            (r(2, 5, 12), *(r(12, 12) / 3 for _ in range(4)), 3, causal_mask(5)),
            (r(4, 4, 16), *(r(16, 16) / 3 for _ in range(4)), 4, causal_mask(4)),
        ],
        "sinusoidal": lambda: [(7, 8), (6, 6), (5, 12)],
        "rotary": lambda: [
            (r(2, 3, 5, 8), np.arange(5)),
            (r(2, 3, 4, 6), np.arange(7, 11)),
            (r(6, 8), np.array([0, 3, 1, 9, 2, 40])),
        ],
        "alibi": lambda: [(8, 5), (4, 7), (2, 6)],
        "causal_mask": lambda: [(1,), (4,), (7,)],
        "padding_mask": lambda: [
            (np.array([3, 5, 1]), 5),
            (np.array([2, 4]), 6),
            (np.array([1, 2, 3, 4]), 4),
        ],
        "next_token_loss": lambda: [
            (r(3, 6, 11) * 2, tokens, None),
            (r(3, 6, 11) * 2, padded, 0),
        ],
        "cached_step": lambda: [
            (r(2, 3, 1, 4), r(2, 3, 1, 4), r(2, 3, 1, 4), None),
            (r(2, 3, 1, 4), r(2, 3, 1, 4), r(2, 3, 1, 4), (r(2, 3, 5, 4), r(2, 3, 5, 4))),
            (r(2, 3, 1, 4), r(2, 3, 1, 4), r(2, 3, 1, 4), (r(2, 3, 3, 4), r(2, 3, 3, 4))),
        ],
        "cross_attention": lambda: [
            (r(2, 5, 6), r(2, 7, 8), r(6, 4), r(8, 4), r(8, 3), None),
            (r(2, 5, 6), r(2, 7, 8), r(6, 4), r(8, 4), r(8, 3), _masked_lengths([7, 4], 7)),
            (r(2, 6, 6), r(2, 6, 6), r(6, 6), r(6, 6), r(6, 6), _masked_lengths([3, 5], 6)),
        ],
        "teacher_forcing": lambda: [(tokens, 0), (tokens[:, :3], 12), (tokens[:2], 0)],
        "window_mask": lambda: [(7, 3), (6, 1), (5, 8), (9, 2)],
        "dilated_mask": lambda: [(11, 3, 2), (12, 2, 3), (6, 4, 1)],
        "local_attention": lambda: [
            (r(2, 3, 11, 4), r(2, 3, 11, 4), r(2, 3, 11, 5), 3),
            (r(2, 2, 8, 4), r(2, 2, 8, 4), r(2, 2, 8, 4), 4),
            (r(1, 2, 7, 4), r(1, 2, 7, 4), r(1, 2, 7, 4), 1),
        ],
        "global_local_mask": lambda: [(9, 2, 1), (10, 3, 2), (8, 1, 0)],
        "layer_pattern": lambda: [(6, 6), (6, 2), (12, 3), (7, 4)],
        "repeat_kv": lambda: [(r(2, 3, 5, 4), 2), (r(2, 2, 3, 4), 4), (r(3, 4, 4, 4), 2)],
        "mean_pool": lambda: [
            (r(3, 5, 4), _masked_lengths([5, 2, 3], 5)),
            (r(4, 4, 4), _masked_lengths([4, 1, 2, 3], 4)),
        ],
    }
    return cases[check]()
