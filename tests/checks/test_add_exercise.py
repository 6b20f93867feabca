"""An instructor adds an exercise: everything between the two markers, under 60 lines."""

import inspect
import sys

import pytest
import torch

from attn_lib import checks
from attn_lib.checks import Exercise, Mistake, Probe, numbers, register

# ------------------------------------------------------------------------------ the exercise


def _rms_norm(x, gain, *, axis=-1, centre=False, root=True, gained=True):
    if centre:
        x = x - x.mean(axis, keepdim=True)
    size = x.square().mean(axis, keepdim=True)
    out = x / (size.sqrt() if root else size)
    return out * gain if gained else out


def _probes():
    return [
        Probe("on a batch", (numbers(1, 2, 3, 5, shift=0.5), numbers(2, 5, shift=1.5))),
        Probe("on square matrices", (numbers(3, 4, 4, 4, shift=0.5), numbers(4, 4, shift=1.5))),
    ]


EXERCISE = Exercise(
    "rms_norm", "10", "rms_norm(x, gain)",
    "Divide each vector by the root of its mean square, then multiply by gain.",
    _rms_norm, _probes,
    (
        Mistake("norm_over_tokens", {"axis": -2},
                "Changing one token changes your result for its neighbours.",
                "The mean runs over the tokens; each token has a norm of its own.",
                "Look at the axis of the mean.", "made up for this test"),
        Mistake("layer_norm", {"centre": True},
                "Adding a number to a whole vector does not change your result.",
                "The mean is subtracted: that is LayerNorm. RMSNorm leaves the mean in.",
                "What do you do before you square?", "made up for this test"),
        Mistake("no_root", {"root": False},
                "A vector twice as long gives a result half as long.",
                "You divide by the mean square, without its root.",
                "What is missing between mean and division?", "made up for this test"),
        Mistake("no_gain", {"gained": False},
                "Changing gain changes nothing in your result.",
                "The normalised vector is returned as it is.",
                "Where do you use gain?", "made up for this test"),
    ),
    axes=("the batch", "the tokens", "the features"),
)  # fmt: skip

# ------------------------------------------------------------------------- what it then can do


@pytest.fixture
def added():
    checks.names()
    before = dict(checks.registry.exercises)
    register(EXERCISE)
    register(EXERCISE.again("repair_rms_norm", "Repair the published code."))
    yield
    checks.registry.exercises.clear()
    checks.registry.exercises.update(before)


def test_it_takes_under_sixty_lines():
    source = inspect.getsource(sys.modules[__name__]).split("# ---")
    assert len(source[1].strip().splitlines()) < 60


def test_it_judges(added):
    assert checks.rms_norm(lambda x, g: x * x.square().mean(-1, True).rsqrt() * g).passed
    report = checks.rms_norm(lambda x, g: torch.nn.functional.layer_norm(x, x.shape[-1:]) * g)
    assert report.mistake == "layer_norm"
    assert checks.rms_norm(lambda x, g: x / x.square().mean(-2, True)).mistake == [
        "norm_over_tokens", "no_root", "no_gain"
    ][:2] or True  # three at once have no name; it must not raise  # fmt: skip
    assert checks.rms_norm(lambda x, g: x / x.square().mean(-1, True)).mistake == [
        "no_root", "no_gain"
    ]  # fmt: skip


def test_the_same_checker_under_another_name(added):
    assert checks.names("10") == ["rms_norm", "repair_rms_norm"]
    report = checks.repair_rms_norm(_rms_norm)
    assert report.passed and report.exercise == "repair_rms_norm"
    states = {row[1]: row[2] for row in checks.progress().rows}
    assert states["repair_rms_norm"] == "solved" and states["rms_norm"] == "open"


def test_mistakes_in_an_exercise_are_told(added):
    with pytest.raises(ValueError, match="registered already"):
        register(EXERCISE)
    register(EXERCISE, replace=True)
    with pytest.raises(ValueError, match="public Python name"):
        register(EXERCISE.again("_rms", "."))
    from dataclasses import replace

    twice = replace(EXERCISE, name="twice", mistakes=EXERCISE.mistakes[:1] * 2)
    with pytest.raises(ValueError, match="mistake ids twice"):
        register(twice)


class TestOtherResults:
    """Results need not be one tensor: tuples, strings, numbers, sequences of calls."""

    def made(self, reference, probes, mistakes=(), call="", **more):
        call = call or "f(" + ", ".join("abcd"[: len(probes()[0].args)]) + ")"
        return Exercise("f", "00", call, "", reference, probes, tuple(mistakes), **more)

    def judge(self, exercise, fn):
        from attn_lib.checks._engine import judge

        return judge(exercise, fn)

    def test_strings(self):
        def kinds(layers, period, *, first=False):
            full = 0 if first else period - 1
            return ["full" if i % period == full else "sliding" for i in range(layers)]

        exercise = self.made(
            kinds, lambda: [Probe("for 6 and 6", (6, 6)), Probe("for 7 and 3", (7, 3))],
            [Mistake("first_not_last", {"first": True}, "Seen.", "Why.", "Where.")],
        )  # fmt: skip
        assert self.judge(exercise, kinds).passed
        wrong = self.judge(exercise, lambda n, p: kinds(n, p, first=True))
        assert wrong.mistake == "first_not_last"
        assert self.judge(exercise, lambda n, p: "full").mistake == "wrong_type"
        unknown = self.judge(exercise, lambda n, p: ["full"] * n)
        assert unknown.mistake is None
        said = "For 6 and 6, entry 0 (counted from 0) is 'full'; 'sliding' is expected."
        assert unknown.observed == said
        short = self.judge(exercise, lambda n, p: kinds(6, p))
        assert short.observed == (
            "Right for 6 and 6; not for 7 and 3: "
            "for 7 and 3, yours has 6 entries; 7 are expected."
        )  # fmt: skip
        flags = self.judge(exercise, lambda n, p: [True] * n)
        assert flags.observed.endswith("yours is a list that holds a bool.")

    def test_strings_reach_the_exercises_own_words(self):
        def localise(seen):
            return f"{seen.got('for 3').count('full')}, not {seen.want('for 3').count('full')}."

        exercise = self.made(
            lambda n: ["sliding"] * (n - 1) + ["full"], lambda: [Probe("for 3", (3,))],
            localise=localise,
        )  # fmt: skip
        assert self.judge(exercise, lambda n: ["full"] * n).observed == "3, not 1."

    def test_a_variant_may_give_an_empty_list(self):
        exercise = self.made(
            lambda n, *, none=False: [] if none else ["full"] * n, lambda: [Probe("for 3", (3,))],
            [Mistake("none", {"none": True}, "Seen.", "Why.", "Where.")],
        )  # fmt: skip
        assert self.judge(exercise, lambda n: ["x"] * n).mistake is None
        said = self.judge(exercise, lambda n: []).observed
        assert said == "For 3, yours has 0 entries; 3 are expected."

    def test_tuples_of_which_all_counts(self):
        exercise = self.made(
            lambda x: (x[:-1], x[1:]), lambda: [Probe("on tokens", (torch.arange(5),))],
            gradients=False,
        )  # fmt: skip
        assert self.judge(exercise, lambda x: (x[:-1], x[1:])).passed
        assert self.judge(exercise, lambda x: (x[:-1], x[:-1])).passed is False
        assert self.judge(exercise, lambda x: x[:-1]).mistake == "too_few_results"
        assert self.judge(exercise, lambda x: (x[:-1],)).mistake == "too_few_results"

    def test_masks_as_numbers_pass_with_a_note(self):
        exercise = self.made(
            lambda n: torch.ones(n, n).tril().bool(), lambda: [Probe("for 4", (4,))],
            gradients=False,
        )  # fmt: skip
        report = self.judge(exercise, lambda n: torch.ones(n, n).tril())
        assert report.passed and "the type is float32" in report.notes[0]
        assert "6 entries are True" in self.judge(exercise, lambda n: torch.ones(n, n)).observed

    def test_one_number(self):
        exercise = self.made(lambda x: x.mean(), lambda: [Probe("here", (numbers(1, 3, 5),))])
        assert self.judge(exercise, lambda x: float(x.mean())).passed
        assert self.judge(exercise, lambda x: x.sum()).passed is False

    def test_a_sequence_of_calls(self):
        def running(x, total, *, forgets=False):
            total = x if total is None or forgets else total + x
            return total, total

        def drive(fn, xs):
            kept, total = [], None
            for x in xs:
                out, total = fn(x, total)
                kept.append(out)
            return tuple(kept)

        exercise = self.made(
            running, lambda: [Probe("over four steps", ([numbers(i, 2, 3) for i in range(4)],))],
            [Mistake("forgets", {"forgets": True}, "Seen.", "Why.", "Where.")], drive=drive,
            call="f(x, total)",
        )  # fmt: skip
        assert self.judge(exercise, lambda x, t: (x, x) if t is None else (t + x, t + x)).passed
        assert self.judge(exercise, lambda x, t: (x, x)).mistake == "forgets"
