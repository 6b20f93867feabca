"""What the driven steps of `cached_step` say beyond named mistakes: state, shapes, exceptions."""

import torch

from attn_lib import checks
from attn_lib.checks._engine import judge

STEP = checks.get("cached_step")


def attend(q, k, v):
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v


def test_a_cache_kept_outside_the_function_is_named():
    kept = []

    def step(q, k, v, cache):
        kept.append((k, v))
        k, v = (torch.cat(parts, 2) for parts in zip(*kept, strict=True))
        return attend(q, k, v), (k, v)

    report = judge(STEP, step)
    assert report.mistake == "stale_cache" and "first" in report.observed


def test_one_joined_along_the_features_is_told_where_it_fails():
    def step(q, k, v, cache):
        if cache is not None:
            k, v = torch.cat([cache[0], k], -1), torch.cat([cache[1], v], -1)
        return attend(q, k, v), (k, v)

    report = judge(STEP, step)
    assert report.mistake == "raises"
    assert "step 2" in report.observed and "(3, 2, 1, 6)" in report.observed


def test_an_exception_is_told_with_its_step_and_shapes():
    def step(q, k, v, cache):
        if cache is not None:
            raise ValueError("what now")
        return attend(q, k, v), (k, v)

    report = judge(STEP, step)
    assert report.mistake == "raises"
    assert "step 2" in report.observed and "what now" in report.observed


def test_without_a_cache_in_return():
    assert judge(STEP, lambda q, k, v, cache: attend(q, k, v)).mistake == "too_few_results"
    assert judge(STEP, lambda q, k, v, cache: None).mistake == "returns_none"


def test_not_attempted():
    def step(q, k, v, cache):
        raise NotImplementedError

    assert judge(STEP, step).passed is None


def test_a_cache_with_every_token_twice_is_not_the_cache():
    def step(q, k, v, cache):
        old_k, old_v = (k[:, :, :0], v[:, :, :0]) if cache is None else cache
        k, v = torch.cat([old_k, k, k], 2), torch.cat([old_v, v, v], 2)
        return attend(q, k, v), (k, v)

    assert judge(STEP, step).passed is False


def test_an_unknown_error_names_the_first_wrong_step():
    def step(q, k, v, cache):
        if cache is not None:
            k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
        return attend(q, k, v) + 0.1 * (k.shape[2] == 3), (k, v)

    report = judge(STEP, step)
    assert report.passed is False and report.mistake is None
    assert "step 3 of the first text" in report.observed
