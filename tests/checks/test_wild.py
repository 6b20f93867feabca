"""Code written by somebody who has read only the tasks: every function gets a fitting verdict."""

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest

from attn_lib import checks
from attn_lib.checks._engine import judge

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from wild import CORRECT, WILD  # noqa: E402

# Verdicts that say what happened without naming a cause.
GENERAL = {
    "raises", "wrong_shape", "not_finite", "wrong_type", "wrong_arguments", "time_limit",
    "low_precision", "too_few_results", "returns_generator",
}  # fmt: skip
NOTED = ("mutates", "gradient", "overflow", "empty_rows", "quadratic", "dtype", "precision")


def families():
    """Name of a mistake -> catalogue entries, from every zoo file."""
    found = {}
    for path in sorted(HERE.glob("zoo_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, entries in getattr(module, "FAMILIES", {}).items():
            found.setdefault(name, set()).update(entries.split())
    return found


FAMILIES = families()
KNOWN = [w for w in WILD if w.check in checks.names()]
REPORTS = {}


def verdict(wild):
    if wild.id not in REPORTS:
        getattr(wild.fn, "reset", lambda: None)()
        REPORTS[wild.id] = judge(checks.get(wild.check), wild.fn, limit=1.0)
    return REPORTS[wild.id]


def named(report):
    """Ids that name a cause."""
    ids = report.mistake if isinstance(report.mistake, list) else [report.mistake]
    return [name for name in ids if name is not None and name not in GENERAL]


def test_every_exercise_of_the_course_has_its_check():
    assert {w.check for w in WILD} <= set(checks.names())


@pytest.mark.parametrize("wild", KNOWN, ids=lambda wild: wild.id)
def test_the_verdict_fits(wild):
    report = verdict(wild)
    if wild.outcome == "notes":
        assert report.passed, str(report)
        if wild.effect in NOTED:
            assert report.notes, "it passes, and nothing is said"
        return
    if wild.outcome == "either":
        assert report.notes if report.passed else report.observed
        return
    assert report.passed is False, str(report)
    assert report.observed
    if wild.outcome == "convention":
        assert report.convention, str(report)
        return
    assert not report.convention
    asked = set(wild.families) - {"other"}
    entries = {entry for name in named(report) for entry in FAMILIES.get(name, ())}
    if entries and asked and "other" not in wild.families:
        assert entries & asked, f"{report.mistake} ({entries}) for {wild.fits!r} ({asked})"
    if wild.pair and named(report):
        assert len(named(report)) >= 2, str(report)


@pytest.mark.parametrize("right", [c for c in CORRECT if c.check in checks.names()],
                         ids=lambda right: right.id)  # fmt: skip
def test_right_code_passes(right):
    report = judge(checks.get(right.check), right.fn)
    assert report.passed, str(report)


@pytest.mark.parametrize("name", sorted({w.check for w in KNOWN}))
def test_most_causes_are_named(name):
    """Of the wild functions with a mistake of the catalogue, at least 85 % get its name."""
    counted = [
        w for w in KNOWN
        if w.check == name and w.outcome in ("rejected", "convention") and "other" not in w.families
    ]  # fmt: skip
    counts = Counter(bool(named(verdict(w))) for w in counted)
    unnamed = [w.id for w in counted if not named(verdict(w))]
    print(f"{name}: {counts[True]} of {len(counted)} named")
    assert counts[True] >= 0.85 * len(counted), unnamed
