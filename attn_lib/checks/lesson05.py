"""Exercises of lesson 05: the causal mask and the padding mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, register


def as_form(mask: Tensor, form: str) -> Tensor:
    """A mask in the form that learners return it in: boolean, or numbers to be added to scores."""
    hidden = (~mask).double()
    return {
        "bool": lambda: mask,
        "bias": lambda: torch.zeros_like(hidden).masked_fill(~mask, -torch.inf),
        "large": lambda: hidden * -1e9,
        "larger": lambda: torch.zeros_like(hidden).masked_fill(~mask, torch.finfo(torch.float).min),
        "nan": lambda: hidden * -torch.inf,
    }[form]()


FORMS = (
    Mistake("bias_not_mask", [{"form": "bias"}, {"form": "large"}, {"form": "larger"}],
            "Yours holds 0 where a token may attend and a huge negative number elsewhere.",
            "That is a bias, to be added to scores, and works there. Here a mask is boolean: "
            "True means 'may attend'.",
            "Leave out the step from the mask to numbers.",
            "vllm-project/speculators#691, huggingface/transformers#41443", kind="convention"),
    Mistake("zero_times_infinity", {"form": "nan"},
            "Yours is NaN where a token may attend.",
            "0 * -inf is NaN.", "Choose with where or masked_fill instead of multiplying.",
            "the tests of ARENA 1.1 warn of it"),
)  # fmt: skip


def _causal(n: int, *, which: str = "right", form: str = "bool") -> Tensor:
    ones = torch.ones(n, n, dtype=torch.bool)
    mask = {
        "right": lambda: ones.tril(),
        "inverted": lambda: ones.triu(1),
        "transposed": lambda: ones.triu(),
        "not_itself": lambda: ones.tril(-1),
        "one_ahead": lambda: ones.tril(1),
        "all": lambda: ones,
        "nothing": lambda: ~ones,
        "only_itself": lambda: torch.eye(n, dtype=torch.bool),
        "not_the_diagonal": lambda: ~torch.eye(n, dtype=torch.bool),
        "mirrored": lambda: ones.tril().flip(-1),
        "last_first": lambda: ones.tril().flip(-2),
        "one_row": lambda: torch.arange(n) <= torch.arange(n)[:, None] * 0,
        "inverted_not_itself": lambda: ones.triu(2),
    }[which]()
    return as_form(mask, form)


causal_mask = register(Exercise(
    "causal_mask", "05", "causal_mask(n)",
    "The (n, n) mask in which query i may attend (True) to itself and to all keys before it.",
    _causal,
    lambda: [
        Probe("for 5 tokens", (5,)), Probe("for 2 tokens", (2,)), Probe("for 8 tokens", (8,)),
    ],
    (
        Mistake("inverted", {"which": "inverted"},
                "Yours is True exactly where it should be False.",
                "It marks the keys to hide. Here True means 'may attend'.",
                "Turn it around at one place.",
                "rasbt/LLMs-from-scratch#1062, huggingface/transformers#38094"),
        Mistake("transposed", {"which": "transposed"},
                "In yours a token sees itself and everything after it.",
                "Row i is query i, column j is key j; yours reads it the other way.",
                "Upper or lower triangle? Draw it for 3 tokens.", "[exp]"),
        Mistake("diagonal_hidden", {"which": "not_itself"},
                "In yours no token may attend to itself, and the first row is empty.",
                "A token may see itself. An empty row gives NaN after the softmax.",
                "Look at the diagonal: which offset, or < where <= belongs?",
                "pbloem/former#10"),
        Mistake("one_ahead", {"which": "one_ahead"},
                "In yours each token sees one token of the future.",
                "Then the model reads the answer it should give.",
                "Look at the diagonal: which offset?", "[exp]"),
        Mistake("inverted_one_ahead", {"which": "inverted_not_itself"},
                "Yours is True for what lies two or more tokens ahead.",
                "It marks keys to hide, and hides one too few. Here True means 'may attend'.",
                "Draw it for 3 tokens.", "pbloem/former#10"),
        Mistake("everything_visible", {"which": "all"},
                "Yours is True everywhere.",
                "Nothing is hidden, so the model sees the answer.",
                "Where does the triangle come in?", "Kyubyong/transformer#94"),
        Mistake("nothing_visible", {"which": "nothing"},
                "Yours is False everywhere.",
                "No token may attend to anything.", "Where does the triangle come in?", "[exp]"),
        Mistake("only_itself", {"which": "only_itself"},
                "In yours each token sees itself alone.",
                "The keys before it are hidden too.", "Which comparison belongs between i and j?",
                "[exp]"),
        Mistake("all_but_itself", {"which": "not_the_diagonal"},
                "In yours each token sees all but itself.",
                "Only the future is to be hidden.", "Which comparison belongs between i and j?",
                "[exp]"),
        Mistake("mirrored", {"which": "mirrored"},
                "Your triangle lies at the right: the last keys are seen first.",
                "Keys are counted from the left, as tokens are.",
                "Look for a flip.", "[exp]"),
        Mistake("rows_reversed", {"which": "last_first"},
                "In yours the first row sees everything and the last row one key.",
                "Rows are counted from the top: row 0 is the first token.",
                "Look for a flip.", "[exp]"),
        Mistake("first_key_only", {"which": "one_row"},
                "In yours every token sees the first key alone.",
                "The row number is lost in the comparison.",
                "Which shapes do the two sides of your comparison have?", "[exp]"),
        *FORMS,
    ),
    axes=("the queries", "the keys"),
    picture=("for 5 tokens", "queries", "keys"),
    gradients=False,
))  # fmt: skip

# ------------------------------------------------------------------------------- padding


def _padding(
    lengths: Tensor, n: int, *, which: str = "right", layout: str = "keys", form: str = "bool"
) -> Tensor:
    place, length = torch.arange(n), lengths[:, None]
    mask = {
        "right": lambda: place < length,
        "one_more": lambda: place <= length,
        "one_less": lambda: place < length - 1,
        "inverted": lambda: place >= length,
        "left": lambda: place >= n - length,
        "inverted_left": lambda: place < n - length,
        "all": lambda: (place >= 0) & (length >= 0),
        "longest": lambda: place < length.max(),
        "shortest": lambda: place < length.min(),
        "first": lambda: place < length[0] + 0 * length,
        "last": lambda: place < length[-1] + 0 * length,
        "no_axis": lambda: place < lengths,  # fails unless b = n
        "last_only": lambda: place == length - 1,
        "pad_first": lambda: (place < length) & (place > 0),
        "inverted_one_more": lambda: place > length,
    }[which]()
    mask = mask if which == "no_axis" else mask.expand(len(lengths), n)
    if mask.ndim == 1:
        return as_form(mask, form)
    pairs = mask[:, :, None] & mask[:, None, :]
    mask = {
        "keys": lambda: mask,
        "queries": lambda: mask[:, :, None],
        "queries4": lambda: mask[:, None, :, None],
        "all_rows": lambda: mask[:, :, None].expand(-1, -1, n),
        "pairs": lambda: pairs,
        "pairs4": lambda: pairs[:, None],
        "transposed": lambda: mask.mT,
        "causal": lambda: mask[:, None, :] & torch.ones(n, n, dtype=torch.bool).tril(),
    }[layout]()
    return as_form(mask, form)


def _keys_only(fn: Callable[..., Any], lengths: Any, n: int) -> Any:
    """(b, 1, n), (b, 1, 1, n), or every row of (b, n, n) alike: all say the same of the keys."""
    found = fn(lengths, n)
    if not isinstance(found, torch.Tensor | np.ndarray | list):
        return found
    mask = found if isinstance(found, torch.Tensor) else torch.as_tensor(np.asarray(found))
    b = len(lengths)
    if mask.ndim in (3, 4) and mask.shape[0] == b and mask.shape[-1] == n:
        first = mask.reshape(b, -1, n)[:, 0]
        same = bool((mask.reshape(b, -1, n) == first[:, None]).all())
        if same and mask.reshape(b, -1, n).shape[1] in (1, n):
            return first
    return mask


padding_mask = register(Exercise(
    "padding_mask", "05", "padding_mask(lengths, n)",
    "Which of n places hold a token (True, may attend), (b, n): sequence b has lengths[b] tokens, "
    "then padding. With axes of size 1 for heads and queries it is right too.",
    _padding,
    lambda: [
        Probe("for lengths 3, 6, 1", (torch.tensor([3, 6, 1]), 6)),
        Probe("for as many sequences as places", (torch.tensor([2, 4, 1, 3]), 4)),
        Probe("where no sequence is full", (torch.tensor([2, 5]), 7)),
    ],
    (
        Mistake("one_too_many", {"which": "one_more"},
                "In yours each sequence has one token more than its length.",
                "Tokens stand at 0 ... length - 1, so that place `length` is padding.",
                "Look at your comparison.", "[exp]"),
        Mistake("one_too_few", {"which": "one_less"},
                "In yours the last token of each sequence is hidden.",
                "Tokens stand at 0 ... length - 1, and all of them are real.",
                "Look at your comparison.", "[exp]"),
        Mistake("inverted", {"which": "inverted"},
                "Yours is True on the padding.",
                "It marks the places to hide. Here True means 'may attend'.",
                "Turn it around at one place.", "InseeFrLab/torchTextClassifiers#92"),
        Mistake("inverted_one_too_many", {"which": "inverted_one_more"},
                "Yours is True on the padding but for its first place.",
                "It marks the places to hide, and one too few of them.",
                "Draw it for a length of 2.", "[exp]"),
        Mistake("padded_left", {"which": "left"},
                "In yours the tokens stand at the end of each row.",
                "That is right for padding on the left, as used for generating. "
                "Here the padding comes after the tokens.",
                "At which end does the padding stand?", "huggingface/transformers#18478"),
        Mistake("inverted_padded_left", {"which": "inverted_left"},
                "Yours is True on padding that stands on the left.",
                "It marks the places to hide, and on the other side than here.",
                "Draw it for a length of 2.", "[exp]"),
        Mistake("everything_visible", {"which": "all"},
                "Yours is True everywhere.",
                "The lengths change nothing, so padding is attended to.",
                "Where do you use `lengths`?", "bentrevett/pytorch-seq2seq#96"),
        Mistake("longest_for_all", {"which": "longest"},
                "All your rows are as long as the longest sequence.",
                "One number is used for all; each sequence has a length of its own.",
                "Look for a max.", "[exp]"),
        Mistake("shortest_for_all", {"which": "shortest"},
                "All your rows are as long as the shortest sequence.",
                "One number is used for all; each sequence has a length of its own.",
                "Look for a min.", "[exp]"),
        Mistake("lengths_without_axis", {"which": "no_axis"},
                "It fails, or gives one row, where each sequence should have a row of its own.",
                "Places (n,) and lengths (b,) are compared one by one; "
                "each length must meet every place.",
                "Which shape must lengths have to meet the places?",
                "lucidrains/vit-pytorch#71, idiap/fast-transformers#101"),
        Mistake("first_for_all", [{"which": "first"}, {"which": "last"}],
                "All your rows are as long as one sequence, the first or the last.",
                "One number is used for all; each sequence has a length of its own.",
                "Look at the index of `lengths`.", "[exp]"),
        Mistake("last_token_only", {"which": "last_only"},
                "In yours only the last token of each sequence may be attended to.",
                "All tokens up to it are real too.",
                "Which comparison belongs between place and length?", "[exp]"),
        Mistake("first_token_hidden", {"which": "pad_first"},
                "In yours the first token of each sequence is hidden.",
                "Places are counted from 0.", "Where does your range start?", "[exp]"),
        Mistake("queries_not_keys",
                [{"layout": "queries"}, {"layout": "queries4"}, {"layout": "all_rows"}],
                "Yours hides the rows of padding, not its columns.",
                "Real tokens would still attend to padding. Keys are the last axis: "
                "the places belong there.",
                "On which axis do your places lie?",
                "bentrevett/pytorch-seq2seq#96, lucidrains/x-transformers#172, keras-io#1046"),
        Mistake("queries_hidden_too", [{"layout": "pairs"}, {"layout": "pairs4"}],
                "Yours hides padding among the queries as well as among the keys.",
                "A row of padding is then empty, and its softmax is 0/0: NaN. "
                "Hide keys alone; the loss leaves padded rows out.",
                "Which of the two conditions is needed?",
                "pytorch#41508, pytorch#103749, tracel-ai/burn#4697"),
        Mistake("axes_swapped", {"layout": "transposed"},
                "Your rows are places and your columns are sequences.",
                "Each sequence is a row: (b, n).",
                "Which of the two sides of your comparison has its axis last?",
                "lucidrains/vit-pytorch#71, huggingface/transformers#28215"),
        Mistake("causal_too", {"layout": "causal"},
                "Yours hides the future as well.",
                "Only padding is asked for; the causal mask is combined with it later.",
                "Which part of yours is not about lengths?", "[exp]"),
        *FORMS,
    ),
    axes=("the sequences", "the places"),
    drive=_keys_only,
    picture=("for lengths 3, 6, 1", "sequences", "places"),
    gradients=False,
))  # fmt: skip
