"""Whatever a function does, there is a verdict that helps, and the notebook lives on."""

import builtins
import random
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from attn_lib import checks
from attn_lib.checks._bank import bank_of
from attn_lib.checks._engine import judge

SOFTMAX = checks.get("softmax")
ATTENTION = checks.get("scaled_dot_product_attention")


def right(s):
    return s.softmax(-1)


def attend(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    return (s if mask is None else s.masked_fill(~mask, -torch.inf)).softmax(-1) @ v


def stub(scores):
    raise NotImplementedError


def test_not_attempted():
    report = judge(SOFTMAX, stub)
    assert report.passed is None and report.mistake is None
    assert str(report).startswith("softmax: not attempted yet.")


def test_not_implemented_on_one_branch_is_an_error():
    def fn(q, k, v, mask=None):
        if mask is not None:
            raise NotImplementedError
        return attend(q, k, v)

    report = judge(ATTENTION, fn)
    assert report.passed is False and report.mistake == "raises"
    assert "right without a mask" in report.why


def generator(s):
    yield s


class Nasty:
    @property
    def shape(self):
        raise ValueError("no shape")

    def __array__(self, *args, **kwargs):
        raise KeyboardInterrupt


class Unprintable(Exception):
    def __str__(self):
        raise ValueError


def raise_unprintable(s):
    raise Unprintable


def recursive(s):
    return recursive(s)


def asks(s):
    return input("a number? ")


def leaves_with_exit(s):
    exit()


def interrupts(s):
    raise KeyboardInterrupt


def empties_its_input(s):
    s.resize_(0)
    return s


BAD = {
    "none": (lambda s: None, "returns_none"),
    "generator": (generator, "returns_generator"),
    "map": (lambda s: map(abs, s), "returns_generator"),
    "text": (lambda s: "0.3", "wrong_type"),
    "dictionary": (lambda s: {"weights": s}, "wrong_type"),
    "function": (lambda s: right, "wrong_type"),
    "ragged list": (lambda s: [[1.0], [1.0, 2.0]], "wrong_type"),
    "empty tuple": (lambda s: (), "wrong_type"),
    "complex": (lambda s: s.to(torch.complex64), "wrong_type"),
    "misbehaving object": (lambda s: Nasty(), "wrong_type"),
    "a number": (lambda s: 0.5, "wrong_shape"),
    "one axis less": (lambda s: right(s).sum(0), "wrong_shape"),
    "axes swapped": (lambda s: right(s).transpose(0, -1), "wrong_shape"),
    "nan": (lambda s: s * float("nan"), "not_finite"),
    "infinite": (lambda s: s / 0, "not_finite"),
    "exception": (lambda s: s @ torch.ones(11, 2), "raises"),
    "unprintable exception": (raise_unprintable, "raises"),
    "sys.exit": (lambda s: sys.exit(3), "raises"),
    "exit": (leaves_with_exit, "raises"),
    "interrupt": (interrupts, "raises"),
    "input": (asks, "raises"),
    "recursion": (recursive, "raises"),
    "too few arguments": (lambda: 1, "wrong_arguments"),
    "too many arguments": (lambda s, t: s, "wrong_arguments"),
    "random": (lambda s: torch.rand(s.shape), "not_repeatable"),
    "dropout": (lambda s: torch.dropout(right(s), 0.5, True), "not_repeatable"),
    "rounded": (lambda s: (right(s) * 100).round() / 100, "low_precision"),
    "not a function": (torch.ones(3), "not_a_function"),
    "empties its input": (empties_its_input, "wrong_shape"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_functions_get_a_verdict(what):
    fn, mistake = BAD[what]
    asked = builtins.input, sys.stdout, sys.stderr
    report = judge(SOFTMAX, fn)
    assert report.passed is False
    assert report.mistake == mistake, str(report)
    assert report.observed and " at 0x" not in report.hint
    assert len(str(report).splitlines()) <= 4
    assert "<b>not yet</b>" in report._repr_html_()
    assert (builtins.input, sys.stdout, sys.stderr) == asked


def test_half_precision_is_told_apart():
    def fn(q, k, v, mask=None):
        return attend(q.bfloat16(), k.bfloat16(), v.bfloat16(), mask).float()

    assert judge(ATTENTION, fn).mistake == "low_precision"


def test_exception_names_shapes_message_and_line():
    def fn(q, k, v, mask=None):
        s = q @ k.mT
        return s @ torch.ones(11, 2)

    seen = judge(ATTENTION, fn).observed
    assert "RuntimeError for q (2, 3, 6), k (2, 5, 6), v (2, 5, 7):" in seen
    assert "line 3 of your function: `return s @ torch.ones(11, 2)`" in seen


def test_a_helper_of_the_same_name_is_not_the_function():
    def helper():
        def fn(s):
            raise ValueError("in the helper")

        return fn

    inner = helper()

    def fn(s):
        s = s + 1
        return inner(s)

    assert "line 3 of your function: `return inner(s)`" in judge(SOFTMAX, fn).observed


def test_the_signature_is_looked_at_where_the_check_makes_the_calls():
    report = judge(checks.get("cached_step"), lambda q, k, v: q)
    assert report.mistake == "wrong_arguments"
    assert "takes (q, k, v); the task calls it as cached_step(q, k, v, cache)" in report.observed


def test_nothing_but_nan_has_no_name():
    for name in ("causal_mask", "local_attention", "self_attention"):
        exercise = checks.get(name)
        report = judge(exercise, lambda *args, e=exercise: e.reference(*args) * float("nan"))
        assert report.mistake == "not_finite"


def test_threads_are_left_alone():
    seen, before = [], torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert judge(SOFTMAX, lambda s: seen.append(torch.get_num_threads()) or right(s)).passed
        assert set(seen) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_remembering_the_last_call_is_not_repeatable():
    kept = []

    def fn(s):
        kept.append(s)
        return right(s) if len(kept) < 4 else right(kept[0].sum() + s * 0)

    assert judge(SOFTMAX, fn).mistake == "not_repeatable"


def test_a_mistake_is_named_although_another_call_fails():
    report = judge(ATTENTION, lambda q, k, v: (q @ k.mT).softmax(-1) @ v)
    assert report.mistake == ["no_scale", "wrong_arguments"]


def test_two_mistakes_are_both_named():
    def fn(q, k, v, mask=None):
        s = q @ k.mT
        return (s if mask is None else s.masked_fill(mask, -1e9)).softmax(-1) @ v

    report = judge(ATTENTION, fn)
    assert report.mistake == ["no_scale", "mask_inverted"]
    assert "(1) " in report.observed and "(2) " in report.why


def test_weights_before_output():
    report = judge(ATTENTION, lambda q, k, v, mask=None: (torch.ones(2), attend(q, k, v, mask)))
    assert report.mistake == "results_swapped"


def test_numpy_solution_is_judged_as_numpy():
    def fn(s):
        top = np.max(s, axis=-2, keepdims=True)
        return np.exp(s - top) / np.exp(s - top).sum(-2, keepdims=True)

    assert judge(SOFTMAX, fn).mistake == "softmax_over_queries"


PLAIN = replace(SOFTMAX, localise=None)


class TestUnknown:
    """No name: where the numbers are right, and how they differ."""

    def seen(self, exercise, fn):
        report = judge(exercise, fn)
        assert report.passed is False and report.mistake is None
        return report.observed

    def test_factor(self):
        assert "1.37 times" in self.seen(PLAIN, lambda s: right(s) * 1.37)

    def test_offset(self):
        assert "0.25 too large" in self.seen(PLAIN, lambda s: right(s) + 0.25)
        assert "0.25 too small" in self.seen(PLAIN, lambda s: right(s) - 0.25)

    def test_constant(self):
        assert "every number is 0.3" in self.seen(PLAIN, lambda s: s * 0 + 0.3).lower()

    def test_other_places(self):
        assert "at other places" in self.seen(PLAIN, lambda s: right(s).flip(-1).roll(1, -1))

    def test_what_the_exercise_itself_sees(self):
        assert "rows sum to 1.37;" in self.seen(SOFTMAX, lambda s: right(s) * 1.37)
        assert "numbers differ" in self.seen(SOFTMAX, lambda s: right(s * 1.1))

    def test_a_missing_axis(self):
        report = judge(SOFTMAX, lambda s: right(s)[0])
        assert "The batch went missing" in report.why

    def test_scale(self):
        def fn(q, k, v, mask=None):
            return attend(q * q.shape[-1] ** 0.5 / 3, k, v, mask)

        assert "divided by 3; √d is 2.449" in self.seen(ATTENTION, fn)

    def test_row_sums(self):
        def fn(q, k, v, mask=None):
            return attend(q, k, v, mask) * torch.linspace(0.5, 0.7, q.shape[1])[:, None]

        assert "sum to between 0.5 and 0.7 in a row" in self.seen(ATTENTION, fn)

    def test_only_the_first_row(self):
        def fn(s):
            out = right(s)
            out[..., 1:, :] = out[..., 1:, :] * 0.7 + 0.05
            return out

        seen = self.seen(PLAIN, fn)
        assert "along the queries, only number 0" in seen.lower()

    def test_right_without_a_mask(self):
        def fn(q, k, v, mask=None):
            return attend(q, k, v) if mask is None else attend(q, k, v, mask) * 1.1

        assert self.seen(ATTENTION, fn).startswith("Right without a mask,")


class TestNotes:
    """A right answer passes; what is not demanded is said."""

    def note(self, exercise, fn):
        report = judge(exercise, fn)
        assert report.passed, str(report)
        return " ".join(report.notes)

    def test_nothing_to_say(self):
        assert self.note(SOFTMAX, right) == ""

    def test_input_changed(self):
        assert "changes its input scores in place" in self.note(
            SOFTMAX, lambda s: s.copy_(s.softmax(-1))
        )

    def test_gradient_cut(self):
        assert "No gradient" in self.note(SOFTMAX, lambda s: right(s.detach()))
        assert "No gradient" in self.note(SOFTMAX, lambda s: torch.from_numpy(right(s).numpy()))

    def test_gradient_cut_for_one_input(self):
        note = self.note(ATTENTION, lambda q, k, v, mask=None: attend(q, k.detach(), v, mask))
        assert "No gradient reaches k" in note

    def test_kind_is_not_asked_for_where_no_array_is_given(self):
        table = checks.get("sinusoidal")
        assert "ndarray" not in self.note(table, lambda n, d: table.reference(n, d).numpy())

    def test_kind_changed(self):
        assert "returns list" in self.note(SOFTMAX, lambda s: right(s).tolist())

    def test_large_logits(self):
        def fn(q, k, v, mask=None):
            e = (q @ k.mT / q.shape[-1] ** 0.5).exp()
            e = e if mask is None else e * mask
            return e @ v / e.sum(-1, keepdim=True)

        note = self.note(ATTENTION, fn)
        assert "300 times larger" in note and "may see nothing gives NaN" in note

    def test_empty_row_averages(self):
        def fn(q, k, v, mask=None):
            s = q @ k.mT / q.shape[-1] ** 0.5
            return (s if mask is None else s.masked_fill(~mask, -1e9)).softmax(-1) @ v

        assert "an average of v" in self.note(ATTENTION, fn)

    def test_head_axis(self):
        def fn(q, k, v, mask=None):
            return attend(q, k.transpose(1, 2).mT, v, mask) if q.ndim == 3 else q

        assert "with a head axis" in self.note(ATTENTION, fn)

    def test_wrong_second_result(self):
        note = self.note(ATTENTION, lambda q, k, v, mask=None: (attend(q, k, v, mask), q))
        assert "the second is not" in note


class TestTimeLimit:
    def test_endless_loop_is_stopped(self):
        def fn(s):
            while True:
                pass

        self.stops(fn, "It was stopped")

    def test_even_one_that_catches_everything(self):
        def fn(s):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass

        self.stops(fn, "It was stopped")

    def test_blocked_in_c_is_left_behind(self):
        self.stops(lambda s: time.sleep(2.5), "could not be stopped", leaves=1)

    def stops(self, fn, told, leaves=0):
        before, stdout = threading.active_count(), sys.stdout
        start = time.monotonic()
        report = judge(SOFTMAX, fn, limit=0.3)
        assert time.monotonic() - start < 2.0
        assert report.mistake == "time_limit" and told in report.why
        assert "0.3 seconds" in report.observed
        assert threading.active_count() <= before + leaves
        assert sys.stdout is stdout
        assert judge(SOFTMAX, right).passed

    def test_limit_is_ten_seconds(self):
        from attn_lib.checks._engine import LIMIT

        assert LIMIT == 10.0

    def test_without_threads(self, monkeypatch):
        def refuse(self):
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        assert judge(SOFTMAX, right).passed

    def test_interrupting_the_kernel_ends_the_function(self, monkeypatch):
        from attn_lib.checks import _guard

        before = threading.active_count()

        class Interrupted(threading.Event):
            def wait(self, timeout=None):
                if timeout == 0.05:
                    raise KeyboardInterrupt
                return super().wait(timeout)

        def fn(s):
            while True:
                pass

        monkeypatch.setattr(_guard.threading, "Event", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            _guard.Clock(5.0).run([lambda: fn(1)])
        assert threading.active_count() <= before


def test_prints_are_shown_once(capsys):
    def fn(s):
        for i in range(14):
            print("row", i, tuple(s.shape))
        return right(s)

    assert checks.softmax(fn).passed
    out = capsys.readouterr().out
    assert out.count("row 0 ") == 1 and "(2, 3, 5)" in out and "4 lines more" in out


def test_random_states_and_types_are_left_alone():
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    before = torch.rand(1), np.random.rand(), random.random()
    torch.manual_seed(5), np.random.seed(5), random.seed(5)

    def fn(s):
        torch.manual_seed(1), np.random.seed(1), random.seed(1)
        torch.set_default_dtype(torch.float64)
        return right(s)

    judge(SOFTMAX, fn)
    assert torch.get_default_dtype() == torch.float32
    assert (torch.rand(1), np.random.rand(), random.random()) == before


# The same checker under another name takes the same time.
OWN = {id(checks.get(name).mistakes): name for name in reversed(checks.names())}.values()


@pytest.mark.parametrize("name", sorted(name for name in OWN if checks.get(name).mistakes))
def test_time_of_a_check(name):
    """A right answer under 50 ms, a wrong one under 500 ms, of processor time.

    Wrong ones are the first of their check: the probes, the mistakes and all pairs of them are
    still to be worked out. One is unknown, one is the last pair of all. Processor time, because
    other programs stretch the clock, and the shorter of two tries, because they also empty the
    caches; the slowest took 0.29 s on a machine under load.
    """
    exercise = replace(checks.get(name))  # a copy has nothing in its cache

    def wrong(*args):
        def bent(x):
            real = torch.is_tensor(x) and x.is_floating_point()
            return torch.sin(x) + 0.1 if real else x

        result = exercise.reference(*args)
        return tuple(map(bent, result)) if isinstance(result, tuple) else bent(result)

    def seconds(fn, exercise):
        tracers = sys.gettrace(), threading.gettrace()  # coverage would be timed with the rest
        sys.settrace(None)
        threading.settrace(None)
        try:
            start = time.process_time()
            judge(exercise, fn)
            return time.process_time() - start
        finally:
            sys.settrace(tracers[0])
            threading.settrace(tracers[1])

    bank = bank_of(exercise)
    last = bank.wrong([*bank.singles(), *bank.pairs()][-1])
    first = [min(seconds(fn, replace(exercise)) for _ in range(2)) for fn in (wrong, last)]
    right = min(seconds(exercise.reference, exercise) for _ in range(5))
    spent = {"wrong": max(first), "right": right}
    print(name, {what: f"{s * 1e3:.0f} ms" for what, s in spent.items()})
    assert spent["wrong"] < 0.5 and spent["right"] < 0.05
