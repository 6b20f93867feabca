"""Exercises of lesson 04: rotary positions, and the scores that they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register
from ._trial import Caller
from .lesson04 import angles

Parts = tuple[Tensor, Tensor]


def _angles(x: Tensor, positions: Tensor, at: str, times: float, **switches: Any) -> Tensor:
    n, d = x.shape[-2:]
    positions = {
        "given": lambda: positions,
        "ignored": lambda: torch.arange(n),
        "plus_one": lambda: positions + 1,
        "over_heads": lambda: positions,
        "over_heads_cut": lambda: positions,
        "over_batch": lambda: positions,
        "over_batch_cut": lambda: positions,
        "first_for_all": lambda: positions[:1].expand(n),
    }[at]()
    turn = angles(positions, d, **switches) * times  # (n, d), neighbours alike
    if at.startswith("over_heads"):
        turn = turn.reshape(-1, 1, d)
        return turn[: x.shape[-3]] if at.endswith("cut") else turn
    if at.startswith("over_batch"):
        turn = turn.reshape(-1, *[1] * (x.ndim - 2), d)
        return turn[: x.shape[0]] if at.endswith("cut") else turn
    return turn


def _overwritten(a: Tensor, b: Tensor, cos: Tensor, sin: Tensor) -> Parts:
    a = a * cos - b * sin
    return a, a * sin + b * cos


_TURNS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Parts]] = {
    "right": lambda a, b, cos, sin: (a * cos - b * sin, a * sin + b * cos),
    "backwards": lambda a, b, cos, sin: (a * cos + b * sin, b * cos - a * sin),
    "no_minus": lambda a, b, cos, sin: (a * cos + b * sin, a * sin + b * cos),
    "two_minus": lambda a, b, cos, sin: (a * cos - b * sin, b * cos - a * sin),
    "mirrored": lambda a, b, cos, sin: (a * cos - b * sin, a * sin - b * cos),
    "swapped": lambda a, b, cos, sin: (a * sin - b * cos, a * cos + b * sin),
    "cos_only": lambda a, b, cos, sin: (a * cos, b * cos),
    "each_by_own": lambda a, b, cos, sin: (a * cos, b * sin),
    "added": lambda a, b, cos, sin: (a + sin, b + cos),
    "no_swap": lambda a, b, cos, sin: (a * cos + a * sin, b * cos + b * sin),
    "overwritten": _overwritten,
}


def _rotary(
    x: Tensor, positions: Tensor, *, pairing: str = "interleaved", turn: str = "right",
    at: str = "given", times: float = 1.0, cut: str = "no", **switches: Any,
) -> Tensor:  # fmt: skip
    angle = _angles(x, positions, at, times, **switches)
    if cut == "whole":
        angle = angle.trunc()
    elif cut == "first_pair":
        angle = angle * (torch.arange(x.shape[-1]) < 2)
    half = x.shape[-1] // 2
    if pairing in ("interleaved", "regrouped", "turns_by_half"):
        a, b = x[..., 0::2], x[..., 1::2]
    else:
        a, b = x[..., :half], x[..., half:]
    first, second = angle[..., 0::2], angle[..., 1::2]  # equal, unless the exponent is wrong
    if pairing == "half":
        second = first
    elif pairing == "turns_by_half":  # neighbours turn together, by angles laid out in halves
        laid_out = torch.cat([first, first], -1)
        first, second = laid_out[..., 0::2], laid_out[..., 1::2]
    elif pairing == "halves_by_neighbours":  # halves turn together, by angles of neighbours
        first, second = angle[..., :half], angle[..., half:]
    made = torch.broadcast_to(first, a.shape), torch.broadcast_to(second, a.shape)
    out_a = _TURNS[turn](a, b, made[0].cos(), made[0].sin())[0]
    out_b = _TURNS[turn](a, b, made[1].cos(), made[1].sin())[1]
    if pairing in ("interleaved", "turns_by_half"):
        return torch.stack([out_a, out_b], -1).flatten(-2)
    return torch.cat([out_a, out_b], -1)


def _rotary_probes() -> list[Probe]:
    x, square, small = numbers(41, 2, 3, 5, 8), numbers(42, 4, 4, 4, 6), numbers(43, 3, 2, 7, 10)
    later = torch.tensor([3, 4, 5, 6, 7])
    return [
        Probe("at positions 3 to 7", (x, later)),
        Probe("with as many sequences and heads as tokens", (square, torch.tensor([1, 2, 3, 4]))),
        Probe("at positions out of order", (small, torch.tensor([2, 0, 9, 4, 1, 7, 3]))),
        Probe("on one sequence without heads", (x[0, 0], later), decides=False),
    ]


def _keeps_types(call: Caller) -> str | None:
    far = torch.tensor([100_000, 100_001])
    x = numbers(44, 1, 1, 2, 8)
    found = torch.from_numpy(call.numbers(x, far))
    if float((found - _rotary(x, far)).abs().max()) > 1e-3:
        return "At position 100000 the angles lose digits in float32; float64 keeps them."
    return None


_TURN = (
    Mistake("half_split", {"pairing": "half"},
            "You turn feature i together with feature i + d/2.",
            "That is the same rotation with other partners, as Hugging Face stores it. Here, as "
            "in the paper, neighbours 2i and 2i + 1 turn together; weights fit only their own.",
            "Which columns are partners?",
            "rasbt/LLMs-from-scratch#838, karpathy/nanochat#264, vllm-metal#44",
            kind="convention"),
    Mistake("pairs_regrouped", {"pairing": "regrouped"},
            "Your numbers are right, with all first partners before all second ones.",
            "Queries and keys in the same new order give the same scores, and some models do "
            "so; here a pair goes back to columns 2i and 2i + 1.",
            "How do you put the two parts together again?", "DeepSeek's code does it",
            kind="convention"),
    Mistake("halves_turned_by_neighbours", {"pairing": "halves_by_neighbours"},
            "Two features that turn together turn by different angles.",
            "Partners are split in halves (i, i + d/2), but angles are laid out for neighbours; "
            "so q·k no longer depends on the difference of positions alone.",
            "Do your angles and your partners use the same layout?",
            "raiyanyahya/how-to-train-your-gpt#7"),
    Mistake("neighbours_turned_by_halves", {"pairing": "turns_by_half"},
            "Two features that turn together turn by different angles.",
            "Partners are neighbours (2i, 2i + 1), but angles are laid out in halves; "
            "so q·k no longer depends on the difference of positions alone.",
            "Do your angles and your partners use the same layout?",
            "raiyanyahya/how-to-train-your-gpt#7"),
    Mistake("turned_backwards", {"turn": "backwards"},
            "Your pairs turn the other way round.",
            "The two signs of the rotation are exchanged: the angle is negative.",
            "Which of the four products carries the minus?", "[exp]"),
    Mistake("minus_missing", [{"turn": "no_minus"}, {"turn": "two_minus"}, {"turn": "mirrored"}],
            "Your vectors change their length; turning keeps it, and position 0 changes nothing.",
            "A rotation has one minus: a cos - b sin and a sin + b cos. Yours is another pattern.",
            "Check the signs of the four products.", "[exp]"),
    Mistake("overwritten", {"turn": "overwritten"},
            "The first of each pair is right, the second is not.",
            "The second is made from the first one's new value.",
            "Are both old values still there when the second line runs?", "[exp]"),
    Mistake("sine_and_cosine_swapped", {"turn": "swapped"},
            "At position 0 your vectors are not left as they are.",
            "Sine and cosine are exchanged: each pair is turned by a quarter too much.",
            "What is the cosine of 0, and where should it stand?", "[exp]"),
    Mistake("partners_not_swapped", {"turn": "no_swap"},
            "Each feature of yours depends on itself alone, not on its partner.",
            "The sine meets the same feature as the cosine; in a rotation it meets the partner.",
            "What do you multiply with the sine?", "[exp]"),
    Mistake("one_product_each", [{"turn": "cos_only"}, {"turn": "each_by_own"}],
            "Each feature of yours is multiplied by one number.",
            "A rotation mixes both features of a pair: four products, not two.",
            "How many products has your rotation?", "[exp]"),
    Mistake("added_not_turned", {"turn": "added"},
            "Your result is x plus a table that does not depend on x.",
            "That is a sinusoidal encoding; a rotation multiplies.",
            "Look at how x meets sine and cosine.", "[exp]"),
    Mistake("positions_ignored", {"at": "ignored"},
            "Your tokens are turned as if they stood at 0, 1, 2, ...",
            "The positions that were given are not used. With a cache the new token "
            "would always stand at 0.",
            "Where do you use `positions`?",
            "skyzh/tiny-llm#46, ml-explore/mlx-lm#93, executorch#2010"),
    Mistake("positions_from_one", {"at": "plus_one"},
            "A token at position p is turned as one at p + 1.",
            "Scores see only differences, so they stay the same. Here position 0 changes nothing.",
            "What do you add to the positions?", "[exp]", kind="convention"),
    Mistake("positions_over_heads", [{"at": "over_heads"}, {"at": "over_heads_cut"}],
            "With as many heads as tokens, all tokens of a head are turned alike; "
            "otherwise it fails.",
            "The angles are laid along the heads. The tokens are the last axis but one.",
            "With which axis of x do your angles line up?", "fla-org/flash-linear-attention#126"),
    Mistake("positions_over_batch", [{"at": "over_batch"}, {"at": "over_batch_cut"}],
            "With as many sequences as tokens, all tokens of a sequence are turned alike; "
            "otherwise it fails.",
            "The angles are laid along the batch. The tokens are the last axis but one.",
            "With which axis of x do your angles line up?",
            "KasperGroesLudvigsen/influenza_transformer#9, pytorch/tutorials#1547"),
    Mistake("first_position_for_all", {"at": "first_for_all"},
            "All your tokens are turned by the same angles.",
            "Only the first position is used.", "Look at the index of `positions`.",
            "songyangco/GETNext#2"),
    Mistake("turned_twice", {"times": 2.0},
            "Every angle is twice what it should be.",
            "The rotation is applied to what was already turned, or a 2 slipped in.",
            "How often does x go through the rotation?",
            "labmlai/annotated_deep_learning_paper_implementations#251"),
    Mistake("exponent_sign", {"exponent": "negative"},
            "The first pair is right; your later pairs turn faster and faster.",
            "The position is multiplied by 10000^(2i/d); it should be divided by it.",
            "Look at the sign of the exponent.", "[exp]"),
    Mistake("angles_cut", {"cut": "whole"},
            "The first pair is right; the others hardly turn, and in jumps.",
            "The angles are cut to whole numbers: they are stored in an integer array.",
            "Which type does your array of angles have?", "[exp]"),
    Mistake("first_pair_only", {"cut": "first_pair"},
            "The first pair is right; all other features stay as they are.",
            "Only one pair is turned.", "Over which pairs does your loop run?", "[exp]"),
    Mistake("wrong_base", [{"base": 1000.0}, {"base": 100_000.0}, {"base": 500_000.0},
                           {"base": 1_000_000.0}],
            "The first pair is right; the others turn too fast or too slowly.",
            "The base is not 10000. Some models choose another; here it is 10000.",
            "Look at the base.", "[exp]"),
    Mistake("exponent_not_doubled", {"exponent": "not_doubled"},
            "Your later pairs turn too fast.",
            "The exponent is 2i/d, with i counting pairs; yours is i/d.",
            "What is the exponent of the last pair?", "[exp]"),
    Mistake("exponent_doubled", {"exponent": "doubled"},
            "Your later pairs turn too slowly.",
            "The 2 of 2i/d is there twice: arange(0, d, 2) gives 2i already.",
            "What is the exponent of the last pair?", "[exp]"),
    Mistake("own_angle_for_each_column", [{"exponent": "column"}, {"exponent": "two_columns"}],
            "Two features that turn together turn by different angles.",
            "There is one angle per column; a pair shares one.",
            "How many different angles does a token have?",
            "learners' threads on get_angles in the DLAI forum"),
    Mistake("exponent_from_one", {"exponent": "from_one"},
            "Your first pair turns too slowly; it should turn by 1 per position.",
            "Pairs are counted from 0, so that the first exponent is 0.",
            "What is the exponent of the first pair?", "[exp]"),
    Mistake("one_angle_for_all_pairs", {"exponent": "floored"},
            "All your pairs turn by the same angle.",
            "The exponent is 0 for every pair: a // where a / belongs, or no exponent at all.",
            "Print the exponents of all pairs.", "zju3dv/LoFTR#41"),
)  # fmt: skip

rotary = register(Exercise(
    "rotary", "04", "rotary(x, positions)",
    "Turn features 2i and 2i + 1 of x (b, h, n, d) by positions / 10000^(2i/d), positions (n,).",
    _rotary, _rotary_probes, _TURN,
    axes=("the batch", "the heads", "the tokens", "the features"),
    notes=(_keeps_types,),
))  # fmt: skip

repair_rotary = register(rotary.again(
    "repair_rotary", "Mend the published rotation of lesson 04, so that neighbours turn together.",
))  # fmt: skip

# ------------------------------------------------------------------- scores of turned vectors


def _scores(
    q: Tensor, k: Tensor, positions: Tensor, *, who: str = "both", scale: str = "none",
    product: str = "q@kT", **switches: Any,
) -> Tensor:  # fmt: skip
    def turned(x: Tensor, **more: Any) -> Tensor:
        return _rotary(x, positions, **switches, **more)

    q_, k_ = {
        "both": lambda: (turned(q), turned(k)),
        "q_only": lambda: (turned(q), k),
        "k_only": lambda: (q, turned(k)),
        "none": lambda: (q, k),
        "k_backwards": lambda: (turned(q), turned(k, turn="backwards")),
    }[who]()
    s = k_ @ q_.mT if product == "k@qT" else q_ @ k_.mT
    return s / q.shape[-1] ** 0.5 if scale == "sqrt_d" else s


def _score_probes() -> list[Probe]:
    return [
        Probe("for 5 tokens", (numbers(51, 5, 8), numbers(52, 5, 8), torch.arange(5))),
        Probe("from position 3 on",
              (numbers(53, 4, 6), numbers(54, 4, 6), torch.tensor([3, 4, 5, 6]))),
        Probe("for as many tokens as features",
              (numbers(55, 6, 6), numbers(56, 6, 6), torch.tensor([9, 2, 4, 0, 7, 3]))),
    ]  # fmt: skip


_KEPT = ("halves_turned_by_neighbours", "neighbours_turned_by_halves", "turned_backwards",
         "minus_missing", "overwritten", "one_product_each", "turned_twice", "wrong_base",
         "exponent_not_doubled", "exponent_doubled", "half_split")  # fmt: skip

rotary_scores = register(Exercise(
    "rotary_scores", "04", "rotary_scores(q, k, positions)",
    "Turn q (n, d) and k (n, d) by their positions (n,), and give every product q_i · k_j, (n, n).",
    _scores, _score_probes,
    (
        Mistake("only_queries_turned", {"who": "q_only"},
                "Your scores depend on where the query stands, not on the distance.",
                "Only q is turned. The two turns must meet, so that their difference is left.",
                "What happens to k?", "kvcache-ai/sglang#66"),
        Mistake("only_keys_turned", {"who": "k_only"},
                "Your scores depend on where the key stands, not on the distance.",
                "Only k is turned. The two turns must meet, so that their difference is left.",
                "What happens to q?", "kvcache-ai/sglang#66"),
        Mistake("nothing_turned", {"who": "none"},
                "The positions change nothing in your scores.",
                "Neither q nor k is turned, or the turned ones are not used.",
                "Where does the turned result go?", "[exp]"),
        Mistake("turned_against_each_other", {"who": "k_backwards"},
                "Your scores depend on the sum of two positions, not on the difference.",
                "k is turned the other way than q; the product undoes one turn by itself.",
                "Are the two rotations the same function?", "[exp]"),
        Mistake("scores_transposed", {"product": "k@qT"},
                "Your score of i for j is the expected score of j for i.",
                "Rows must be queries.", "Look at the order in your product.",
                "leaderj1001/BottleneckTransformers#14"),
        Mistake("scaled", {"scale": "sqrt_d"},
                "Your scores are those asked for, divided by √d.",
                "Attention divides later; here the plain products are asked for.",
                "Look for a division.", "[exp]", kind="convention"),
        *(m for m in _TURN if m.id in _KEPT),
    ),
    axes=("the queries", "the keys"),
    picture=("for 5 tokens", "queries", "keys"),
))  # fmt: skip
