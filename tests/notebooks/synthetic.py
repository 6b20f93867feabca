"""A small course in a folder of its own, made to be broken by the tests of the rules."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat.v4 as v4
from nbformat import NotebookNode

from tools import course
from tools.notebooks import METADATA

FIGURE = {"image/png": "iVBORw0KGgo=\n", "text/plain": "A map of 3 queries by 3 keys, diagonal."}
STUB = "def {name}(x):\n    raise NotImplementedError"
CODE = "```python\ndef {name}(x):\n    return x\n```"
SOLUTION = f"<details><summary>Solution</summary>\n\n{CODE}\n\n</details>"


def exercise(i: int) -> list[NotebookNode]:
    """The four cells of an exercise on the function `task_i`."""
    name = f"task_{i}"
    return [
        v4.new_markdown_cell(f"**Exercise {i} · easy · 5 min.** Give back what came.", id=f"t{i}"),
        v4.new_code_cell(STUB.format(name=name), id=f"s{i}"),
        v4.new_code_cell(f"checks.{name}({name})", id=f"c{i}"),
        v4.new_markdown_cell(SOLUTION.format(name=name), id=f"a{i}"),
    ]


def notebook(title: str) -> NotebookNode:
    """A notebook that keeps every rule once it is furnished and stored."""
    cells = [
        v4.new_markdown_cell(f"# {title}\n\nWho looks at whom? 40 minutes.", id="head"),
        v4.new_code_cell("", id="setup"),
        v4.new_code_cell("import math", id="imports"),
        v4.new_markdown_cell("## Glossary\n\n" + "word " * 1600, id="prose"),
        v4.new_code_cell("print(math.pi > 3)", id="plain"),
        v4.new_code_cell("a = 3\nassert a < 4\nprint('≈', a)", id="about"),
        *(v4.new_code_cell(f"draw({i})", id=f"figure{i}") for i in range(5)),
        *(cell for i in range(1, 4) for cell in exercise(i)),
        v4.new_code_cell("2 + 2", id="sum"),
        v4.new_markdown_cell("In one minute: a recap.", id="last"),
    ]
    code = [cell for cell in cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = count
        if cell.id.startswith("figure"):
            cell.outputs = [v4.new_output("display_data", data=dict(FIGURE))]
    by_id = {cell.id: cell for cell in cells}
    by_id["plain"].outputs = [v4.new_output("stream", name="stdout", text="True\n")]
    by_id["about"].outputs = [v4.new_output("stream", name="stdout", text="≈ 3\n")]
    return v4.new_notebook(cells=cells, metadata=NotebookNode(METADATA))


def make(root: Path) -> list[Path]:
    """A course of three notebooks under `root`; their paths."""
    for name in ("pyproject.toml", "constraints.txt", "CITATION.cff"):
        shutil.copy(course.ROOT / name, root / name)
    (root / "README.md").write_text(
        "# Course\n\n## A part\n\n<!-- lessons -->\n<!-- /lessons -->\n"
    )
    badges = root / "docs/badges"
    badges.mkdir(parents=True)
    shutil.copy(course.ROOT / "docs/teach.md", root / "docs/teach.md")
    for name in ("colab.svg", "binder.svg"):
        (badges / name).write_text("<svg/>")
    folder = root / "notebooks"
    folder.mkdir()
    paths = [folder / name for name in (course.START, "01_why.ipynb", "02_self.ipynb")]
    for path in paths:
        course.write(notebook(f"{path.name[:2]} · A lesson"), path)
    for path in paths:
        course.write(course.furnish(course.read(path), path, course.address(root)), path)
    return paths
