"""What is special in lessons 07 to 09: boolean answers, the traced memory, the design task."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from attn_lib import checks
from attn_lib.checks._bank import bank_of
from attn_lib.checks._engine import judge

sys.path.insert(0, str(Path(__file__).parent))

import zoo_lesson07

MASKS = ("window_mask", "dilated_mask", "global_local_mask", "repair_global")


def mask_of(name, make):
    """A function that answers with a mask made from the right one."""
    return lambda *args: make(checks.get(name).reference(*args))


def scattered(mask):
    generator = torch.Generator().manual_seed(mask.numel() + int(mask.sum()))
    return torch.rand(mask.shape, generator=generator) < 0.5


STRANGE = {
    "all True": torch.ones_like,
    "all False": torch.zeros_like,
    "scattered": scattered,
    "one entry flipped": lambda m: m ^ (torch.arange(m.numel()).reshape(m.shape) == 1),
    "rows permuted": lambda m: m[torch.from_numpy(np.random.default_rng(5).permutation(len(m)))],
    "upside down": lambda m: m.flip(0),
    "diagonal only": lambda m: torch.eye(len(m), dtype=torch.bool),
    "checkered": lambda m: (torch.arange(len(m))[:, None] + torch.arange(len(m))) % 2 == 0,
}


@pytest.mark.parametrize("what", STRANGE)
@pytest.mark.parametrize("name", MASKS)
def test_strange_masks_get_no_name(name, what):
    """The generic noise tests are for real numbers; this is the same for boolean answers."""
    report = judge(checks.get(name), mask_of(name, STRANGE[what]))
    assert report.passed is False and report.mistake is None
    assert "query" in report.observed


def test_an_unknown_mask_is_told_row_by_row():
    report = judge(checks.get("window_mask"), mask_of("window_mask", torch.zeros_like))
    assert "n = 11 and w = 4, query 0 sees the keys []; it should see [0]" in report.observed


def kinds(layers, period, seed):
    draw = np.random.default_rng(seed + layers * period).random(layers) < 0.5
    return [("sliding_attention", "full_attention")[int(x)] for x in draw]


@pytest.mark.parametrize("seed", range(5))
def test_random_layers_get_no_name(seed):
    report = judge(checks.get("layer_pattern"), lambda n, p: kinds(n, p, seed))
    assert report.passed is False and report.mistake is None


# --------------------------------------------------------------------- local attention


def test_a_table_of_all_pairs_gets_a_note_and_nothing_else_does():
    wrong = []
    for number, style in enumerate(zoo_lesson07.LOCAL):
        report = judge(checks.get("local_attention"), style)
        assert report.passed
        told = any("every query with every key" in note for note in report.notes)
        if told == (style in zoo_lesson07.WITHOUT_SQUARE):
            wrong.append((number, style.__name__, report.notes))
    assert wrong == []


def test_memory_is_traced_without_side_effects():
    import tracemalloc

    assert not tracemalloc.is_tracing()
    judge(checks.get("local_attention"), zoo_lesson07.sdpa)
    assert not tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        judge(checks.get("local_attention"), zoo_lesson07.sdpa)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_both_shapes_are_accepted_and_the_message_fits_the_one_that_was_meant():
    def heads(q, k, v, w):
        _, _, n, _ = q.shape
        raise RuntimeError(f"broken for n = {n}")

    report = judge(checks.get("local_attention"), heads)
    assert report.mistake == "raises" and "broken for n = 11" in report.observed


# --------------------------------------------------------------------- the design task


def strided(n):
    r, gap = math.isqrt(n), torch.arange(n)[:, None] - torch.arange(n)
    return (gap >= 0) & ((gap < r) | (gap % r == 0))


BREACHES = {
    "looks_ahead": lambda n: strided(n) | strided(n).T,
    "itself_hidden": lambda n: strided(n) & ~torch.eye(n, dtype=torch.bool),
    "does_not_reach": lambda n: torch.ones(n, n).tril().triu(1 - 2 * math.isqrt(n)),
    "too_costly": lambda n: torch.ones(n, n, dtype=torch.bool).tril(),
    "not_boolean": lambda n: torch.zeros(n, n).masked_fill(~strided(n), -math.inf),
    "wrong_shape": lambda n: strided(n)[None, 1:],
    "returns_none": lambda n: None,
    "wrong_type": lambda n: "a window",
}


@pytest.mark.parametrize("breach", BREACHES)
def test_the_design_task_says_which_rule_is_broken(breach):
    report = judge(checks.get("design_mask"), BREACHES[breach])
    assert report.passed is False and report.mistake == breach
    assert report.observed and "difference" not in report.hint


def test_the_design_task_by_hand():
    """n = 36: with a window of 12, what 22 places back was seen at most reaches a token."""
    report = judge(checks.get("design_mask"), BREACHES["does_not_reach"])
    assert "token 23 learns nothing of token 0" in report.observed
    assert f"{sum(range(1, 14))} pairs" in report.observed
    report = judge(checks.get("design_mask"), BREACHES["too_costly"])
    assert f"{36 * 37 // 2} pairs" in report.observed and "432" in report.observed


@pytest.mark.parametrize("globals_first", [True, False])
def test_global_tokens_do_not_solve_the_design_task(globals_first):
    """Under a causal mask the first tokens cannot pass on what comes after them."""

    def design(n):
        r, gap = math.isqrt(n), torch.arange(n)[:, None] - torch.arange(n)
        far = torch.arange(n) < r if globals_first else torch.arange(n) >= n - r
        return (gap >= 0) & ((gap < r) | far)

    assert judge(checks.get("design_mask"), design).mistake == "does_not_reach"


# --------------------------------------------------------------------- repairs


@pytest.mark.parametrize(
    ("repair", "check", "published"),
    [
        ("repair_window", "local_attention", "window_one_too_wide"),
        ("repair_global", "global_local_mask", "not_causal"),
        ("repair_pool", "mean_pool", "counted_over_batch"),
    ],
)
def test_repairs_name_the_published_fault(repair, check, published):
    exercise = checks.get(repair)
    assert exercise.lesson == checks.get(check).lesson and exercise.task != checks.get(check).task
    bank = bank_of(exercise)
    combo = next(c for c in bank.singles() if bank.mistakes(c)[0].id == published)
    assert judge(exercise, bank.wrong(combo)).mistake == published


def test_the_induction_score_by_hand():
    weights = torch.zeros(2, 4, 4, dtype=torch.float64)
    weights[0, 2, 1] = weights[0, 3, 2] = 1.0  # a perfect induction head: 7 9 7 9
    weights[1, 2, 0] = weights[1, 3, 1] = 1.0  # a head that looks for duplicates
    score = checks.get("induction_score").reference(weights, torch.tensor([7, 9, 7, 9]))
    assert score.tolist() == [1.0, 0.0]
