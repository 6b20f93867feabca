"""Exercises of lesson 02: scaled dot-product attention and self-attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, pattern, register
from ._attention import attend, attention_localise, attention_notes
from ._attention_mistakes import ATTENTION, MASKED

# ------------------------------------------------------------- scaled dot-product attention


def _attention_probes() -> list[Probe]:
    rect = numbers(3, 2, 3, 6), numbers(4, 2, 5, 6), numbers(5, 2, 5, 7)
    square = numbers(6, 3, 4, 4), numbers(7, 3, 4, 4), numbers(8, 3, 4, 4)
    eye = torch.eye(5).double().expand(2, 5, 5)
    wide, even = pattern("##..#", ".#.##", "#.##."), pattern("##..", "#.#.", ".###", "#..#")
    return [
        Probe("without a mask", rect),
        Probe("with a mask", (*rect, wide)),
        Probe("with as many keys as queries", square),
        Probe("with a square mask", (*square, even)),
        Probe("with v = identity", (rect[0], rect[1], eye)),
        Probe("with v = identity and a mask", (rect[0], rect[1], eye, wide)),
        *(
            Probe(f"with heads {name}", args, form="with a head axis, (b, h, n, d)")
            for name, args in _with_heads().items()
        ),
        Probe("on a single sequence", (rect[0][0], rect[1][0], rect[2][0]), decides=False),
    ]


def _with_heads() -> dict[str, tuple[Tensor, ...]]:
    """The same for code written with a head axis, as published code often is."""
    rect = numbers(51, 2, 3, 4, 6), numbers(52, 2, 3, 5, 6), numbers(53, 2, 3, 5, 7)
    square = numbers(54, 3, 2, 4, 4), numbers(55, 3, 2, 4, 4), numbers(56, 3, 2, 4, 4)
    wide = pattern("##..#", ".#.##", "#.##.", "..#.#")
    even = pattern("##..", "#.#.", ".###", "#..#")
    return {
        "without a mask": rect, "with a mask": (*rect, wide),
        "and as many keys as queries": square, "with a square mask": (*square, even),
    }  # fmt: skip


def _weights(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    return attend(q, k, torch.eye(k.shape[-2]).double(), mask)


scaled_dot_product_attention = register(Exercise(
    "scaled_dot_product_attention", "02", "scaled_dot_product_attention(q, k, v, mask=None)",
    "Weighted average of v: softmax(q kᵀ / √d) v over the keys that the mask allows (True).",
    attend, _attention_probes,
    (*ATTENTION, *MASKED),
    axes=("the batch", "the queries", "the features"),
    second=_weights,
    notes=attention_notes,
    localise=attention_localise,
    picture=("with v = identity and a mask", "queries", "keys"),
))  # fmt: skip

# ------------------------------------------------------------------------- self-attention


def _self_attention(
    x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, *, layout: str = "x@w", roles: str = "qkv",
    scale: str = "sqrt_d", batch: str = "apart", **switches: Any,
) -> Tensor:  # fmt: skip
    if scale == "sqrt_model":
        switches["divisor"] = x.shape[-1] ** 0.5
    b, n, dim = (1, *x.shape)[-3:]
    if batch == "flattened":
        x = x.reshape(1, b * n, dim)
    q, k, v = (x @ (w.mT if layout == "x@wT" else w) for w in (w_q, w_k, w_v))
    q, k, v = {
        "qqq": lambda: (q, q, q), "kkk": lambda: (k, k, k), "vvv": lambda: (v, v, v),
        "qkv": lambda: (q, k, v), "kqv": lambda: (k, q, v), "qvk": lambda: (q, v, k),
        "qqv": lambda: (q, q, v), "kkv": lambda: (k, k, v), "qkk": lambda: (q, k, k),
        "qkq": lambda: (q, k, q), "qkx": lambda: (q, k, x), "xxv": lambda: (x, x, v),
        "xxx": lambda: (x, x, x), "vkq": lambda: (v, k, q), "qxv": lambda: (q, x, v),
    }[roles]()  # fmt: skip
    out = attend(q, k, v, scale="sqrt_d" if scale == "sqrt_model" else scale, **switches)
    return out.reshape(b, n, -1) if batch == "flattened" else out


def _self_attention_probes() -> list[Probe]:
    def weights(seed: int, dim: int, d: int, dv: int) -> tuple[Tensor, ...]:
        return tuple(numbers(seed + i, dim, size, spread=0.7) for i, size in enumerate((d, d, dv)))

    return [
        Probe("on a batch", (numbers(9, 2, 5, 6), *weights(10, 6, 4, 3))),
        Probe("with square projections", (numbers(13, 3, 4, 4), *weights(14, 4, 4, 4))),
        Probe("with as many tokens as a head is wide",
              (numbers(17, 2, 3, 7), *weights(18, 7, 3, 5))),
        Probe("on a single sequence", (numbers(9, 2, 5, 6)[0], *weights(10, 6, 4, 3)),
              decides=False),
    ]  # fmt: skip


_PROJECTIONS = (
    Mistake("scale_sqrt_model", {"scale": "sqrt_model"},
            "Your weights are flatter than they should be.",
            "You divide by √ of x's width; the scores are sums over the d columns of q and k.",
            "Whose last axis belongs under the root?",
            "lucidrains/vit-pytorch#65, Graylab/DL4Proteins-notebooks#12"),
    Mistake("projection_transposed", {"layout": "x@wT"},
            "It fails unless the projections are square, and then the numbers are those of "
            "transposed weights.",
            "Here w has shape (in, out), so x meets its rows. nn.Linear stores (out, in): "
            "there the transpose is right.",
            "Look at how x meets w_q, w_k, w_v.", "[exp]"),
    Mistake("query_and_key_swapped", {"roles": "kqv"},
            "Your score of i for j is the expected score of j for i.",
            "The keys ask and the queries answer: rows must be queries.",
            "Follow w_q: does what it makes reach the rows?", "[exp]"),
    Mistake("key_and_value_swapped", {"roles": "qvk"},
            "You compare queries with values and average keys.",
            "w_v makes what is passed on, w_k what is compared.",
            "Look at the order of your projections.", "[exp]"),
    Mistake("query_and_value_swapped", {"roles": "vkq"},
            "You compare values with keys and average queries.",
            "w_q makes what asks, w_v what is passed on.",
            "Look at the order of your projections.", "[exp]"),
    Mistake("one_projection_for_query_and_key", [{"roles": "qqv"}, {"roles": "kkv"}],
            "Your scores are symmetric: i looks at j as j looks at i, before the softmax.",
            "Queries and keys come from the same projection.",
            "Which weight makes q, and which makes k?",
            "ttsugriy.github.io/llm-first-principles (common mistakes)"),
    Mistake("batch_flattened", {"batch": "flattened"},
            "Changing the first example changes your result for the second.",
            "All examples are laid end to end and attend to each other.",
            "Where does the batch axis go?", "[exp]"),
    Mistake("one_projection_for_all", [{"roles": "qqq"}, {"roles": "kkk"}, {"roles": "vvv"}],
            "Changing two of the three weights changes nothing in your result.",
            "Queries, keys and values all come from one projection.",
            "Which weight makes q, which k, which v?", "[exp]"),
    Mistake("key_as_value", {"roles": "qkk"},
            "Changing w_v changes nothing in your result.",
            "The weights average the keys.", "What do you multiply the weights with?", "[exp]"),
    Mistake("query_as_value", {"roles": "qkq"},
            "Changing w_v changes nothing in your result.",
            "The weights average the queries.", "What do you multiply the weights with?", "[exp]"),
    Mistake("value_not_projected", {"roles": "qkx"},
            "Your result is an average of the tokens x themselves.",
            "The weights are right, but w_v never acts.", "Where do you use w_v?", "[exp]"),
    Mistake("query_and_key_not_projected", {"roles": "xxv"},
            "Changing w_q and w_k changes nothing in your result.",
            "The scores compare the tokens x themselves.", "Where do you use w_q and w_k?",
            "[exp]"),
    Mistake("key_not_projected", {"roles": "qxv"},
            "Changing w_k changes nothing in your result.",
            "Queries are compared with the tokens x themselves.", "Where do you use w_k?", "[exp]"),
    Mistake("nothing_projected", {"roles": "xxx"},
            "The three weights change nothing in your result.",
            "The tokens x are compared and averaged as they are.",
            "Where do you use the weights?", "[exp]"),
)  # fmt: skip

# The same under other names: with one x, these are a wrong role of a projection.
_ELSEWHERE = (
    "values_are_keys",
    "values_are_queries",
    "scores_transposed",
    "scale_sqrt_queries",
    "softmax_over_heads",
    "query_added",
)

self_attention = register(Exercise(
    "self_attention", "02", "self_attention(x, w_q, w_k, w_v)",
    "Project the tokens x by x @ w to queries, keys and values, and attend.",
    _self_attention, _self_attention_probes,
    (*(m for m in ATTENTION if m.id not in _ELSEWHERE), *_PROJECTIONS),
    axes=("the batch", "the tokens", "the features"),
))  # fmt: skip

one_matrix = register(self_attention.again(
    "one_matrix", "Self-attention from M = w_q w_kᵀ alone, with no query and no key computed.",
))  # fmt: skip

repair_attention = register(scaled_dot_product_attention.again(
    "repair_attention", "Mend the two faults of the published attention of lesson 02.",
))  # fmt: skip
