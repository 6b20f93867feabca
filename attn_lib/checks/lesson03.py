"""Exercises of lesson 03: split and merge heads."""

from __future__ import annotations

from torch import Tensor

from . import Exercise, Mistake, Probe, counted, register


def split(x: Tensor, heads: int, *, way: str = "right", flip: bool = False) -> Tensor:
    b, n, dim = x.shape
    d = dim // heads
    if flip:
        x = x.flip(-1)
    return {
        "right": lambda: x.view(b, n, heads, d).transpose(1, 2),
        "view": lambda: x.reshape(b, heads, n, d),
        "interleaved": lambda: x.view(b, n, d, heads).permute(0, 3, 1, 2),
        "no_transpose": lambda: x.view(b, n, heads, d),
        "size_first": lambda: x.view(b, n, heads, d).permute(0, 2, 3, 1),
        "heads_first": lambda: x.view(b, n, heads, d).permute(2, 0, 1, 3),
        "folded": lambda: x.view(b, n, heads, d).transpose(1, 2).reshape(b * heads, n, d),
        "heads_as_size": lambda: x.view(b, n, heads, d).permute(0, 3, 1, 2),
        "view_no_heads": lambda: x.reshape(b, heads, d, n),
        "view_then_swap": lambda: x.reshape(b, heads, d, n).transpose(2, 3),
        "tokens_and_heads": lambda: x.reshape(b, d, n, heads).permute(0, 3, 2, 1),
        "batch_last": lambda: x.reshape(n, b, heads, d).permute(1, 2, 0, 3),
        "one_head_repeated": lambda: x[..., :d].unsqueeze(1).expand(b, heads, n, d),
        "not_split": lambda: x.unsqueeze(1).expand(b, heads, n, dim),
        "size_swapped": lambda: x.view(b, n, heads, d).transpose(2, 3),
        "heads_are_size": lambda: x.view(b, n, d, heads).transpose(1, 2),
        "tokens_cut": lambda: x.reshape(b, heads, n // heads, dim),
    }[way]()


def _split_probes() -> list[Probe]:
    return [
        Probe("with all sizes different", (counted(2, 6, 12), 3)),
        Probe("with as many heads as tokens", (counted(2, 3, 9), 3)),
        Probe("with two heads", (counted(3, 4, 10), 2)),
    ]


split_heads = register(Exercise(
    "split_heads", "03", "split_heads(x, heads)",
    "Cut each token's vector into heads pieces: (b, n, dim) to (b, h, n, d).",
    split, _split_probes,
    (
        Mistake("split_by_view", {"way": "view"},
                "Your shape is right, but a head holds pieces of several tokens.",
                "A plain view to (b, h, n, d) reads on in storage order: "
                "the first head gets the first tokens whole.",
                "Name the axes of the view in the order in which x stores them, then swap two.",
                "hyunwoongko/transformer#15, reczoo/FuxiCTR#30"),
        Mistake("heads_interleaved", {"way": "interleaved"},
                "Your head h takes every heads-th number of a token, from h on.",
                "That is a valid layout too, (d, h); here a head is one run of neighbours, (h, d), "
                "and weights made for one do not fit the other.",
                "Look at the order of the last two sizes in your view.", "awslabs/slapo#46",
                kind="convention"),
        Mistake("heads_not_moved", {"way": "no_transpose"},
                "Your numbers are right, with the axes (b, n, h, d).",
                "The heads must stand before the tokens, so that each head is a batch of its own.",
                "Which two axes are still to be swapped?", "[exp]"),
        Mistake("tokens_last", {"way": "size_first"},
                "Your axes are (b, h, d, n): tokens and features are swapped.",
                "A token is a row: (b, h, n, d).", "Look at your last transpose.", "[exp]"),
        Mistake("size_and_heads_swapped", {"way": "size_swapped"},
                "Your axes are (b, n, d, h): heads and features are swapped.",
                "The tokens are to change places with the heads, so that a head is a batch of "
                "its own.",
                "Which two axes does your transpose swap?", "[exp]"),
        Mistake("heads_before_batch", {"way": "heads_first"},
                "Your heads are the first axis, before the batch.",
                "The batch stays first: (b, h, n, d).", "Look at stack, or at the permutation.",
                "gazelle93/Transformer-Various-Positional-Encoding#1"),
        Mistake("heads_folded_into_batch", {"way": "folded"},
                "Your heads are folded into the batch: (b·h, n, d).",
                "That works with bmm too; here the heads keep an axis of their own.",
                "Leave out the last reshape.",
                "gazelle93/Transformer-Various-Positional-Encoding#1", kind="convention"),
        Mistake("features_as_heads", [{"way": "heads_as_size"}, {"way": "heads_are_size"}],
                "Your axis 1 counts the features of a head, your last axis the heads.",
                "The two axes behind dim are taken in the wrong order.",
                "Look at the permutation.", "[exp]"),
        Mistake("view_tokens_last", {"way": "view_no_heads"},
                "Your axes are (b, h, d, n), filled in storage order.",
                "The view mixes tokens and features, because x stores the tokens first.",
                "Name the axes of the view in the order in which x stores them.", "[exp]"),
        Mistake("view_then_swap", {"way": "view_then_swap"},
                "Your shape is right, but a row holds numbers of several tokens.",
                "The view is made with the tokens last; swapping them later does not bring "
                "the numbers back.",
                "Name the axes of the view in the order in which x stores them.", "[exp]"),
        Mistake("view_in_reverse", {"way": "tokens_and_heads"},
                "Your shape is right, but tokens, heads and features are mixed.",
                "The view names d before the tokens; x stores the tokens first.",
                "Name the axes of the view in the order in which x stores them.", "[exp]"),
        Mistake("batch_and_tokens_swapped", {"way": "batch_last"},
                "Your first example holds tokens of the second.",
                "The view takes the tokens for the batch.",
                "Which axis of x is the batch?", "IBM/TabFormer#14"),
        Mistake("one_head_repeated", {"way": "one_head_repeated"},
                "All your heads hold the same numbers.",
                "Every head gets the first d features.", "What changes from head to head?",
                "[exp]"),
        Mistake("not_split", {"way": "not_split"},
                "Every head of yours holds all features.",
                "The vector is repeated, not cut: a head has dim / heads features.",
                "How wide is a head?", "stats.stackexchange.com/questions/612334"),
        Mistake("tokens_cut", {"way": "tokens_cut"},
                "Your heads hold some tokens whole; each should hold a piece of every token.",
                "The sequence is cut, not the vectors.", "Which axis is cut?",
                "stats.stackexchange.com/questions/612334"),
        Mistake("features_reversed", {"flip": True},
                "The features of your heads run backwards.",
                "The last axis is turned around.", "Look for a flip or a step of -1.", "[exp]"),
    ),
    axes=("the batch", "the heads", "the tokens", "the features"),
    picture=("with as many heads as tokens", "tokens of head 0", "features"),
))  # fmt: skip


def merge(x: Tensor, *, way: str = "right", flip: bool = False) -> Tensor:
    b, h, n, d = x.shape
    if flip:
        x = x.flip(1)
    return {
        "right": lambda: x.transpose(1, 2).reshape(b, n, h * d),
        "view": lambda: x.reshape(b, n, h * d),
        "interleaved": lambda: x.permute(0, 2, 3, 1).reshape(b, n, h * d),
        "mean": lambda: x.mean(1),
        "sum": lambda: x.sum(1),
        "first": lambda: x[:, 0],
        "along_tokens": lambda: x.reshape(b, h * n, d),
        "swap_last": lambda: x.transpose(2, 3).reshape(b, n, h * d),
        "swap_ends": lambda: x.transpose(1, 3).reshape(b, n, h * d),
        "batch": lambda: x.permute(1, 2, 0, 3).reshape(b, n, h * d),
        "batch_as_heads": lambda: x.permute(1, 2, 0, 3).reshape(h, n, b * d),
        "flat": lambda: x.flatten(2),
        "not_merged": lambda: x.transpose(1, 2),
        "transposed": lambda: x.permute(0, 1, 3, 2).reshape(b, h * d, n),
        "tokens_first": lambda: x.permute(2, 0, 1, 3).reshape(n, b, h * d),
        "size_first": lambda: x.permute(0, 1, 3, 2).reshape(b, h * d, n).transpose(1, 2).flip(-1),
    }[way]()


def _merge_probes() -> list[Probe]:
    return [
        Probe("with all sizes different", (counted(2, 3, 5, 4),)),
        Probe("with as many heads as tokens", (counted(2, 3, 3, 4),)),
        Probe("with equal sizes", (counted(3, 3, 3, 3),)),
    ]


merge_heads = register(Exercise(
    "merge_heads", "03", "merge_heads(x)",
    "Put the heads of each token side by side again: (b, h, n, d) to (b, n, h·d).",
    merge, _merge_probes,
    (
        Mistake("merge_by_view", {"way": "view"},
                "Your shape is right, but a token holds pieces of several tokens.",
                "A plain reshape reads on in storage order: the whole first head comes first.",
                "Which two axes must be neighbours before you reshape?",
                "jsbaan/transformer-from-scratch#6, ajhalthor/Transformer-Neural-Network#4"),
        Mistake("heads_interleaved", {"way": "interleaved"},
                "Your token holds feature 0 of all heads, then feature 1 of all heads.",
                "That is a valid layout too, (d, h); here the heads stand one after another, "
                "and weights made for one do not fit the other.",
                "Look at the order of the last two axes.", "awslabs/slapo#46", kind="convention"),
        Mistake("mean_of_heads", {"way": "mean"},
                "Your token is the average of its heads.",
                "Averaging gives up what the heads found apart; they belong side by side.",
                "Which axis disappears, and how?",
                "ttsugriy.github.io/llm-first-principles (common mistakes)"),
        Mistake("sum_of_heads", {"way": "sum"},
                "Your token is the sum of its heads.",
                "Adding gives up what the heads found apart; they belong side by side.",
                "Which axis disappears, and how?", "[exp]"),
        Mistake("first_head_only", {"way": "first"},
                "Your token holds the first head alone.", "The other heads are dropped.",
                "Look at your index.", "[exp]"),
        Mistake("merged_along_tokens", {"way": "along_tokens"},
                "You have h times as many tokens, each as wide as one head.",
                "The heads are joined along the tokens; they belong along the features.",
                "Along which axis do you join?", "[exp]"),
        Mistake("wrong_axes_swapped", [{"way": "swap_last"}, {"way": "swap_ends"}],
                "Your shape is right, but the numbers of a token are mixed.",
                "A transpose is there, of the wrong two axes.",
                "Which two axes stand in the wrong order in (b, h, n, d)?",
                "649453932/Chinese-Text-Classification-Pytorch#10"),
        Mistake("batch_mixed_in", [{"way": "batch"}, {"way": "batch_as_heads"}],
                "Your tokens hold numbers of several examples.",
                "Heads and batch are taken in the wrong order.", "Which axis is the batch?",
                "gazelle93/Transformer-Various-Positional-Encoding#1"),
        Mistake("not_merged", {"way": "not_merged"},
                "Your axes are (b, n, h, d): the heads are still apart.",
                "The swap is right; the last two axes are to become one.",
                "What comes after the transpose?", "[exp]"),
        Mistake("tokens_last", {"way": "transposed"},
                "Your axes are (b, dim, n): tokens and features are swapped.",
                "A token is a row: (b, n, dim).", "Look at your transpose.", "[exp]"),
        Mistake("tokens_before_batch", {"way": "tokens_first"},
                "Your tokens are the first axis, before the batch.",
                "The batch stays first: (b, n, dim).", "Look at your permutation.",
                "IBM/TabFormer#14"),
        Mistake("heads_reversed", {"flip": True},
                "The heads stand in reverse order.", "The last head comes first.",
                "Look for a flip, or the order of your concatenation.", "[exp]"),
    ),
    axes=("the batch", "the tokens", "the features"),
    picture=("with as many heads as tokens", "tokens", "features"),
))  # fmt: skip
