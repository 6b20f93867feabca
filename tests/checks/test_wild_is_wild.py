"""The wild functions are what they are said to be: the wrong ones wrong, the right ones right.

They were written from the exercises' tasks alone, without the checkers; this file does not use
the checkers either.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from wild import CORRECT, LESSONS, WILD
from wild._observe import SPECIAL, is_quadratic, observe

CHECKS = {
    "softmax", "scaled_dot_product_attention", "self_attention", "split_heads", "merge_heads",
    "multi_head_attention", "sinusoidal", "rotary", "alibi", "causal_mask", "padding_mask",
    "next_token_loss", "cached_step", "cross_attention", "teacher_forcing", "window_mask",
    "dilated_mask", "local_attention", "global_local_mask", "layer_pattern", "repeat_kv",
    "mean_pool",
}  # fmt: skip


@pytest.mark.parametrize("wild", WILD, ids=lambda wild: wild.id)
def test_is_wrong_in_the_way_that_is_said(wild):
    seen = observe(wild)
    if wild.effect in SPECIAL:
        assert set(seen) == {"ok"}
        assert SPECIAL[wild.effect](wild)
    elif wild.effect in ("mutates", "dtype", "precision"):
        assert wild.effect in seen and set(seen) <= {"ok", wild.effect}
    else:
        assert wild.effect in seen, seen


@pytest.mark.parametrize("right", CORRECT, ids=lambda right: right.id)
def test_is_right_on_every_probe(right):
    assert set(observe(right)) == {"ok"}
    if right.check == "local_attention":
        assert not is_quadratic(right)


def test_every_exercise_has_both():
    wrong, right = Counter(w.check for w in WILD), Counter(c.check for c in CORRECT)
    assert set(wrong) == set(right) == CHECKS
    assert min(wrong.values()) >= 10 and min(right.values()) >= 3
    assert sum(wrong.values()) >= 90


def test_every_function_is_registered_once():
    registered = {item.fn for item in (*WILD, *CORRECT)}
    for lesson in LESSONS:
        written = [fn for name, fn in vars(lesson).items() if not name.startswith("_")]
        own = [fn for fn in written if getattr(fn, "__module__", "") == lesson.__name__]
        assert set(own) <= registered, [fn.__name__ for fn in own if fn not in registered]
    for items in (WILD, CORRECT):
        assert not [fn for fn, times in Counter(item.fn for item in items).items() if times > 1]
        assert not [name for name, times in Counter(item.id for item in items).items() if times > 1]
