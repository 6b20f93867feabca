"""Every correct style passes: a checker must never judge how a right answer is written."""

import importlib.util
from pathlib import Path

import pytest

from attn_lib import checks
from attn_lib.checks._engine import judge


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ZOO = {}
for _path in sorted(Path(__file__).parent.glob("zoo_*.py")):
    ZOO |= load(_path).STYLES

# One natural form only: fewer than twelve styles are asked for. (Nothing of lessons 02 and 03.)
FEW = ()


@pytest.mark.parametrize(
    ("name", "number"), [(name, i) for name, styles in ZOO.items() for i in range(len(styles))]
)
def test_passes(name, number):
    report = judge(checks.get(name), ZOO[name][number])
    assert report.passed, str(report)


def test_twelve_styles_for_each():
    few = {name: len(styles) for name, styles in ZOO.items() if len(styles) < 12}
    assert few == {name: len(ZOO[name]) for name in FEW}


def test_styles_are_for_exercises_that_exist():
    assert set(ZOO) <= set(checks.names())
