"""Exercises of lesson 08: windows with global tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, register
from ._windows import FORMS, shown, told


def _global_local(
    n: int, w: int, n_global: int, *, reach: str = "w", side: str = "both", tokens: str = "both",
    where: str = "first", join: str = "or", edge: str = "none", cut: str = "none",
    order: str = "w, n_global", form: str = "bool",
) -> Tensor:  # fmt: skip
    if order != "w, n_global":
        w, n_global = n_global, w
    i, j = torch.arange(n)[:, None], torch.arange(n)
    gap = i - j
    near = {
        "w": lambda: gap.abs() < w, "w+1": lambda: gap.abs() <= w, "w-1": lambda: gap.abs() < w - 1,
        "half": lambda: gap.abs() <= w // 2, "half_even": lambda: gap.abs() <= (w - 1) // 2,
        "blocks": lambda: i // w == j // w, "none": lambda: gap > n, "all": lambda: gap > -n,
    }[reach]()  # fmt: skip
    if edge == "slice":  # [-3:5] counts from the end, and is empty
        near = near & ((i - w + 1 >= 0) | (j >= (n + i - w + 1).clamp(min=0)))
    elif edge == "ring":
        near = near | (gap % n < w) | (-gap % n < w)
    near = near & {
        "both": gap > -n, "causal": gap >= 0, "ahead": gap <= 0, "others": gap != 0
    }[side]  # fmt: skip
    special = {
        "first": lambda: j < n_global, "one_more": lambda: j <= n_global,
        "one_less": lambda: j < n_global - 1, "last": lambda: j >= n - n_global,
        "one": lambda: j == n_global,
        "negative": lambda: j < (n - n_global if n_global else 0),
        "every": lambda: j % max(n_global, 1) == 0,
        "spread": lambda: torch.isin(
            j, torch.tensor([g * n // max(n_global, 1) for g in range(n_global)])
        ),
    }[where]()  # fmt: skip
    rows = special[:, None] & (j > -1)
    wide = {
        "both": rows | special, "looked_at": special & (i > -1), "looking": rows,
        "each_other": rows & special, "none": rows & False,
    }[tokens]  # fmt: skip
    mask = {"or": near | wide, "and": near & wide, "xor": near ^ wide}[join]
    if mask.all() or not mask.any():
        raise ValueError("all entries are the same: that says nothing")
    if cut == "causal":
        mask = mask & (gap >= 0)
    return told(mask, form)


def _global_probes() -> list[Probe]:
    sizes = (13, 3, 2), (11, 2, 4), (9, 4, 0), (8, 1, 3), (10, 3, 3)
    return [
        Probe(f"with n = {n}, w = {w} and n_global = {g}", (n, w, g)) for n, w, g in sizes
    ]  # fmt: skip


global_local_mask = register(Exercise(
    "global_local_mask", "08", "global_local_mask(n, w, n_global)",
    "Boolean (n, n): True where |i - j| < w, where i is one of the first n_global tokens, or j is.",
    _global_local, _global_probes,
    (
        Mistake("global_cannot_look", {"tokens": "looked_at"},
                "Every query sees your global tokens, but they see only their neighbours.",
                "Only the columns are opened. A global token must also gather: its row is "
                "open too.",
                "Where do you speak of i < n_global?", "meta-pytorch/attention-gym#215"),
        Mistake("global_not_seen", {"tokens": "looking"},
                "Your global tokens see every key, but far queries do not see them.",
                "Only the rows are opened. What a global token gathers must be read by all: "
                "its column is open too.",
                "Where do you speak of j < n_global?", "meta-pytorch/attention-gym#215"),
        Mistake("global_only_each_other", {"tokens": "each_other"},
                "Your global tokens see one another, and no other far token sees or is seen.",
                "A pair is opened only when both of its tokens are global; one is enough.",
                "How do you join i < n_global and j < n_global?", "[exp]"),
        Mistake("no_global_tokens", {"tokens": "none"},
                "Your mask is the plain window: token 0 sees only its neighbours.",
                "n_global changes nothing in your result.", "Where do you use n_global?", "[exp]"),
        Mistake("no_window", {"reach": "none"},
                "Only the rows and columns of your global tokens are open: other tokens do not "
                "even see themselves.",
                "The window is missing.", "Where do you use w?", "[exp]"),
        Mistake("both_not_either", {"join": "and"},
                "Your mask is open only near the first tokens; late tokens see nothing.",
                "A pair is near *and* global in your mask; one of the two is enough.",
                "How do you join the window and the global tokens?",
                "keras-team/keras-io#1046"),
        Mistake("both_is_neither", {"join": "xor"},
                "Global tokens and their neighbours do not see each other in your mask.",
                "Where window and global tokens overlap you have False: True and True together "
                "became False (^, or a sum of which only 1 counts).",
                "Look at a pair that is both near and global.", "[exp]"),
        Mistake("causal_too", {"cut": "causal"},
                "Your mask is False above the diagonal.",
                "You hide later keys. This mask is for an encoder, where every token may look "
                "ahead; global tokens too.",
                "Look for tril, or for i >= j.", "facebookresearch/xformers#1135"),
        Mistake("window_looks_back_only", {"side": "causal"},
                "Your window has keys before the token and none after it.",
                "This is the causal window of lesson 07; here |i - j| < w, to both sides.",
                "Look at how you measure the distance.", "[exp]"),
        Mistake("window_looks_ahead_only", {"side": "ahead"},
                "Your window has keys after the token and none before it.",
                "The distance has a sign in your code; here |i - j| < w, to both sides.",
                "Look at how you measure the distance.", "[exp]"),
        Mistake("itself_hidden", {"side": "others"},
                "Late tokens do not see themselves in your mask.",
                "The token itself is part of its window: the distance 0 is below w.",
                "Look at what you do with the diagonal.", "pbloem/former#10"),
        Mistake("window_one_too_wide", {"reach": "w+1"},
                "With w = 3 your window has 7 keys, 3 to each side.",
                "Longformer and Hugging Face's two-sided windows count that way; here w counts "
                "the token itself: |i - j| < w, 2w - 1 keys.",
                "Try w = 1: which keys should be left?",
                "huggingface/transformers#39408, ml-explore/mlx-lm#390"),
        Mistake("window_one_too_narrow", {"reach": "w-1"},
                "With w = 3 your window has 3 keys; w = 1 leaves not even the token itself.",
                "w counts the token and its neighbours on one side: |i - j| < w.",
                "Try w = 1: which keys should be left?", "ml-explore/mlx-lm#390"),
        Mistake("w_counts_both_sides", [{"reach": "half"}, {"reach": "half_even"}],
                "With w = 4 your window is narrower than 7 keys.",
                "w is shared between the two sides, w / 2 for each, as in Longformer's "
                "attention_window. Here it reaches w - 1 to each side.",
                "What do you do with w before you compare?", "Beltagy et al. 2020, 2004.05150",
                kind="convention"),
        Mistake("blocks_not_sliding", {"reach": "blocks"},
                "Neighbours on the two sides of a multiple of w do not see each other.",
                "You cut the sequence into blocks. The window moves with each token.",
                "What do you compare, distances or block numbers?", "[exp]"),
        Mistake("one_global_too_many", {"where": "one_more"},
                "Token n_global is global in your mask; with n_global = 0 token 0 is.",
                "The first g tokens are 0 to g - 1.", "Look at < and <=.", "[exp]"),
        Mistake("one_global_too_few", {"where": "one_less"},
                "With n_global = 2 only token 0 is global in your mask.",
                "The first g tokens are 0 to g - 1.", "Look at the end of your slice.", "[exp]"),
        Mistake("global_tokens_last", {"where": "last"},
                "In your mask the last tokens are global.",
                "Here the global tokens are the first ones, as a [CLS] token is.",
                "Which rows and columns does your slice take?", "[exp]"),
        Mistake("all_but_n_global", {"where": "negative"},
                "With n = 13 and n_global = 2 the first 11 tokens of your mask are global.",
                "A slice that ends at -n_global leaves out the last ones and takes the rest.",
                "What does your slice take of a list of 13?", "[exp]"),
        Mistake("only_token_n_global", {"where": "one"},
                "One token is global in your mask: token n_global.",
                "n_global says how many are global; you read it as a position.",
                "Do you compare with == or with <?", "[exp]"),
        Mistake("global_tokens_spread", [{"where": "every"}, {"where": "spread"}],
                "Your global tokens are spread over the sequence.",
                "That is a fixed pattern as in the Sparse Transformer; here the first n_global "
                "tokens are global.",
                "Do you take n_global for a step?", "Child et al. 2019, 1904.10509"),
        Mistake("slice_from_the_end", {"edge": "slice"},
                "Your first tokens after the global ones see too few keys, not even themselves.",
                "A slice that starts at a negative number counts from the end of the row.",
                "What is i - w + 1 for the first tokens?", "[exp]"),
        Mistake("wraps_around", {"edge": "ring"},
                "Your first tokens see the last ones, as if the sequence were a ring.",
                "Negative indices and roll go on at the other end.",
                "What should happen when i - w + 1 is below 0?", "[exp]"),
        Mistake("w_and_n_global_swapped", {"order": "n_global, w"},
                "With w = 3 and n_global = 2 you have a window of 2 and three global tokens.",
                "The two numbers are exchanged.", "Look at where you use w and n_global.",
                "[exp]"),
        *FORMS,
    ),
    axes=("the queries", "the keys"),
    picture=("with n = 10, w = 3 and n_global = 3", "queries", "keys"),
    localise=lambda seen: shown(seen, tuple(p.name for p in _global_probes())),
    gradients=False,
))  # fmt: skip


def _causal_too(n: int, w: int, n_global: int, *, cut: str = "causal", **switches: str) -> Tensor:
    return _global_local(n, w, n_global, cut=cut, **switches)


repair_global = register(Exercise(
    "repair_global", "08", "repair_global(n, w, n_global)",
    "Mend the published mask that never becomes causal: True where |i - j| < w, or i or j is one "
    "of the first n_global tokens, and never where j > i.",
    _causal_too, _global_probes,
    (
        Mistake("not_causal", {"cut": "none"},
                "Your mask has True above the diagonal, as if it were an encoder's.",
                "The causal part acts on nothing: a table of one row and one column, True, "
                "changes no mask that it is joined to.",
                "How many rows and columns has the table that you call causal?",
                "facebookresearch/xformers#1135"),
        Mistake("global_tokens_look_ahead", {"cut": "none", "side": "causal"},
                "Your window is causal, and your first tokens see the end of the text.",
                "Under a causal mask nothing looks ahead, global tokens included.",
                "Which brackets stand around what is causal?", "facebookresearch/xformers#1135"),
        Mistake("causal_the_wrong_way", {"cut": "none", "side": "ahead"},
                "Your window looks ahead only.",
                "The diagonal has two sides: key j is seen by query i where j <= i.",
                "Do you compare i with j, or j with i?", "[exp]"),
        Mistake("no_global_tokens", {"tokens": "none"},
                "Your mask is the plain causal window: late tokens do not see token 0.",
                "n_global changes nothing in your result.", "Where do you use n_global?", "[exp]"),
        Mistake("no_window", {"reach": "none"},
                "Only your global tokens are seen: other tokens do not even see themselves.",
                "The window is missing.", "Where do you use w?", "[exp]"),
        Mistake("itself_hidden", {"side": "others"},
                "Late tokens do not see themselves in your mask.",
                "The distance 0 is below w, and j <= i holds for j = i.",
                "Look at what you do with the diagonal.", "pbloem/former#10"),
        Mistake("window_one_too_wide", {"reach": "w+1"},
                "With w = 3 your window has 4 keys.",
                "w counts the token itself: |i - j| < w.",
                "Try w = 1: which keys should be left?",
                "huggingface/transformers#39408, ml-explore/mlx-lm#390"),
        Mistake("window_one_too_narrow", {"reach": "w-1"},
                "With w = 3 your window has 2 keys; w = 1 leaves not even the token itself.",
                "w counts the token itself: |i - j| < w.",
                "Try w = 1: which keys should be left?", "ml-explore/mlx-lm#390"),
        Mistake("one_global_too_many", {"where": "one_more"},
                "Token n_global is global in your mask; with n_global = 0 token 0 is.",
                "The first g tokens are 0 to g - 1.", "Look at < and <=.", "[exp]"),
        Mistake("one_global_too_few", {"where": "one_less"},
                "With n_global = 2 only token 0 is global in your mask.",
                "The first g tokens are 0 to g - 1.", "Look at the end of your slice.", "[exp]"),
        Mistake("w_and_n_global_swapped", {"order": "n_global, w"},
                "With w = 3 and n_global = 2 you have a window of 2 and three global tokens.",
                "The two numbers are exchanged.", "Look at where you use w and n_global.",
                "[exp]"),
        *FORMS,
    ),
    axes=("the queries", "the keys"),
    picture=("with n = 10, w = 3 and n_global = 3", "queries", "keys"),
    localise=lambda seen: shown(seen, tuple(p.name for p in _global_probes())),
    gradients=False,
))  # fmt: skip
