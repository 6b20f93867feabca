"""Exercises as a learner meets them: left alone they are "not attempted", solved they pass.

Only the set-up cell, the imports, the stub and the check run, as DESIGN has it: an exercise hangs
on nothing else in its notebook.
"""

import ast
from pathlib import Path
from typing import Any

import nbformat.v4 as v4
import pytest

from tests.notebooks.rules import Exercise, exercises, parse
from tools import course


def readable(path: Path) -> list[Exercise]:
    """A notebook's exercises; none where one is malformed, which its rule reports."""
    try:
        return exercises(course.read(path))
    except ValueError:
        return []


CASES = [
    pytest.param(path, i, id=f"{path.stem}-{one.function}")
    for path in course.lessons()
    for i, one in enumerate(readable(path))
]


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch) -> None:
    """Keep the learner's record of solved exercises out of it."""
    monkeypatch.setenv("ATTN_LIB_PROGRESS", str(tmp_path / "progress.json"))


def judge(nb: Any, exercise: Exercise, answer: str) -> Any:
    """The report on an answer, in a namespace that has seen the set-up and the imports alone."""
    space: dict[str, Any] = {"__name__": "__main__"}
    setup = [cell.source for cell in nb.cells if cell.cell_type == "code"][:2]
    for source in [*setup, answer]:
        exec(compile(parse(source), "<cell>", "exec"), space)
    *before, last = parse(exercise.check.source).body
    exec(compile(ast.Module(before, []), "<check>", "exec"), space)
    return eval(compile(ast.Expression(last.value), "<check>", "eval"), space)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("path", "i"), CASES)
def test_stub_is_not_attempted(path, i) -> None:
    nb = course.read(path)
    exercise = exercises(nb)[i]
    assert judge(nb, exercise, exercise.stub.source).passed is None


@pytest.mark.parametrize(("path", "i"), CASES)
def test_solution_passes(path, i) -> None:
    nb = course.read(path)
    exercise = exercises(nb)[i]
    report = judge(nb, exercise, exercise.solution)
    assert report.passed is True, str(report)


CHECKS = """import types


def judge(fn):
    try:
        return types.SimpleNamespace(passed=fn(2) == 4)
    except NotImplementedError:
        return types.SimpleNamespace(passed=None)


checks = types.SimpleNamespace(double=judge)"""


@pytest.mark.parametrize(
    ("answer", "passed"),
    [
        ("def double(x):\n    raise NotImplementedError", None),
        ("def double(x):\n    return 2 * x", True),
        ("def double(x):\n    return x + 1", False),
    ],
)
def test_judging_sees_stub_right_and_wrong_apart(answer: str, passed: bool | None) -> None:
    check = v4.new_code_cell("checks.double(double)")
    nb = v4.new_notebook(cells=[v4.new_code_cell("pass"), v4.new_code_cell(CHECKS), check])
    exercise = Exercise("double", v4.new_code_cell(answer), check, answer)
    assert judge(nb, exercise, answer).passed is passed


def test_an_exercise_that_needs_another_cell_is_found_out() -> None:
    check = v4.new_code_cell("checks.double(double)")
    later = v4.new_code_cell("factor = 2")
    cells = [v4.new_code_cell("pass"), v4.new_code_cell(CHECKS), later, check]
    answer = "def double(x):\n    return factor * x"
    exercise = Exercise("double", v4.new_code_cell(answer), check, answer)
    with pytest.raises(NameError, match="factor"):
        judge(v4.new_notebook(cells=cells), exercise, answer)
