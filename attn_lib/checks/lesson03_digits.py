"""Exercise of lesson 03: two digits in one average, told apart by a read-out that is not linear."""

from __future__ import annotations

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register

# How far the average may be off: the shares of a softmax are never quite 10/11 and 1/11.
OFF = 0.02


def _two_digits(
    mean: Tensor, *, factor: float = 11.0, rounds: bool = True, first: str = "floor",
    second: str = "rest", order: str = "ab",
) -> tuple[Tensor, Tensor]:  # fmt: skip
    both = factor * mean
    both = torch.round(both) if rounds else both
    a = {
        "floor": lambda: torch.floor(both / 10),
        "round": lambda: torch.round(both / 10),
        "exact": lambda: both / 10,
        "mean": lambda: torch.floor(mean),
        "nearest": lambda: torch.round(mean),
    }[first]()
    b = {
        "rest": lambda: both - 10 * a,
        "tenth": lambda: (both - 10 * a) / 10,
        "sum": lambda: both - a,
        "same": lambda: mean + 0 * a,
    }[second]()
    return (b, a) if order == "ba" else (a, b)


def _probes() -> list[Probe]:
    def packed(seed: int, *shape: int) -> Tensor:
        a, b = (numbers(seed + i, *shape, spread=30).abs().floor() % 10 for i in range(2))
        a.flatten()[:2], b.flatten()[:2] = torch.tensor([0.0, 9.0]), torch.tensor([9.0, 0.0])
        error = numbers(seed + 2, *shape).sign() * 0.7 * OFF
        return (10 * a + b) / 11 + error

    return [
        Probe("on a row of numbers", (packed(41, 12),)),
        Probe("on a table", (packed(44, 4, 5),)),
        Probe("on a batch of tables", (packed(47, 2, 3, 7),)),
    ]


two_digits = register(Exercise(
    "two_digits", "03", "two_digits(mean)",
    "Read a and b, digits 0 to 9, from mean = (10 a + b) / 11, which may be off by 0.02.",
    _two_digits, _probes,
    (
        Mistake("digits_swapped", {"order": "ba"},
                "Your first result is b and your second is a.",
                "a is the digit that weighs ten times as much.",
                "Look at what you return."),
        Mistake("not_rounded", [{"rounds": False}, {"rounds": False, "first": "exact"},
                                {"first": "exact"}],
                "Some of your digits are not whole, or are one too low.",
                "The mean is a little off, so 11 times the mean lies near a whole number, "
                "not on it.",
                "What has to happen before you take the number apart?"),
        Mistake("not_multiplied", {"factor": 1.0},
                "Your digits are those of the mean itself.",
                "The mean is (10 a + b) / 11; its own digits are not a and b.",
                "How do you get from the mean to 10 a + b?"),
        Mistake("times_ten", {"factor": 10.0},
                "Your numbers fit 10 times the mean; it takes 11 times.",
                "The shares are 10/11 and 1/11, and they sum to 1.",
                "Look at the factor before the rounding."),
        Mistake("first_rounded", {"first": "round"},
                "Your first digit is one too high where the second is above 5, and the second "
                "is then negative.",
                "47 is 4 tens and 7, and 4.7 rounds to 5.",
                "Take the whole part of a tenth, not the nearest whole number."),
        Mistake("first_is_mean", [{"first": "mean"}, {"first": "nearest"}],
                "Your first digit is the mean without its fraction.",
                "The mean holds b, too: with a = 9 and b = 0 it is 8.2.",
                "What do you take the whole part of?"),
        Mistake("second_is_fraction", {"second": "tenth"},
                "Your second result is a tenth of the digit.",
                "What is left of a tenth of 47 after its whole part is 0.7; the digit is 7.",
                "Multiply, or take the rest of the division by 10."),
        Mistake("second_minus_first", {"second": "sum"},
                "Your second result still holds tens.",
                "10 a + b minus a is 9 a + b.", "How many times does a stand in 10 a + b?"),
        Mistake("second_is_mean", {"second": "same"},
                "Your second result is the mean.", "b is what is left when the tens are gone.",
                "Look at how you make b."),
    ),
    gradients=False,
))  # fmt: skip
