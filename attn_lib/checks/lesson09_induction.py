"""Exercises of lesson 09: finding the induction head.

The task for the learner, in full:

    `induction_score(weights, tokens)`: weights (h, n, n) of one layer, each row summing to 1, for
    a sequence of tokens (n,) that says the same thing twice: the second half repeats the first,
    and within a half no token comes twice. For each head: the mean, over the queries of the second
    half, of the weight on the key right after the query's token stood in the first half. Result
    (h,). A head that continues what it has seen before scores near 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, register


def _score(
    weights: Tensor, tokens: Tensor, *, key: str = "after", rows: str = "second",
    axis: str = "keys", reduce: str = "mean", heads: str = "apart",
) -> Tensor:  # fmt: skip
    n = len(tokens)
    half = n // 2
    if axis == "queries":
        weights = weights.mT
    query = {
        "second": torch.arange(half, n), "from_last_of_first": torch.arange(half - 1, n),
        "without_last": torch.arange(half, n - 1), "without_first": torch.arange(half + 1, n),
        "first": torch.arange(1, half), "all": torch.arange(half, n),
        "late": torch.arange(half + half // 2, n),
    }[rows]  # fmt: skip
    place = {
        "after": query - half + 1, "itself": query - half, "before": query - half - 1,
        "two_after": query - half + 2, "previous_token": query - 1, "own": query,
        "first_token": query * 0, "next": (query + 1) % n, "same_place_in_half": query % half + 1,
    }[key].clamp(min=0)  # fmt: skip
    place = place.expand(len(weights), -1)
    found = weights[:, query].gather(2, place[..., None])[..., 0]  # (h, queries)
    if reduce == "argmax":
        found = (weights[:, query].argmax(-1) == place).double()
    score = {
        "mean": lambda: found.mean(-1), "argmax": lambda: found.mean(-1),
        "sum": lambda: found.sum(-1), "max": lambda: found.amax(-1),
        "median": lambda: found.quantile(0.5, dim=-1), "none": lambda: found,
        "of_row": lambda: found.mean(-1) * n,
    }[reduce]()  # fmt: skip
    if rows == "all":
        score = score * (half / n)
    return {
        "apart": lambda: score, "averaged": lambda: score.mean(0), "best": lambda: score.argmax(0),
        "highest": lambda: score.amax(0),
    }[heads]()  # fmt: skip


def _probes() -> list[Probe]:
    def case(seed: int, heads: int, half: int, causal: bool) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        scores = torch.randn(heads, 2 * half, 2 * half, generator=generator, dtype=torch.float64)
        if causal:
            hidden = torch.ones(2 * half, 2 * half).triu(1).bool()
            scores = scores.masked_fill(hidden, float("-inf"))
        tokens = torch.randperm(50, generator=generator)[:half]
        return (1.5 * scores).softmax(-1), torch.cat((tokens, tokens))

    return [
        Probe("on 3 causal heads and 5 tokens twice", case(1, 3, 5, True)),
        Probe("on 2 heads that look both ways", case(2, 2, 7, False)),
        Probe("on as many heads as tokens", case(3, 8, 4, True)),
    ]


induction_score = register(Exercise(
    "induction_score", "09", "induction_score(weights, tokens)",
    "For each head (h,): the mean weight that queries of the second half give to the key right "
    "after their token's first occurrence.",
    _score, _probes,
    (
        Mistake("the_token_itself", {"key": "itself"},
                "Your score is the weight on the earlier copy of the query's own token.",
                "That finds heads that look for duplicates. An induction head looks one further, "
                "at what came after.",
                "Which key is right after position t - n / 2?", "[exp]"),
        Mistake("the_token_before", {"key": "before"},
                "Your score is the weight on the key before the earlier copy.",
                "One step in the wrong direction: what came *after* it is what comes next now.",
                "Which key is right after position t - n / 2?", "[exp]"),
        Mistake("two_tokens_after", {"key": "two_after"},
                "Your score is the weight on the second key after the earlier copy.",
                "The next token stood right after it, one place on.",
                "Count the places from position t - n / 2.", "[exp]"),
        Mistake("the_previous_token", {"key": "previous_token"},
                "Your score is the weight on the token just before the query.",
                "That finds previous-token heads, the partners of induction heads.",
                "Which key is right after position t - n / 2?", "[exp]"),
        Mistake("weight_on_itself", {"key": "own"},
                "Your score is the weight of each query on itself.",
                "That is the diagonal; the key asked for lies n / 2 - 1 places before it.",
                "Which key is right after position t - n / 2?", "[exp]"),
        Mistake("weight_on_first_token", {"key": "first_token"},
                "Your score is the weight on token 0.",
                "That finds heads at rest, with an attention sink.",
                "Which key is right after position t - n / 2?", "[exp]"),
        Mistake("queries_and_keys_swapped", {"axis": "queries"},
                "Your scores are nearly 0 in a causal layer: you read what earlier tokens give "
                "to later ones.",
                "In weights[h, i, j] the query i is the row; you take the key for the row.",
                "Which of your two positions is the query?", "[exp]"),
        Mistake("first_half_counted", {"rows": "all"},
                "Your scores are half as large as they should be.",
                "The queries of the first half have no earlier copy; they add 0 and are counted.",
                "By how many do you divide?", "[exp]"),
        Mistake("one_query_too_early", {"rows": "from_last_of_first"},
                "Your mean has one query too many: the last of the first half.",
                "A whole diagonal, as published detectors take it, begins one query before "
                "the repetition does. That token has no earlier copy.",
                "How long is your diagonal, and how many tokens repeat?",
                "callummcdougall/ARENA_3.0 (1.2), a diagonal at 1 - L", kind="convention"),
        Mistake("last_query_left_out", {"rows": "without_last"},
                "Your mean has one query too few: the last is missing.",
                "What follows the last token of the first half is the first of the second; "
                "it has been seen too.",
                "Where does your range end?", "[exp]"),
        Mistake("first_query_left_out", {"rows": "without_first"},
                "Your mean has one query too few: the first of the second half is missing.",
                "Its token has an earlier copy at position 0.",
                "Where does your range begin?", "[exp]"),
        Mistake("sum_not_mean", {"reduce": "sum"},
                "Your scores are n / 2 times too large.",
                "The weights are added, not averaged.", "What comes after the sum?", "[exp]"),
        Mistake("largest_not_mean", {"reduce": "max"},
                "Your score is that of the best query, not the mean of all.",
                "One query may hit by chance.", "Look for max.", "[exp]"),
        Mistake("median_not_mean", {"reduce": "median"},
                "Your score is the middle one of the weights, not their mean.",
                "A median is a sound choice too; asked is the mean.", "Look for median.", "[exp]",
                kind="convention"),
        Mistake("share_of_hits", {"reduce": "argmax"},
                "Your score counts the queries whose largest weight lies on the right key.",
                "A sound measure too; asked is the mean weight, which tells 0.9 from 0.4.",
                "Look for argmax.", "[exp]", kind="convention"),
        Mistake("not_averaged", {"reduce": "none"},
                "You return a weight for each query; asked is one number for each head.",
                "The mean over the queries is missing.", "What comes after picking the weights?",
                "[exp]"),
        Mistake("heads_averaged", {"heads": "averaged"},
                "You return one number; asked is one for each head.",
                "The mean runs over the heads too, and hides the one that matters.",
                "Which axes does your mean run over?", "[exp]"),
        Mistake("best_head_returned", [{"heads": "best"}, {"heads": "highest"}],
                "You return one number, of the best head; asked is the score of each.",
                "The choice comes afterwards, over all layers.", "Look for max or argmax.",
                "[exp]"),
    ),
    axes=("the heads",),
))  # fmt: skip
