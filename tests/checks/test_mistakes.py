"""What every checker must do, for every registered exercise: name mistakes, and never guess."""

import numpy as np
import pytest
import torch

from attn_lib import checks
from attn_lib.checks._bank import bank_of, telling, varied
from attn_lib.checks._engine import judge
from attn_lib.checks._values import error

NAMES = checks.names()
# Exercises with mistakes of their own; the same checker under another name is not run again.
OWN = [*{id(checks.get(name).mistakes): name for name in reversed(NAMES)}.values()][::-1]
OWN = [name for name in OWN if checks.get(name).mistakes]
GENERAL = {
    None, "raises", "wrong_shape", "not_finite", "wrong_type", "returns_none", "low_precision",
}  # fmt: skip
each = pytest.mark.parametrize("name", OWN)


def distance(bank, one, other):
    """Largest relative difference over the deciding probes; a crash differs from any number."""
    decide = [i for i, probe in enumerate(bank.probes) if probe.decides]
    if all(one(i) is None for i in decide) and all(other(i) is None for i in decide):
        decide = range(len(bank.probes))
    found = 0.0
    for i in decide:
        a, b = one(i), other(i)
        if (a is None) != (b is None):
            return float("inf")
        if a is not None:
            found = max(found, error(a, b), error(b, a))
    return found


def outputs(bank, combo):
    return lambda i: bank.output(combo, i)


@each
def test_every_mistake_gets_its_own_id(name):
    bank = bank_of(checks.get(name))
    wrong = {}
    for combo in bank.singles():
        mistake = bank.mistakes(combo)[0]
        report = judge(bank.exercise, bank.wrong(combo))
        if report.passed is not False or report.mistake != mistake.id:
            wrong[mistake.id] = (report.passed, report.mistake)
    assert wrong == {}


@each
def test_separation(name):
    """100 tolerances from the reference and from each other; and far from 'low precision'."""
    exercise, bank = checks.get(name), bank_of(checks.get(name))
    combos = list(bank.singles())
    close = []
    for n, combo in enumerate(combos):
        mistake = bank.mistakes(combo)[0].id
        away = distance(bank, outputs(bank, combo), lambda i: bank.reference[i])
        if away < max(100 * exercise.tolerance, 2 * exercise.low_precision):
            close.append((mistake, "reference", away))
        for other in combos[:n]:
            theirs = bank.mistakes(other)[0].id
            away = distance(bank, outputs(bank, combo), outputs(bank, other))
            if theirs != mistake and away < 100 * exercise.tolerance:
                close.append((mistake, theirs, away))
    assert close == []


@each
def test_pairs(name):
    """No pair is accepted; 85 % are named exactly, the rest by an equivalent explanation.

    A pair in which one mistake swallows the other (nothing is left to mask where the mask is
    ignored) gives the numbers of a single mistake, and the single mistake is the right name. A
    pair that leaves no number (all NaN, an empty result, an exception), or everywhere the same,
    is given no pair's name.
    """
    exercise, bank = checks.get(name), bank_of(checks.get(name))
    decide = [i for i, probe in enumerate(bank.probes) if probe.decides]
    exact, other = 0, []
    for pair in bank.pairs():
        got = [bank.output(pair, i) for i in range(len(bank.probes))]
        unlike = [
            out is None or error(out, want) > exercise.tolerance
            for out, want in zip(got, bank.reference, strict=True)
        ]
        ids = {mistake.id for mistake in bank.mistakes(pair)}
        assert any(unlike[i] for i in decide), f"accepted: {ids}"
        values = [got[i] for i in decide if got[i] is not None] or [g for g in got if g is not None]
        if not any(telling(some) for some in values):
            assert bank.find(got, unlike) == ((), False)
            continue
        if any(
            distance(bank, outputs(bank, pair), outputs(bank, (single,))) <= exercise.tolerance
            for single in pair
        ):
            continue
        found, fits = bank.find(got, unlike)
        if not varied(values):
            assert len(found) <= 1
            continue
        assert found and fits, f"no explanation: {ids}"
        if {mistake.id for mistake in bank.mistakes(found)} == ids:
            exact += 1
        else:
            other.append((ids, {mistake.id for mistake in bank.mistakes(found)}))
    if exact or other:
        share = exact / (exact + len(other))
        print(f"{name}: {exact} of {exact + len(other)} pairs named exactly ({share:.1%})")
        assert share >= 0.85, other


def altered(exercise, change):
    """The reference with its results put through `change`: tensors, or a list of strings."""

    def walk(value):
        if isinstance(value, tuple):
            return tuple(walk(item) for item in value)
        return change(value)

    def call(*args):
        return exercise.run(lambda *given: walk(exercise.reference(*given)), args)

    return call if exercise.drive is None else lambda *given: walk(exercise.reference(*given))


def drawn(x):
    return torch.Generator().manual_seed(x.numel())


def noise(x):
    return torch.randn(x.shape, generator=drawn(x)).to(x.dtype)


def shuffled(x):
    if isinstance(x, list):
        return [x[i] for i in np.random.default_rng(len(x)).permutation(len(x))]
    order = np.random.default_rng(x.numel()).permutation(x.numel())
    return x.reshape(-1)[torch.from_numpy(order)].reshape(x.shape)


REAL = {
    "noise": noise,
    "reference with noise": lambda x: x + 0.3 * noise(x) * x.abs().max(),
    "softmax of noise": lambda x: noise(x).softmax(-1) if x.ndim else noise(x).sigmoid(),
    "zeros": torch.zeros_like,
    "ones": torch.ones_like,
    "sevens": lambda x: torch.full_like(x, 7.0),
    "nan": lambda x: torch.full_like(x, float("nan")),
    "infinite": lambda x: torch.full_like(x, float("inf")),
    "shuffled": shuffled,
    "shifted by 0.1": lambda x: x + 0.1 * x.abs().max(),
    "1.37 times": lambda x: x * 1.37,
}
MASKS = {
    "noise": lambda x: torch.rand(x.shape, generator=drawn(x)) < 0.5,
    "reference with noise": lambda x: x ^ (torch.rand(x.shape, generator=drawn(x)) < 0.3),
    "real numbers": lambda x: torch.rand(x.shape, generator=drawn(x)),
    "all true": torch.ones_like,
    "all false": torch.zeros_like,
    "nan": lambda x: torch.full(x.shape, float("nan")),
    "shuffled": shuffled,
}
WHOLE = {
    "noise": lambda x: torch.randint(0, 100, x.shape, generator=drawn(x)),
    "zeros": torch.zeros_like,
    "sevens": lambda x: torch.full_like(x, 7),
    "shuffled": shuffled,
    "5 more": lambda x: x + 5,
}
STRINGS = {
    "noise": lambda x: [str(y) for y in np.random.default_rng(len(x)).integers(0, 9, len(x))],
    "right names, anywhere": lambda x: [
        ["sliding_attention", "full_attention"][y]
        for y in np.random.default_rng(len(x)).integers(0, 2, len(x))
    ],
    "one name": lambda x: ["banana"] * len(x),
    "all sliding": lambda x: ["sliding_attention"] * len(x),
    "all full": lambda x: ["full_attention"] * len(x),
    "shuffled": shuffled,
    "nothing": lambda x: [],
}


def unknown(name):
    """The unknown errors that fit an exercise's kind of result."""
    first = bank_of(checks.get(name)).raw[0]
    first = first[0] if isinstance(first, tuple) else first
    if isinstance(first, list):
        return STRINGS
    return MASKS if first.dtype == torch.bool else REAL if first.is_floating_point() else WHOLE


@pytest.mark.parametrize(("name", "what"), [(name, what) for name in OWN for what in unknown(name)])
def test_unknown_errors_get_no_name(name, what):
    """Unless it is one mistake that gives just this: "yours is True everywhere", of such a mask."""
    exercise = checks.get(name)
    bank, fn = bank_of(exercise), altered(exercise, unknown(name)[what])
    report = judge(exercise, fn)
    if report.passed:  # the same numbers again: shuffling one number, say
        assert what == "shuffled"
        raw = bank.raw[0] if torch.is_tensor(bank.raw[0]) else bank.raw[0][0]
        assert raw.numel() == 1
        return
    names = report.mistake if isinstance(report.mistake, list) else [report.mistake]
    assert report.observed
    if constant(bank, names, what):
        return
    assert set(names) <= GENERAL, str(report)


def constant(bank, names, what):
    """Whether this is one mistake that gives the same for every entry of a mask or a list."""
    singles = [combo for combo in bank.singles() if [m.id for m in bank.mistakes(combo)] == names]
    kinds = "all true", "all false", "all sliding", "all full", "zeros"
    found = [[bank.output(combo, i) for i in bank.deciding()] for combo in singles]
    return what in kinds and any(
        all(len({str(x) for x in np.asarray(out).ravel()}) == 1 for out in outs) for outs in found
    )


@each
def test_conventions_are_called_so(name):
    exercise, bank = checks.get(name), bank_of(checks.get(name))
    for combo in bank.singles():
        mistake = bank.mistakes(combo)[0]
        report = judge(exercise, bank.wrong(combo))
        assert report.convention == (mistake.kind == "convention")
        if report.convention:
            assert report.headline == "another convention"
            assert "wrong" not in str(report) and "not yet" not in str(report)


@each
def test_hints_read_well(name):
    for mistake in checks.get(name).mistakes:
        for text in (mistake.observed, mistake.why, mistake.line):
            assert 10 < len(text) < 240 and text[-1] in ".?", (mistake.id, text)
        assert "your" in mistake.observed.lower() or mistake.observed[0].isupper()


@pytest.mark.parametrize("name", NAMES)
def test_reference_passes_and_probes_are_unlike(name):
    exercise = checks.get(name)
    assert judge(exercise, exercise.reference).passed
    sizes = {tuple(getattr(a, "shape", a) for a in p.args) for p in bank_of(exercise).probes}
    assert len(sizes) > 1
