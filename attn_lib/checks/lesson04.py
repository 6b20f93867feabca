"""Exercises of lesson 04: sinusoidal positions and ALiBi."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, register
from ._trial import Caller


def angles(
    positions: Tensor, dim: int, *, exponent: str = "pair", base: float = 10_000.0
) -> Tensor:
    """One angle per position and column, (n, dim): p / base^(2i/dim), i = column // 2."""
    column = torch.arange(dim, dtype=torch.float64)
    pair = column.div(2, rounding_mode="floor")
    log = torch.tensor(base).double().log()
    power = {
        "pair": lambda: 2 * pair / dim,
        "two_columns": lambda: 2 * column / dim,
        "column": lambda: column / dim,
        "not_doubled": lambda: pair / dim,
        "doubled": lambda: 4 * pair / dim,
        "floored": lambda: torch.zeros(dim, dtype=torch.float64),
        "floored_log": lambda: 2 * pair / log,
        "floored_each": lambda: -(-(2 * pair / dim) * log / 2).floor() / log,
        "floored_whole": lambda: -(-(2 * pair / dim) * log).floor() / log,
        "negative": lambda: -2 * pair / dim,
        "to_the_end": lambda: pair / max(dim // 2 - 1, 1),
        "from_one": lambda: 2 * (pair + 1) / dim,
    }[exponent]()
    return positions.to(torch.float64)[:, None] * base**-power


def _sinusoidal(
    n: int, dim: int, *, waves: str = "sin_cos", order: str = "interleaved", start: str = "zero",
    result: str = "as_is", **switches: Any,
) -> Tensor:  # fmt: skip
    positions = torch.arange(n, dtype=torch.float64)
    positions = {
        "zero": positions,
        "one": positions + 1,
        "share": positions / n,
        "degrees": positions.deg2rad(),
    }[start]
    turn = angles(positions, dim, **switches)
    even, odd = turn[:, 0::2], turn[:, 1::2]
    first, second = {
        "sin_cos": lambda: (even.sin(), odd.cos()),
        "cos_sin": lambda: (even.cos(), odd.sin()),
        "sin": lambda: (even.sin(), odd.sin()),
        "cos": lambda: (even.cos(), odd.cos()),
        "none": lambda: (even, odd),
    }[waves]()
    if order == "halves":
        table = torch.cat([first, second], -1)
    else:
        table = torch.zeros(n, dim, dtype=torch.float64)
        table[:, 0::2], table[:, 1::2] = first, second
    return table.mT if result == "transposed" else table


def _sinusoidal_probes() -> list[Probe]:
    return [
        Probe("for 11 positions of width 14", (11, 14)),
        Probe("for as many positions as columns", (6, 6)),
        Probe("for 5 positions of width 8", (5, 8)),
    ]


def _odd_width(call: Caller) -> str | None:
    try:
        found = call.numbers(4, 5)
    except Exception:
        found = np.zeros(0)
    if found.shape != (4, 5) or np.abs(found - _sinusoidal(4, 5).numpy()).max() > 1e-3:
        return "An odd width, 5 say, ends with a sine: there is one cosine column fewer."
    return None


sinusoidal = register(Exercise(
    "sinusoidal", "04", "sinusoidal(n, dim)",
    "The table (n, dim) of positions 0 to n - 1: column 2i holds sin(p / 10000^(2i/dim)), "
    "column 2i + 1 the cosine of the same angle.",
    _sinusoidal, _sinusoidal_probes,
    (
        Mistake("column_for_pair", {"exponent": "two_columns"},
                "Your waves grow too long too early, and a sine and its cosine differ in length.",
                "The i of 2i/dim counts pairs of columns; yours is the column itself.",
                "Which number of a column goes into the exponent?",
                "learners' threads on get_angles in the DLAI forum, Kyubyong/transformer#38, "
                "BrianPulfer/PapersReimplementations#9"),
        Mistake("own_wave_for_each_column", {"exponent": "column"},
                "Your sine columns are right; each cosine has another wavelength than its sine.",
                "Columns 2i and 2i + 1 share one angle, and yours has one angle per column.",
                "Which exponent does column 3 get, and which should it get?",
                "learners' threads on get_angles in the DLAI forum"),
        Mistake("exponent_not_doubled", {"exponent": "not_doubled"},
                "Your waves grow too slowly: the longest is about 100 where it should be 10000.",
                "The exponent is 2i/dim, with i counting pairs; yours is i/dim, "
                "or the base is 100, which gives the same numbers.",
                "What is the exponent of the last pair?", "[exp]"),
        Mistake("exponent_doubled", {"exponent": "doubled"},
                "Your waves grow too long too early, though each sine has its cosine.",
                "The 2 of 2i/dim is there twice: arange(0, dim, 2) gives 2i already.",
                "What is the exponent of the last pair?",
                "learners' threads on get_angles in the DLAI forum"),
        Mistake("brackets_missing", [{"exponent": "floored"}, {"exponent": "floored_log"},
                                     {"exponent": "floored_each"}, {"exponent": "floored_whole"}],
                "Your wavelengths do not depend on the width, or are all the same.",
                "A // where a / belongs, or brackets that are missing, round the exponent "
                "to a whole number.",
                "Print the exponents of all pairs.", "zju3dv/LoFTR#41, Kyubyong/transformer#81"),
        Mistake("exponent_sign", {"exponent": "negative"},
                "Your later columns turn faster and faster; they should turn ever slower.",
                "The position is multiplied by 10000^(2i/dim); it should be divided by it.",
                "Look at the sign of the exponent.", "[exp]"),
        Mistake("pairs_from_one", {"exponent": "from_one"},
                "Your first pair turns too slowly; it should turn by 1 from row to row.",
                "Pairs are counted from 0, so that the first exponent is 0.",
                "What is the exponent of the first pair?", "[exp]"),
        Mistake("waves_to_the_end", {"exponent": "to_the_end"},
                "Your last pair has the wavelength 10000 exactly (times 2π).",
                "You divide by one pair less, as some libraries do: a valid table, "
                "but not the paper's.",
                "Look at what stands under i in the exponent.",
                "tensor2tensor and fairseq do it", kind="convention"),
        Mistake("wrong_base", [{"base": 1000.0}, {"base": 100_000.0}, {"base": 500_000.0}],
                "Your waves are right in kind, but not in length.",
                "The base is not 10000.", "Count the zeros.", "[exp]"),
        Mistake("halves", {"order": "halves"},
                "Your left half holds all sines, your right half all cosines.",
                "That is a valid table too; here sine and cosine of a pair stand side by side.",
                "Look at how the two parts are put together.",
                "allenai/allennlp#2993, tatp22/multidim-positional-encoding#20",
                kind="convention"),
        Mistake("cosine_first", {"waves": "cos_sin"},
                "Your even columns hold cosines, your odd ones sines.",
                "That tells positions apart as well; here, as in the paper, the sine is first.",
                "Which of the two goes to column 0?", "[exp]", kind="convention"),
        Mistake("sines_only", {"waves": "sin"},
                "Your odd columns hold sines too: the two columns of a pair are alike.",
                "A sine alone does not tell where on the wave a position is; "
                "sine and cosine together do.",
                "What do the odd columns hold?", "[exp]"),
        Mistake("cosines_only", {"waves": "cos"},
                "Your even columns hold cosines too: the two columns of a pair are alike.",
                "A cosine alone does not tell where on the wave a position is; "
                "sine and cosine together do.",
                "What do the even columns hold?", "[exp]"),
        Mistake("angles_only", {"waves": "none"},
                "Your numbers grow without end from row to row.",
                "These are the angles; no sine or cosine has been taken.",
                "What do you return?", "[exp]"),
        Mistake("positions_from_one", {"start": "one"},
                "Your first row is that of position 1.",
                "Every row is shifted by one. A model would not mind; here positions start at 0.",
                "Where does your range start?", "[exp]"),
        Mistake("degrees", {"start": "degrees"},
                "All your waves are 57 times too long.",
                "The angle is in radians already; it is turned from degrees to radians once more.",
                "What do you do to the angle before the sine?", "[exp]"),
        Mistake("positions_scaled", {"start": "share"},
                "Your rows change when n changes, also those that both tables have.",
                "The positions are divided by n, so the same place looks different "
                "in a longer text.",
                "What do you do to the positions?", "[exp]"),
        Mistake("transposed", {"result": "transposed"},
                "Your rows are the columns asked for.",
                "A position is a row: (n, dim).", "Which axis gets the positions?", "[exp]"),
        Mistake("whole_numbers", {},
                "All your numbers are whole: -1, 0 or 1.",
                "The table was made for integers, and what is written into it is cut.",
                "Which type does your empty table have?", "[exp]",
                instead=lambda n, dim: _sinusoidal(n, dim).trunc()),
    ),
    axes=("the positions", "the columns"),
    notes=(_odd_width,),
    gradients=False,
    tolerance=1e-3,  # sin of a wrongly large angle, up to 1e4, is that uncertain in float32
))  # fmt: skip

# --------------------------------------------------------------------------------- ALiBi


def _alibi(
    heads: int, n: int, *, slopes: str = "right", heads_order: str = "steep_first",
    distance: str = "i-j", sign: int = -1, result: str = "as_is",
) -> Tensor:  # fmt: skip
    h = torch.arange(1, heads + 1, dtype=torch.float64)
    m: Tensor = {
        "right": lambda: torch.exp2(-8 * h / heads),
        "from_one": lambda: 2 ** (-8 * (h - 1) / heads),
        "same": lambda: torch.full_like(h, 2 ** (-8 / heads)),
        "same_flat": lambda: torch.full_like(h, 2.0**-8),
        "same_half": lambda: torch.full_like(h, 0.5),
        "none": lambda: torch.ones_like(h),
        "eight_heads": lambda: 0.5**h,
        "no_eight": lambda: 2 ** (-h / heads),
        "base_e": lambda: torch.exp(-8 * h / heads),
        "one_over": lambda: h.reciprocal(),
        "linear": lambda: h / heads,
        "growing": lambda: 2 ** (8 * h / heads),
    }[slopes]()
    if heads_order == "flat_first":
        m = m.flip(0)
    i, j = torch.arange(n).double()[:, None], torch.arange(n).double()[None]
    kinds: dict[str, Callable[[], Tensor]] = {
        "i-j": lambda: (i - j).abs(),
        "off_by_one": lambda: (i - j).abs() + 1,
        "key_only": lambda: -j + 0 * i,
        "from_the_end": lambda: (n - 1 - j) + 0 * i,
        "squared": lambda: (i - j) ** 2,
        "share": lambda: (i - j).abs() / n,
        "root": lambda: (i - j).abs() / n**0.5,
        "signed": lambda: i - j,
        "query_only": lambda: i + 0 * j,
    }
    far = kinds[distance]()
    bias = sign * m[:, None, None] * far
    found: Tensor = {
        "as_is": lambda: bias,
        "exponential": lambda: bias.exp(),
        "heads_last": lambda: bias.permute(1, 2, 0),
        "summed": lambda: bias.sum(0),
    }[result]()
    return found


def _below(fn: Callable[..., Any], heads: int, n: int) -> Any:
    """What a causal model uses: entries above the diagonal become 0, a leading batch of 1 goes."""
    found = fn(heads, n)
    if not isinstance(found, torch.Tensor | np.ndarray | list):
        return found
    bias = found if isinstance(found, torch.Tensor) else torch.as_tensor(np.asarray(found))
    if bias.ndim == 4 and bias.shape[0] == 1:
        bias = bias[0]
    return bias.tril() if bias.shape[-2:] == (n, n) else bias


def _other_heads(call: Caller) -> str | None:
    found = call.numbers(6, 3)
    slopes = -found[:, 1, 0] if found.shape == (6, 3, 3) else np.zeros(6)
    if np.allclose(slopes, 2.0 ** (-np.array([2, 4, 6, 8, 1, 3])), rtol=1e-3):
        return None
    if np.allclose(slopes, 2.0 ** (-8 * np.arange(1, 7) / 6), rtol=1e-3):
        return (
            "For 6 heads you use the same formula; the authors' code, and the library, take the "
            "4 slopes of 4 heads and every second one of 8."
        )
    return "Right for 2, 4 and 8 heads; what 6 heads get is neither the formula nor the authors'."


alibi = register(Exercise(
    "alibi", "04", "alibi(heads, n)",
    "The bias (heads, n, n) that head h = 1, 2, ... adds to the scores: -2^(-8h/heads) (i - j) "
    "for query i and key j <= i. What stands above the diagonal is not looked at.",
    _alibi,
    lambda: [
        Probe("for 4 heads", (4, 6)),
        Probe("for 8 heads", (8, 5)),
        Probe("for as many heads as tokens", (4, 4)),
        Probe("for 2 heads", (2, 7)),
    ],
    (
        Mistake("slopes_from_one", {"slopes": "from_one"},
                "Your first head has the slope 1; it should be 2^(-8/heads).",
                "Heads are counted from 1 in the exponent; yours start at 0.",
                "Where does your range of heads start?",
                "paiml/aprender#2143, ofirpress/attention_with_linear_biases#17"),
        Mistake("one_slope_for_all", [{"slopes": "same"}, {"slopes": "same_flat"},
                                      {"slopes": "same_half"}],
                "All your heads have the same slope.",
                "Each head has its own: some look near, some far.",
                "Where does the head's number enter?", "ml-explore/mlx#3071"),
        Mistake("no_slope", {"slopes": "none"},
                "Every head of yours loses 1 per token of distance.",
                "The distance is there; the slope of the head is missing.",
                "What is the distance multiplied with?", "ml-explore/mlx#3071"),
        Mistake("slopes_for_eight_heads", {"slopes": "eight_heads"},
                "Your slopes are right for 8 heads only: 1/2, 1/4, 1/8, ...",
                "The exponent must reach -8 at the last head, however many there are.",
                "Where does the number of heads enter?",
                "paiml/aprender#2143, ml-explore/mlx#3071"),
        Mistake("eight_missing", {"slopes": "no_eight"},
                "Your last head has the slope 1/2; it should be 1/256.",
                "The 8 is missing from the exponent.", "What is the last exponent?", "[exp]"),
        Mistake("base_e", {"slopes": "base_e"},
                "Your slopes fall too fast: the last is e^-8, not 2^-8.",
                "The base of the slopes is 2; exp takes e.", "Look at the power you take.",
                "[exp]"),
        Mistake("slopes_one_over_head", {"slopes": "one_over"},
                "Your slopes are 1, 1/2, 1/3, ...",
                "Each slope should be a fixed fraction of the one before.",
                "Which sequence do the slopes follow?", "[exp]"),
        Mistake("slopes_linear", {"slopes": "linear"},
                "Your slopes grow in equal steps up to 1.",
                "Each slope should be a fixed fraction of the one before.",
                "Which sequence do the slopes follow?", "[exp]"),
        Mistake("slopes_grow", {"slopes": "growing"},
                "Your slopes are larger than 1 and grow up to 256.",
                "The minus of the exponent is missing: 2^(8h/heads).",
                "Look at the sign of the exponent.", "[exp]"),
        Mistake("heads_reversed", {"heads_order": "flat_first"},
                "Your first head is the flattest.",
                "The order of heads is free in a model of your own; here, as in the paper, "
                "the steepest is first.",
                "Look at the order of your slopes.", "[exp]"),
        Mistake("sign_flipped", {"sign": 1},
                "Your bias grows with distance: far tokens are favoured.",
                "The penalty must lower the scores of far keys.",
                "Look at the sign, or at which of i and j is taken off.", "[exp]"),
        Mistake("distance_off_by_one", {"distance": "off_by_one"},
                "Your diagonal is one slope below 0; everything else is shifted with it.",
                "The softmax does not see a shift of a whole row. "
                "Here a token is at distance 0 from itself.",
                "What is the distance of a token to itself?", "vllm-project/vllm#945",
                kind="convention"),
        Mistake("bias_by_key_only", [{"distance": "key_only"}, {"distance": "from_the_end"}],
                "Your bias depends on the key j alone: every row is the same.",
                "Each row is shifted by a constant, which the softmax does not see, and the "
                "authors' code does so. Here the diagonal is 0.",
                "Where does the query's place i enter?",
                "ofirpress/attention_with_linear_biases", kind="convention"),
        Mistake("bias_by_query_only", {"distance": "query_only"},
                "Your bias depends on the query i alone: each row is one number.",
                "The softmax does not see a shift of a whole row, so this does nothing.",
                "Where does the key's place j enter?", "[exp]"),
        Mistake("distance_squared", {"distance": "squared"},
                "Your bias falls with the square of the distance.",
                "The penalty is linear: that is the L of ALiBi.", "Look for a power.", "[exp]"),
        Mistake("distance_over_length", [{"distance": "share"}, {"distance": "root"}],
                "Your bias changes when n changes, also where both tables have an entry.",
                "The distance is divided by n or its root: the bias then fits one length alone.",
                "What is the distance divided by?", "[exp]"),
        Mistake("factor_not_bias", {"result": "exponential"},
                "Your numbers lie between 0 and 1.",
                "These are factors for weights; ALiBi is added to the scores, "
                "and the softmax takes the exponential.",
                "What is the last thing you do?", "[exp]"),
        Mistake("heads_last", [{"result": "heads_last"},
                               {"result": "heads_last", "distance": "signed"}],
                "Your numbers are right, with the heads as the last axis.",
                "Scores have the axes (b, h, n, n), so the bias must be (h, n, n).",
                "Where do you put the axis of the slopes?", "[exp]"),
        Mistake("heads_summed", {"result": "summed"},
                "Your bias has no axis of heads.",
                "The heads are added up; each has a bias of its own.",
                "Look for a sum, or a product of matrices.", "[exp]"),
    ),
    axes=("the heads", "the queries", "the keys"),
    drive=_below,
    notes=(_other_heads,),
    gradients=False,
))  # fmt: skip
