"""Exercises of lesson 06: cross-attention, and its repair."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register
from ._attention import attend
from ._attention_mistakes import ATTENTION, MASKED
from .lesson05_causal import finite


def _cross(
    x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, keep: Tensor | None = None,
    *, sides: str = "xmm", roles: str = "qkv", layout: str = "x@w", keep_view: str = "keys",
    causal: str = "none", output: str = "plain", scale: str = "sqrt_d", **switches: Any,
) -> Tensor:  # fmt: skip
    if keep is not None and keep_view == "zeroed":
        memory = memory * keep[..., None]
    both = torch.cat([memory, x], 1) if sides in ("xbb", "xcc") else memory
    side = {"x": x, "m": memory, "b": both, "c": both}
    if keep is not None and sides == "xbb":
        keep = torch.cat([keep, torch.ones_like(x[..., 0]).bool()], 1)
    weight = {"q": w_q, "k": w_k, "v": w_v}
    weights = [weight[role].mT if layout == "x@wT" else weight[role]
               for role in roles.replace("_", "v")]  # fmt: skip
    q, k, v = (side[s] @ w for s, w in zip(sides, weights, strict=True))
    if roles == "qk_":  # the values are the memory itself
        v = side[sides[2]]
    t, s = q.shape[-2], k.shape[-2]
    mask = None
    if keep is not None:
        mask = {
            "keys": lambda: keep[:, None, :],
            "queries": lambda: keep[:, :, None],
            "first": lambda: keep[:1, None, :],
            "zeroed": lambda: torch.ones_like(keep)[:, None, :],
            "no_axis": lambda: keep[None] if keep.shape[0] == t else keep[:, :, None, None],
        }[keep_view]().expand(len(x), t, s)
    if causal != "none":
        hide = torch.ones(t, s, dtype=torch.bool).tril(s - t if causal == "end" else 0)
        mask = hide.expand(len(x), t, s) if mask is None else mask & hide
    if scale in ("sqrt_model", "sqrt_memory"):
        switches["divisor"] = (x if scale == "sqrt_model" else memory).shape[-1] ** 0.5
        scale = "sqrt_d"
    out = attend(q, k, v, mask, scale=scale, **switches)
    return x + out if output == "residual" else out


def _cross_probes() -> list[Probe]:
    def weights(seed: int, *sizes: tuple[int, int]) -> list[Tensor]:
        return [numbers(seed + i, *size, spread=0.7) for i, size in enumerate(sizes)]

    first = (numbers(101, 2, 3, 6), numbers(102, 2, 5, 7),
             *weights(103, (6, 4), (7, 4), (7, 8)))  # fmt: skip
    same = (numbers(106, 2, 3, 6), numbers(107, 2, 5, 6),
            *weights(108, (6, 4), (6, 4), (6, 3)))  # fmt: skip
    square = (numbers(111, 4, 4, 4), numbers(112, 4, 4, 4),
              *weights(113, (4, 4), (4, 4), (4, 4)))  # fmt: skip
    ragged = torch.tensor([[1, 1, 0, 1, 0], [1, 0, 1, 0, 1]]).bool()
    even = torch.tensor([[1, 1, 0, 1], [1, 0, 0, 0], [1, 0, 1, 1], [1, 1, 1, 0]]).bool()
    return [
        Probe("without padding", first),
        Probe("with padding", (*first, ragged)),
        Probe("with source and target of one width", same),
        Probe("with all sizes equal", square),
        Probe("with all sizes equal and padding", (*square, even)),
    ]


_SHARED = ("softmax_over_queries", "softmax_over_batch", "no_scale", "scale_by_d",
           "scale_multiplied", "scale_sqrt_queries", "scale_sqrt_keys", "scale_sqrt_values",
           "scale_after_softmax", "no_softmax", "no_division", "softmax_twice", "sigmoid",
           "reshape_for_transpose", "key_not_transposed", "returns_the_weights",
           "weights_transposed")  # fmt: skip


def _apart(mistake: Mistake) -> Mistake:
    """All NaN with a causal mask too: no pair, for it would be like any other NaN."""
    if mistake.id != "zero_times_infinity":
        return mistake
    return replace(mistake, switches={"mask_mode": "zero_times_inf", "causal": "none"})


_SIDES = (
    Mistake("sides_swapped", {"sides": "mxx"},
            "Your result has one row per source token, where the two lengths differ.",
            "The source asks and the target answers. The one who asks is the decoder: "
            "it sets the number of rows.",
            "From which of the two do you make q?",
            "humza909/LLM_Survey#2, pbloem/former#19, bentrevett/pytorch-seq2seq#143"),
    Mistake("memory_ignored", {"sides": "xxx"},
            "Changing the memory changes nothing in your result.",
            "Queries, keys and values all come from x: that is self-attention.",
            "From which of the two do you make k and v?",
            "lucidrains/feedback-transformer-pytorch#2"),
    Mistake("target_ignored", {"sides": "mmm"},
            "Changing x changes nothing in your result.",
            "Queries, keys and values all come from the memory.",
            "From which of the two do you make q?", "bentrevett/pytorch-seq2seq#143"),
    Mistake("keys_from_target", {"sides": "xxm"},
            "It fails where source and target differ in length; else it compares x with x.",
            "The keys come from x, the values from the memory: both must come from the memory.",
            "From which of the two do you make k?",
            "lucidrains/feedback-transformer-pytorch#2"),
    Mistake("values_from_target", {"sides": "xmx"},
            "It fails where source and target differ in length; else it averages x.",
            "The values come from x, the keys from the memory: both must come from the memory.",
            "From which of the two do you make v?",
            "lucidrains/feedback-transformer-pytorch#2"),
    Mistake("queries_from_memory", {"sides": "mxm"},
            "Your queries come from the memory and your keys from x: the two are exchanged.",
            "The decoder asks; the memory is what it looks at.",
            "Look at the order of your first two projections.", "[exp]"),
    Mistake("target_among_the_keys", [{"sides": "xbb"}, {"sides": "xcc"}],
            "Your queries look at the target's own tokens too.",
            "Source and target are joined; cross-attention looks at the memory alone.",
            "Look for cat.", "[exp]"),
    Mistake("causal_on_memory", [{"causal": "start"}, {"causal": "end"}],
            "Changing the last source token changes nothing in your first result.",
            "A causal mask hides the end of the source from early targets. "
            "The source is known whole.",
            "Which mask belongs to the memory?", "zhouhaoyi/Informer2020#38"),
    Mistake("keep_on_queries",
            [{"keep_view": "queries"}, {"keep_view": "queries", "fill": -1e9}],
            "It fails where source and target differ in length; else padding is looked at.",
            "keep says which source tokens are real, and hides rows here. Sources are columns.",
            "Which axis of the scores does keep meet?",
            "fchollet/deep-learning-with-python-notebooks#209, bentrevett/pytorch-seq2seq#96"),
    Mistake("keep_broadcast_over_batch", {"keep_view": "no_axis"},
            "With padding it fails, unless there are as many sequences as targets.",
            "keep (b, s) meets scores (b, t, s) from the right: its b lines up with the targets.",
            "Which shape must keep have to meet the scores?",
            "lucidrains/vit-pytorch#71, huggingface/transformers#28215"),
    Mistake("projection_transposed", {"layout": "x@wT"},
            "It fails unless the projections are square, and then they are transposed.",
            "Here w has shape (in, out): x @ w. nn.Linear stores (out, in).",
            "Look at how x meets w_q.", "[exp]"),
    Mistake("query_and_key_projection_swapped", {"roles": "kqv"},
            "Your queries are made by w_k and your keys by w_q.",
            "The sides are right, the weights are exchanged.",
            "Follow w_q: which side does it meet?", "[exp]"),
    Mistake("key_and_value_projection_swapped", {"roles": "qvk"},
            "Your keys are made by w_v and your values by w_k.",
            "w_k makes what is compared, w_v what is passed on.",
            "Look at the order of your projections.", "[exp]"),
    Mistake("key_projection_for_value", {"roles": "qkk"},
            "Changing w_v changes nothing in your result.",
            "The weights average the keys.", "What do you multiply the weights with?", "[exp]"),
    Mistake("value_not_projected", {"roles": "qk_"},
            "Your result is an average of the memory itself.",
            "The weights are right, but w_v never acts.", "Where do you use w_v?", "[exp]"),
    Mistake("padding_set_to_zero", {"keep_view": "zeroed"},
            "With padding, hidden tokens still get weight.",
            "The memory is set to 0 there, so that their scores are 0, and exp(0) is 1.",
            "What must the score of a hidden token be?",
            "georg-wolflein/good-features#1"),
    Mistake("first_keep_for_all", {"keep_view": "first"},
            "With padding your first example is right, the others are not.",
            "The padding of the first example is used for all.",
            "Which axes does keep have when it meets the scores?",
            "line/lighthouse#77, ArrowLuo/CLIP4Clip#22"),
    Mistake("scale_sqrt_model", [{"scale": "sqrt_model"}, {"scale": "sqrt_memory"}],
            "Your weights are flatter than they should be.",
            "You divide by √ of x's or the memory's width; "
            "the scores are sums over the d columns of q and k.",
            "Whose last axis belongs under the root?",
            "lucidrains/vit-pytorch#65, Graylab/DL4Proteins-notebooks#12"),
    Mistake("residual_added", {"output": "residual"},
            "Your result contains x itself, where its width allows.",
            "The block adds x later; cross-attention alone does not.",
            "Look for x + ... at the end.", "[exp]"),
)  # fmt: skip

cross_attention = register(Exercise(
    "cross_attention", "06", "cross_attention(x, memory, w_q, w_k, w_v, keep=None)",
    "The target x (b, t, dim) asks, the memory (b, s, dim_m) answers, through projections @ w; "
    "keep (b, s) is True for real source tokens.",
    _cross, _cross_probes,
    (*(finite(m) for m in ATTENTION if m.id in _SHARED),
     *(_apart(m) for m in MASKED if m.id != "mask_transposed"), *_SIDES),
    axes=("the batch", "the targets", "the features"),
))  # fmt: skip

repair_cross = register(cross_attention.again(
    "repair_cross", "Mend the published cross-attention of lesson 06.",
))  # fmt: skip
