"""Exercise of lesson 05: a published causal attention that leaks, to be mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register
from ._attention import attend
from ._attention_mistakes import ATTENTION


def _causal_attention(
    q: Tensor, k: Tensor, v: Tensor, keep: Tensor | None = None, *, which: str = "right",
    both: str = "and", keep_view: str = "keys", mode: str = "before", fill: float = -torch.inf,
    **switches: Any,
) -> Tensor:  # fmt: skip
    n = q.shape[-2]
    ones = torch.ones(n, n, dtype=torch.bool)
    past = {
        "right": lambda: ones.tril(),
        "inverted": lambda: ones.triu(1),
        "transposed": lambda: ones.triu(),
        "not_itself": lambda: ones.tril(-1),
        "one_ahead": lambda: ones.tril(1),
        "none": lambda: ones,
    }[which]()
    mask = past.expand(len(q), n, n)
    if keep is not None:
        real = {
            "keys": lambda: keep[:, None, :].expand(-1, n, n),
            "inverted": lambda: ~keep[:, None, :].expand(-1, n, n),
            "queries": lambda: keep[:, :, None].expand(-1, n, n),
            "ignored": lambda: torch.ones_like(mask),
            "no_axis": lambda: keep[None].expand(n, n, n),  # fails unless b = n
        }[keep_view]()
        if len(real) != len(mask):
            raise ValueError("keep does not fit the scores")
        mask = {
            "and": lambda: mask & real,
            "or": lambda: mask | real,
            "keep_only": lambda: real,
            "causal_only_with_keep": lambda: mask & real,
        }[both]()
    elif both == "causal_only_with_keep":
        mask = torch.ones_like(mask)
    return attend(q, k, v, mask, mask_mode=mode, fill=fill, **switches)


def _real_rows(fn: Callable[..., Any], *args: Any) -> Any:
    """Rows of padding are nobody's business: they become 0, whatever stands there."""
    found = fn(*args)
    if len(args) < 4:
        return found
    keep, out = args[3], found[0] if isinstance(found, tuple) and found else found
    if getattr(out, "shape", None) != args[2].shape:
        return found
    if isinstance(out, torch.Tensor):
        return torch.where(torch.as_tensor(keep)[..., None], out, torch.zeros_like(out))
    return np.where(np.asarray(keep)[..., None], out, 0.0)


def _probes() -> list[Probe]:
    x = numbers(71, 2, 5, 8), numbers(72, 2, 5, 8), numbers(73, 2, 5, 3)
    square = numbers(74, 4, 4, 4), numbers(75, 4, 4, 4), numbers(76, 4, 4, 4)
    left = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 1, 1]]).bool()
    other = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1], [0, 0, 0, 1], [1, 1, 1, 1]]).bool()
    right = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]).bool()
    return [
        Probe("without padding", x),
        Probe("with padding on the left", (*x, left)),
        Probe("with padding on the right", (*x, right)),
        Probe("with all sizes equal", (*square, other)),
    ]


_SHARED = ("softmax_over_queries", "softmax_over_batch", "no_scale", "scale_by_d",
           "scale_multiplied", "scale_sqrt_queries", "softmax_twice",
           "scale_after_softmax", "values_are_keys")  # fmt: skip


def finite(mistake: Mistake) -> Mistake:
    """In pairs a finite fill: columns that hide all are NaN with -inf, like any other NaN."""
    if "axis" not in mistake.ways[0]:
        return mistake
    axis = mistake.ways[0]["axis"]
    return replace(mistake, switches=[{"axis": axis, "fill": -1e9}, {"axis": axis}])


_MASKS = (
    Mistake("causal_inverted", {"which": "inverted"},
            "Changing the last token changes your first result: each token sees only the future.",
            "The triangle marks what to hide, but is used as what to keep.",
            "Which places do you fill?",
            "rasbt/LLMs-from-scratch#1062, lucidrains/halonet-pytorch#4"),
    Mistake("causal_transposed", {"which": "transposed"},
            "Changing the last token changes your first result: the future is seen.",
            "Each token sees itself and everything after it; rows are queries, columns keys.",
            "Upper or lower triangle?", "[exp]"),
    Mistake("diagonal_hidden", [{"which": "not_itself"}, {"which": "not_itself", "fill": -1e9}],
            "Your first result is NaN or a plain average: token 0 may attend to nothing.",
            "A token may see itself.", "Look at the diagonal of the triangle.",
            "pbloem/former#10"),
    Mistake("one_ahead", {"which": "one_ahead"},
            "Changing token t + 1 changes your result at t.",
            "Each token sees one token of the future.",
            "Look at the diagonal of the triangle.", "[exp]"),
    Mistake("no_causal_mask", {"which": "none"},
            "Changing the last token changes every result of yours.",
            "Nothing hides the future: the model sees the answer.",
            "Is the masked result used?",
            "Kyubyong/transformer#94, IpsumDominum/Pytorch-Simple-Transformer#3"),
    Mistake("causal_only_with_keep", {"both": "causal_only_with_keep"},
            "Right with padding; without it future tokens change the past.",
            "One path through the code skips the causal mask: the one where keep is None.",
            "What happens when keep is None?",
            "facebookresearch/xformers#103, keras-team/keras#23038"),
    Mistake("causal_forgotten_with_keep", {"both": "keep_only"},
            "Right without padding; with it future tokens change the past.",
            "The padding mask takes the place of the causal one; both must hold.",
            "What happens when keep is given?",
            "huggingface/transformers#48745, facebookresearch/xformers#103"),
    Mistake("causal_or_padding", {"both": "or"},
            "With padding, future tokens change the past, and padding is seen.",
            "The two masks are joined by OR; a key must pass both.",
            "How do you combine the two masks?", "keras-team/keras-io#1046"),
    Mistake("padding_inverted", {"keep_view": "inverted"},
            "With padding, your queries look exactly at the padding.",
            "keep is True for real tokens; you hide those.",
            "Which places do you fill?", "InseeFrLab/torchTextClassifiers#92"),
    Mistake("padding_seen", [{"keep_view": "ignored"}, {"keep_view": "queries"}],
            "Changing what stands at padding changes the results of real tokens.",
            "keep is not used, or it hides rows (queries); it is columns (keys) that are to be "
            "hidden. With padding on the right a causal mask hides that.",
            "Which axis of the scores does keep meet?",
            "bentrevett/pytorch-seq2seq#96, lucidrains/x-transformers#172"),
    Mistake("padding_broadcast_over_batch", {"keep_view": "no_axis"},
            "It fails, unless there are as many sequences as tokens: then rows are mixed up.",
            "keep (b, n) meets scores (b, n, n) from the right: its b lines up with the queries.",
            "Which shape must keep have to meet the scores?",
            "lucidrains/vit-pytorch#71, huggingface/transformers#28215"),
    Mistake("mask_filled_with_zero", {"mode": "zero"},
            "Hidden keys still get weight.",
            "Their score is set to 0 (or to 1e-9, or multiplied by 0), and exp(0) is 1.",
            "Which number has an exponential of 0?",
            "georg-wolflein/good-features#1, Shujun-He/RibonanzaNet#5"),
    Mistake("mask_added", {"mode": "added"},
            "Allowed keys weigh e times more, and nothing is hidden.",
            "True and False are added to the scores as 1 and 0.",
            "Turn the mask into 0 and -inf before you add it, or fill with it.",
            "vllm-project/speculators#691, huggingface/transformers#41443"),
    Mistake("mask_after_softmax", {"mode": "after"},
            "Rows with hidden keys sum to less than 1.",
            "The mask comes after the softmax, which has already shared the row with hidden keys.",
            "Mask the scores first, or divide by the new row sum.",
            "huggingface/pytorch-image-models#2236, lucidrains/memory-compressed-attention#2"),
)  # fmt: skip

repair_causal = register(Exercise(
    "repair_causal", "05", "causal_attention(q, k, v, keep=None)",
    "Mend the published causal attention: a token (b, n, d) sees itself and what came before it, "
    "never padding. keep (b, n) is True for real tokens; rows of padding are not looked at.",
    _causal_attention, _probes,
    (*(finite(m) for m in ATTENTION if m.id in _SHARED), *_MASKS),
    axes=("the batch", "the tokens", "the features"),
    drive=_real_rows,
))  # fmt: skip
