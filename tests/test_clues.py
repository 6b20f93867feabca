"""The task of the far clue: what stands where, and that nothing else betrays the answer."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from attn_lib.datasets import clues, far_clues


def test_board_clue_fillers_and_questions_stand_where_they_should() -> None:
    for copies in (1, 3):
        batch = next(far_clues(length=20, places=range(2, 7), batch=50, asks=4, copies=copies))
        assert batch.tokens.shape == (50, 20) and batch.places.shape == (50, copies)
        for tokens, answer, places in zip(*(t.tolist() for t in batch), strict=True):
            assert tokens[0] == clues.BOARD and tokens[-4:] == [clues.ASK] * 4
            assert {tokens[p] for p in places} == {answer}
            assert len({*places}) == copies and {*places} <= {*range(2, 7)}
            rest = [t for i, t in enumerate(tokens[:-4]) if i and i not in places]
            assert all(clues.BOARD < t < clues.VOCAB for t in rest)


def test_every_clue_and_every_place_comes_up() -> None:
    batch = next(far_clues(length=12, places=range(1, 6), batch=500, asks=2))
    assert {*batch.answers.tolist()} == {*range(clues.VALUES)}
    assert {*batch.places.flatten().tolist()} == {*range(1, 6)}


def test_the_seed_decides() -> None:
    options = {"length": 12, "places": range(1, 6), "batch": 5, "asks": 2}
    first, second = (list(islice(far_clues(**options, seed=s), 2)) for s in (0, 0))
    assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0].tokens, first[1].tokens)
    assert not torch.equal(first[0].tokens, next(far_clues(**options, seed=1)).tokens)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"places": range(0, 5)}, "places"),
        ({"places": range(5, 11)}, "places"),
        ({"places": range(3, 3)}, "places"),
        ({"copies": 6}, "copies"),
        ({"batch": 0}, "batch"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong: dict[str, object], named: str) -> None:
    options = {"length": 12, "places": range(1, 6), "batch": 5, "asks": 2} | wrong
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        far_clues(**options)  # type: ignore[arg-type]
