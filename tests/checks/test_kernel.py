"""In a real kernel: a loop without end, exit() and a deluge of prints leave the kernel alive."""

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    "from attn_lib import checks\nfrom attn_lib.checks import _engine\n"
    "judge = lambda fn: _engine.judge(checks.get('softmax'), fn, 0.5)",
    "def endless(s):\n    while True:\n        try:\n            pass\n"
    "        except: pass\njudge(endless)",
    "def leaves(s):\n    exit()\njudge(leaves)",
    "def loud(s):\n    print('loud')\n    return s.softmax(-1)\nchecks.softmax(loud)",
    "def asks(s):\n    return input()\njudge(asks)",
    "def stub(scores):\n    raise NotImplementedError\nchecks.softmax(stub)",
    "1 + 1",
]  # fmt: skip


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    folder = str(tmp_path_factory.mktemp("kernel"))
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": folder}})
    client.execute()
    return [cell.outputs for cell in notebook.cells]


def text(cell):
    return cell[-1]["data"]["text/plain"]


def test_the_kernel_lives_on(outputs):
    assert text(outputs[6]) == "2"


def test_each_gets_its_verdict(outputs):
    assert "did not finish within 0.5 seconds" in text(outputs[1])
    assert "raised SystemExit" in text(outputs[2])
    assert "input() cannot be used inside a check" in text(outputs[4])
    assert text(outputs[5]).startswith("softmax: not attempted yet.")


def test_prints_come_once_and_the_verdict_as_card_and_text(outputs):
    printed, shown = outputs[3]
    assert printed["name"] == "stdout" and printed["text"].count("loud") == 1
    assert shown["data"]["text/plain"] == "softmax: passed."
    assert "<b>passed</b>" in shown["data"]["text/html"]
