"""Kneser-Ney against plain loops, forecasts against worked examples."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_lib import datasets
from attn_lib.baselines import KneserNey

IDS = st.lists(st.integers(0, 3), min_size=4, max_size=60)


def by_definition(
    train: list[int], order: int, size: int, discounts: np.ndarray, context: list[int], word: int
) -> float:
    """p(word | context) straight from the formula, with sets and loops."""
    grams = {
        k: [tuple(train[i : i + k]) for i in range(len(train) - k + 1)] for k in range(1, order + 1)
    }
    # every gram that counts ends where one of the highest order ends
    highest = Counter(grams[order])
    tables = {order: highest}
    for k in range(order - 1, 0, -1):
        tables[k] = Counter(gram[1:] for gram in tables[k + 1])
    p = 1 / size
    for k in range(1, order + 1):
        if len(context) < k - 1:
            break
        before = tuple(context[len(context) - k + 1 :])
        after = {w: tables[k].get((*before, w), 0) for w in range(size)}
        total = sum(after.values())
        if total == 0:
            continue

        def taken(count: int, k: int = k) -> float:
            return 0.0 if count == 0 else float(discounts[k - 1][min(count, 3) - 1])

        spared = sum(taken(count) for count in after.values())
        p = (after[word] - taken(after[word]) + spared * p) / total
    return p


@settings(max_examples=60, deadline=None)
@given(train=IDS, test=st.lists(st.integers(0, 3), min_size=1, max_size=8), order=st.integers(1, 4))
def test_kneser_ney_equals_its_definition(train: list[int], test: list[int], order: int) -> None:
    model = KneserNey(order, 4).fit(train)
    model.discounts = np.linspace(0.1, 0.9, 3 * order).reshape(order, 3)
    expected = [
        by_definition(train, order, 4, model.discounts, test[:t], test[t]) for t in range(len(test))
    ]
    np.testing.assert_allclose(model.probabilities(test), expected, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(train=IDS, context=st.lists(st.integers(0, 3), max_size=6), order=st.integers(1, 4))
def test_every_distribution_sums_to_one(train: list[int], context: list[int], order: int) -> None:
    p = KneserNey(order, 4).fit(train).distribution(context)
    assert p.shape == (4,) and (p > 0).all() and p.sum() == pytest.approx(1)


def test_a_unigram_by_hand() -> None:
    model = KneserNey(1, 3).fit([0, 0, 0, 1])  # counts 3, 1, 0
    model.discounts = np.array([[0.5, 0.5, 0.5]])
    expected = [(2.5 + 1 / 3) / 4, (0.5 + 1 / 3) / 4, (1 / 3) / 4]
    np.testing.assert_allclose(model.probabilities([0, 1, 2]), expected)
    bits = -sum(math.log2(p) for p in expected) / 3
    assert model.bits_per_token([0, 1, 2]) == pytest.approx(bits)


def test_tuning_lowers_the_bits_and_longer_contexts_help() -> None:
    plays = datasets.shakespeare()
    vocabulary = datasets.Vocabulary.of([plays.train])
    train, validation, test = (vocabulary.encode(play[:60_000]).numpy() for play in plays)
    bits = []
    for order in (1, 2, 3):
        model = KneserNey(order, len(vocabulary)).fit(train)
        before = model.bits_per_token(validation)
        assert model.tune(validation, rounds=1).bits_per_token(validation) <= before
        bits.append(model.bits_per_token(test))
    assert 5 > bits[0] > bits[1] > bits[2] > 2.5


def test_bad_input_to_the_n_grams_is_explained() -> None:
    with pytest.raises(ValueError, match=r"size \*\* order below 2 \*\* 63"):
        KneserNey(11, 65)
    with pytest.raises(ValueError, match="order >= 1"):
        KneserNey(0, 4)
    with pytest.raises(ValueError, match="at least 3 tokens, got 2"):
        KneserNey(3, 4).fit([0, 1])
    with pytest.raises(ValueError, match=r"expected 0 to size - 1 = 3, got 0 to 4"):
        KneserNey(2, 4).fit([0, 4])
    with pytest.raises(ValueError, match=r"call fit\(ids\) first"):
        KneserNey(2, 4).bits_per_token([0, 1])
