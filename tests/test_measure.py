"""Timing and exponents."""

import math

import pytest
import torch

from attn_lib.measure import bits_per_token, exponent, milliseconds


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


class Uniform(torch.nn.Module):
    """Two tokens are possible from the place `known` of a window on, all four before it."""

    def __init__(self, known: int) -> None:
        super().__init__()
        self.known, self.modes = known, []

    def forward(self, tokens):
        self.modes.append(self.training)
        logits = torch.zeros(*tokens.shape, 4)
        logits[:, self.known :, 2:] = -math.inf
        return logits


@pytest.mark.parametrize("n", [2, 7, 8, 9, 23, 24, 25, 40])
@pytest.mark.parametrize(("length", "overlap"), [(8, 0), (8, 3), (8, 7), (5, 4)])
@pytest.mark.parametrize("batch", [1, 3, 32])
def test_each_token_is_counted_once_and_from_enough_before_it(n, length, overlap, batch):
    ids = torch.arange(n) % 2
    early = min(overlap, n - 1)  # only the beginning of the text has less before it
    want = (2 * early + (n - 1 - early)) / (n - 1)
    got = bits_per_token(Uniform(overlap), ids, length=length, overlap=overlap, batch=batch)
    assert got == pytest.approx(want)


def test_bits_are_those_of_plain_loops():
    torch.manual_seed(0)
    model = torch.nn.Embedding(5, 5)  # what follows hangs on the last token alone
    ids = torch.randint(5, (50,))
    total = 0.0
    for now, after in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True):
        scores = [math.exp(s) for s in model.weight[now].tolist()]
        total -= math.log2(scores[after] / sum(scores))
    got = bits_per_token(model, ids, length=7, overlap=2)
    assert got == pytest.approx(total / 49, rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_bits_are_taken_in_eval_mode_and_the_mode_is_given_back(training):
    model = Uniform(0).train(training)
    bits_per_token(model, torch.arange(9) % 2, length=4)
    assert not any(model.modes) and model.training is training


@pytest.mark.parametrize(
    ("ids", "length", "overlap"),
    [(torch.zeros(1).long(), 4, 0), (torch.zeros(9).long(), 4, 4), (torch.zeros(3, 3).long(), 4, 0),
     (torch.zeros(9).long(), 4, -1)],
)  # fmt: skip
def test_bits_need_a_text_and_an_overlap_that_fits(ids, length, overlap):
    with pytest.raises(ValueError, match="0 <= overlap < length"):
        bits_per_token(Uniform(0), ids, length=length, overlap=overlap)
