"""Timing and exponents."""

import math

import pytest
import torch

from attn_lib.measure import exponent, milliseconds


def test_exponent_of_a_power_is_its_power():
    sizes = [64, 128, 256, 512]
    assert exponent(sizes, [3 * n**2 for n in sizes]) == pytest.approx(2)
    assert exponent(sizes, [0.1 * n for n in sizes]) == pytest.approx(1)
    assert exponent(sizes, [math.sqrt(n) for n in sizes]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("sizes", "costs", "said"),
    [([1], [1], "two or more"), ([1, 2], [1, 2, 3], "as many"), ([1, 2], [0, 1], "positive")],
)
def test_exponent_says_what_is_wrong(sizes, costs, said):
    with pytest.raises(ValueError, match=said):
        exponent(sizes, costs)


def test_milliseconds_counts_calls_and_gives_the_threads_back():
    threads, calls, inside = torch.get_num_threads(), [], []

    def work(size):
        calls.append(size)
        inside.append(torch.get_num_threads())
        return torch.ones(size, size) @ torch.ones(size, size)

    assert milliseconds(work, 8, repeats=3) >= 0
    assert calls == [8] * 4  # one run that is not counted, then three
    assert set(inside) == {1}
    assert torch.get_num_threads() == threads


def test_milliseconds_gives_the_threads_back_after_an_error():
    threads = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        milliseconds(lambda: 1 / 0)
    assert torch.get_num_threads() == threads


def test_milliseconds_grows_with_the_work():
    small, large = torch.randn(2, 64, 64), torch.randn(2, 768, 768)
    assert milliseconds(torch.bmm, large, large) > milliseconds(torch.bmm, small, small)


def test_milliseconds_needs_a_run():
    with pytest.raises(ValueError, match="repeats: expected at least 1, got 0"):
        milliseconds(print, repeats=0)
