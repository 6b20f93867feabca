"""`python -m attn_lib.checks file`: a table, an exit code, and nothing that a file can break."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from attn_lib import checks
from attn_lib.checks.__main__ import main
from attn_lib.checks._submission import collect, judge_file, read_cells

SCRIPT = """
import torch

def softmax(scores):
    print("hello")
    return torch.softmax(scores, -1)

def split_heads(x, heads):
    return x.view(x.shape[0], heads, x.shape[1], -1)

def merge_heads(x):
    raise NotImplementedError
"""


def script(tmp_path, text):
    path = tmp_path / "submission.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def notebook(tmp_path, *cells):
    path = tmp_path / "submission.ipynb"
    made = [
        {"cell_type": "code", "source": textwrap.dedent(c).splitlines(True), "metadata": {}}
        for c in cells
    ]
    made.insert(0, {"cell_type": "markdown", "source": "# text", "metadata": {}})
    path.write_text(json.dumps({"cells": made, "nbformat": 4}), encoding="utf-8")
    return path


def test_the_command(tmp_path, progress_file):
    """A table and an exit code, as a teacher gets them."""
    done = subprocess.run(
        [sys.executable, "-m", "attn_lib.checks", str(script(tmp_path, SCRIPT))],
        capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 1 and not done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["02", "softmax", "passed"]
    assert lines[1].startswith("03  split_heads  not yet        split_by_view: Your shape is right")
    assert lines[2].split() == ["03", "merge_heads", "not", "attempted"]
    assert lines[3] == "1 of 3 passed"
    assert not progress_file.exists()  # the teacher's own progress is left alone


def test_a_notebook_of_which_all_passes(tmp_path, capsys):
    path = notebook(
        tmp_path,
        "import torch\nfrom attn_lib import checks",
        "def mine(scores):\n    return torch.softmax(scores, -1)",
        "checks.softmax(mine)",
    )
    assert main([str(path)]) == 0
    assert capsys.readouterr().out == "02  softmax  passed\n1 of 1 passed\n"


def test_a_lesson_is_demanded_whole(tmp_path, capsys, monkeypatch):
    path = tmp_path / "submission.py"
    rows = [{"exercise": "softmax", "passed": True, "mistake": None, "hint": "", "notes": []}]
    monkeypatch.setattr("attn_lib.checks.__main__.judge_file", lambda given: rows)
    assert main([str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == rows
    assert main([str(path), "--lesson", "02"]) == 1
    out = capsys.readouterr().out
    assert "self_attention" in out and "1 of" in out
    assert main([str(path), "--lesson", "99"]) == 2


@pytest.mark.parametrize(
    ("name", "text"), [("a.py", "x = 1"), ("a.txt", "x"), ("a.ipynb", "{"), ("a.ipynb", "[]")]
)
def test_nothing_to_judge(tmp_path, capsys, monkeypatch, name, text):
    path = tmp_path / name
    path.write_text(text)
    if name == "a.py":  # it can be read, and holds nothing: no subprocess is needed to see that
        assert found(path) == {}
        monkeypatch.setattr("attn_lib.checks.__main__.judge_file", lambda given: [])
    assert main([str(path)]) == 2
    assert capsys.readouterr().err


def test_missing_file(tmp_path, capsys):
    assert main([str(tmp_path / "none.py")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_function_costs_only_itself(tmp_path):
    """One ends the process, one blocks it for good; the third is judged."""
    path = script(tmp_path, """
        import os, time
        def softmax(s): os._exit(0)
        def split_heads(x, heads): time.sleep(100)
        def merge_heads(x): return x.transpose(1, 2).flatten(2)
    """)  # fmt: skip
    rows = judge_file(path, judging=2.0)
    assert {row["exercise"]: (row["passed"], row["mistake"]) for row in rows} == {
        "softmax": (False, "process_ended"),
        "split_heads": (False, "time_limit"),
        "merge_heads": (True, None),
    }


def test_a_file_that_never_finishes_loading(tmp_path):
    with pytest.raises(ValueError, match="loading it ran out of time"):
        judge_file(script(tmp_path, "while True: pass"), loading=1.0)


def found(path):
    return collect(path, checks.names())


def test_a_notebook_is_read_but_not_trained(tmp_path):
    path = notebook(
        tmp_path,
        "%matplotlib inline\nimport torch",
        "%%bash\nrm everything",
        "SCALE = 1.0\nmodel = open('trained', 'w')",
        "def softmax(s):\n    return torch.softmax(s, -1) * SCALE",
        "open('ran', 'w')\nthis is no Python",
        "def mine(x, heads):\n    return x",
        "checks.split_heads(mine)\nchecks.unheard_of(mine)\nchecks.merge_heads(missing)",
    )
    functions = found(path)
    assert set(functions) == {"softmax", "split_heads"}
    assert functions["split_heads"].__name__ == "mine"
    assert not (tmp_path / "ran").exists() and not Path("trained").exists()
    assert read_cells(path)[0] == ("<cell 1>", "\nimport torch")


def test_a_broken_line_does_not_hide_the_rest(tmp_path):
    path = script(tmp_path, "1 / 0\ndef softmax(s): return s\nimport nothing_of_this_name")
    assert set(found(path)) == {"softmax"}
    assert found(script(tmp_path, "def softmax(s: return")) == {}


def test_imported_functions_do_not_count(tmp_path):
    assert found(script(tmp_path, "from torch import softmax")) == {}
