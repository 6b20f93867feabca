"""Exercises of lesson 08: the order of sliding and full layers."""

from __future__ import annotations

from math import ceil

from . import Exercise, Mistake, Probe, register

_NAMES = {
    "right": ("sliding_attention", "full_attention"), "swapped": ("full_attention",
    "sliding_attention"), "short": ("sliding", "full"), "local": ("local", "global"),
    "local_full": ("local", "full"), "window": ("window", "full"), "swa": ("swa", "full"),
    "local_attention": ("local_attention", "global_attention"), "letters": ("S", "F"),
    "window_attention": ("window_attention", "full_attention"), "nanochat": ("S", "L"),
    "local_full_attention": ("local_attention", "full_attention"),
}  # fmt: skip


def _layer_pattern(
    layers: int,
    period: int,
    *,
    rule: str = "last",
    count: str = "period",
    names: str = "right",
    length: str = "layers",
    ends: str = "none",
    order: str = "layers, period",
) -> list[str]:
    if order != "layers, period":
        layers, period = period, layers
    p = {"period": period, "period+1": period + 1, "period-1": period - 1, "two": 2}[count]
    sliding, full = _NAMES[names]
    total = {
        "layers": layers, "cut": layers // p * p, "rounded_up": ceil(layers / p) * p,
        "repeated": layers * p, "one_less": layers - 1, "one_more": layers + 1,
        "one_period": p,
    }[length]  # fmt: skip
    if total < 1:
        raise ValueError("no layers")
    many = total // p
    kinds = [
        {
            "last": (i + 1) % p == 0, "first": i % p == 0, "second": i % p == 1 % p,
            "next_to_last": (i + 2) % p == 0, "end": i >= total - many, "start": i < many,
            "period_at_end": i >= total - period, "period_at_start": i < period,
            "only_last": i == total - 1, "only_one": i == p - 1, "none": False,
            "not_zero": i % p == 0 and i > 0, "index": i == p, "from_the_end": (total - i) % p == 0,
            "last_of_all": (total - 1 - i) % p == 0,
        }[rule]
        for i in range(total)
    ]  # fmt: skip
    if total and ends in ("last", "both"):
        kinds[-1] = True
    if total and ends in ("first", "both"):
        kinds[0] = True
    return [full if kind else sliding for kind in kinds]


def _pattern_probes() -> list[Probe]:
    sizes = (6, 6), (10, 3), (12, 4), (7, 2), (4, 1)
    return [Probe(f"with layers = {n} and period = {p}", (n, p)) for n, p in sizes]


layer_pattern = register(Exercise(
    "layer_pattern", "08", "layer_pattern(layers, period)",
    "A list of layers names, 'sliding_attention' or 'full_attention': every period-th is full.",
    _layer_pattern, _pattern_probes,
    (
        Mistake("period_starts_full", {"rule": "first"},
                "Your first layer is the full one: (6, 6) begins with it.",
                "ModernBERT does so. Here the period ends in its full layer, as in Gemma 3: "
                "counted from 1, the layers 6, 12, ... are full.",
                "Which i is the sixth layer, when i starts at 0?", "answerdotai/ModernBERT-base"),
        Mistake("first_full_missing", {"rule": "not_zero"},
                "Your full layers come one too late: layer 7 where it should be layer 6.",
                "i counts from 0, so i % period == 0 is the first layer after a whole period.",
                "Which i is the sixth layer, when i starts at 0?", "[exp]"),
        Mistake("phase_of_the_period", [{"rule": "second"}, {"rule": "next_to_last"}],
                "Your full layer stands inside the period, not at its end.",
                "The distance between full layers is right, their place is not.",
                "What is i % period for the last layer of a period?", "[exp]"),
        Mistake("kinds_swapped", {"names": "swapped"},
                "Every period-th layer of yours is sliding and all others are full.",
                "The two kinds are exchanged: full layers are the rare ones, they cost more.",
                "Which kind do you choose when the condition holds?", "[exp]"),
        Mistake("other_names",
                [{"names": name} for name in _NAMES if name not in ("right", "swapped")],
                "Your layers stand in the right order, under other names.",
                "The names that released models use are 'sliding_attention' and 'full_attention'.",
                "Compare your strings with the task, letter by letter.", "[exp]",
                kind="convention"),
        Mistake("period_counts_the_sliding", {"count": "period+1"},
                "Between your full layers stand `period` sliding ones.",
                "A ratio is written so (5:1); a period counts the full layer too: "
                "5 sliding and 1 full make a period of 6.",
                "How long is one round of your pattern?", "[exp]"),
        Mistake("period_one_too_short", {"count": "period-1"},
                "Your full layers follow each other one layer too early.",
                "A period of 6 is 5 sliding layers and 1 full one.",
                "How long is one round of your pattern?", "[exp]"),
        Mistake("always_every_second", {"count": "two"},
                "Every second layer of yours is full, whatever the period is.",
                "period changes nothing in your result.", "Where do you use period?", "[exp]"),
        Mistake("rest_is_lost", {"length": "cut"},
                "With (10, 3) your list has 9 layers.",
                "Whole periods only: layers // period of them leave out the rest.",
                "How many layers remain after the last whole period?", "[exp]"),
        Mistake("rest_is_filled_up", {"length": "rounded_up"},
                "With (10, 3) your list has 12 layers.",
                "The last period is completed, though the model ends before.",
                "Cut your list to the number of layers.", "[exp]"),
        Mistake("a_period_for_each_layer", {"length": "repeated"},
                "Your list is `period` times too long.",
                "You repeat the pattern once for every layer; a period is several layers.",
                "How many periods are there in `layers` layers?", "[exp]"),
        Mistake("one_period_only", {"length": "one_period"},
                "Your list is as long as one period, however many layers there are.",
                "The pattern is right and is not repeated.", "Where do you use layers?", "[exp]"),
        Mistake("one_layer_missing", {"length": "one_less"},
                "Your list is one layer short.", "A range from 1 to layers leaves out the last.",
                "Look at the ends of your range.", "[exp]"),
        Mistake("one_layer_too_many", {"length": "one_more"},
                "Your list has one layer too many.", "A range from 0 to layers + 1 has one more.",
                "Look at the ends of your range.", "[exp]"),
        Mistake("period_counts_the_full",
                [{"rule": "period_at_end"}, {"rule": "period_at_start"}],
                "With (10, 3) you have three full layers side by side; with (6, 6) all are full.",
                "period says how far it is from one full layer to the next, not how many there "
                "are.",
                "Try (6, 6): how many full layers does the task give?", "[exp]"),
        Mistake("full_layers_at_the_end", {"rule": "end"},
                "Your full layers all stand at the end.",
                "The number is right; they should be spread, so that far information spreads "
                "early and again later.",
                "Should your condition look at i, or at i within its period?", "[exp]"),
        Mistake("full_layers_at_the_start", {"rule": "start"},
                "Your full layers all stand at the beginning.",
                "The number is right; every period ends in one.",
                "Should your condition look at i, or at i within its period?", "[exp]"),
        Mistake("last_layer_alone", {"rule": "only_last"},
                "One layer of yours is full, the last.",
                "(6, 6) comes out right that way, (12, 4) does not: every period has its own.",
                "Where do you use period?", "[exp]"),
        Mistake("one_full_layer", [{"rule": "only_one"}, {"rule": "index"}],
                "One layer of yours is full, at the end of the first period.",
                "Every period-th layer is full, not only the first of them.",
                "Do you compare with ==, or look at the rest of a division?", "[exp]"),
        Mistake("counted_from_the_end", [{"rule": "from_the_end"}, {"rule": "last_of_all"}],
                "With (10, 3) your periods are counted from the last layer.",
                "The first period begins at the first layer; what is left over stands at the end.",
                "From which end do you count?", "[exp]"),
        Mistake("last_layer_always_full", {"ends": "last"},
                "Your last layer is full even where the last period is not complete.",
                "A model may well end in a full layer; the task asks for every period-th alone.",
                "Look for a special case of the last layer.", "[exp]"),
        Mistake("first_layer_always_full", [{"ends": "first"}, {"ends": "both"}],
                "Your first layer is full besides every period-th.",
                "A model may well begin with a full layer; asked is every period-th alone.",
                "Look for a special case of the first layer.", "[exp]"),
        Mistake("no_full_layer", {"rule": "none"},
                "No layer of yours is full.", "The condition never holds.",
                "Try i = 5 with a period of 6 by hand.", "[exp]"),
        Mistake("layers_and_period_swapped", {"order": "period, layers"},
                "With (10, 3) your list has 3 layers.",
                "The two numbers are exchanged.", "Look at where you use layers and period.",
                "[exp]"),
    ),
    gradients=False,
))  # fmt: skip
