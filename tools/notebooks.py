"""Run and store notebooks, or bring a shipped one back.

`store [NB ...]` executes notebooks in fresh kernels and writes them without metadata noise. Outputs
that agree with the stored ones, figures that vary by design included, are kept byte for byte, so a
second run changes nothing; `FORCE=1` in the environment stores every output anew.
`fresh NB` restores a notebook from git and keeps the learner's beside it as `...mine-1.ipynb`.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tools import course

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_SECONDS = 120
# A live widget cannot be stored; its text form beside it can.
WIDGET = "application/vnd.jupyter.widget-view+json"


def clean(nb: NotebookNode) -> NotebookNode:
    """Take out, in place, what differs from run to run or from machine to machine."""
    nb.metadata = NotebookNode(METADATA)
    for cell in nb.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = NotebookNode({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET, None)
    return nb


def merge_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join text of one stream that arrived in several messages; how it is cut is chance."""
    merged: list[NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last is not None and output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def exact(text: str) -> str:
    """A text without what follows `≈`, as the comparison of outputs sees it."""
    return re.sub(r"≈[^\n]*", "≈", text)


def agree(old: list[NotebookNode], new: list[NotebookNode]) -> bool:
    """Whether two lists of outputs differ at most in what `≈` declares as varying."""

    def forms(outputs: list[NotebookNode]) -> list[dict[str, str]]:
        result = []
        for output in outputs:
            data = {k: str(v) for k, v in output.get("data", {"text": output.get("text")}).items()}
            if "≈" in data.get("text/plain", ""):
                data.pop("image/png", None)
            texts = {k: v if k == "image/png" else exact(v) for k, v in data.items()}
            result.append({"type": output.output_type, "name": output.get("name", "")} | texts)
        return result

    return forms(old) == forms(new)


def keep_settled(nb: NotebookNode, before: NotebookNode, shipped: NotebookNode | None) -> None:
    """Put stored outputs back, in place, where cell and outputs are the same as before.

    `shipped` is the notebook of the last commit: a cell edited since then takes its new outputs.
    """
    sources = {cell.id: cell.source for cell in shipped.cells} if shipped else {}
    stored = {cell.id: cell for cell in before.cells if cell.cell_type == "code"}
    for cell in nb.cells:
        old = stored.get(cell.id)
        if cell.cell_type != "code" or old is None:
            continue
        unedited = old.source == cell.source == sources.get(cell.id)
        if unedited and agree(old.outputs, cell.outputs):
            cell.outputs = old.outputs


def in_last_commit(path: Path) -> str | None:
    """The text of a file in git's HEAD, None where git or the file is missing."""
    name = path.relative_to(course.ROOT).as_posix()
    try:
        done = subprocess.run(
            ["git", "show", f"HEAD:{name}"], cwd=course.ROOT, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode("utf-8")


def execute(nb: NotebookNode, folder: Path) -> None:
    """Run every cell in a fresh kernel of this environment; the outputs go into `nb`."""
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with tempfile.TemporaryDirectory() as scratch:
        NotebookClient(
            nb,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
        ).execute(env=course.kernel_environment(Path(scratch)), stderr=subprocess.DEVNULL)


def store(path: Path) -> bool:
    """Execute one notebook and write it; whether its file changed."""
    text = path.read_text(encoding="utf-8")
    nb, before = course.read(path), course.read(path)
    execute(nb, path.parent)
    clean(nb)
    shipped = in_last_commit(path)
    if not os.environ.get("FORCE"):
        keep_settled(nb, clean(before), nbformat.reads(shipped, as_version=4) if shipped else None)
    course.write(nb, path)
    return path.read_text(encoding="utf-8") != text


def fresh(path: Path) -> str:
    """Restore one notebook from git; one sentence on what was done."""
    shipped = in_last_commit(path)
    if shipped is None:
        raise LookupError(f"git has no shipped version of {path.name} here")
    kept = ""
    if path.exists():
        if path.read_text(encoding="utf-8") == shipped:
            return f"{path.name} is as it was shipped; nothing to do."
        copies = (path.with_name(f"{path.stem}.mine-{i}.ipynb") for i in itertools.count(1))
        mine = next(copy for copy in copies if not copy.exists())
        path.rename(mine)
        kept = f"; yours is {mine.name}"
    path.write_text(shipped, encoding="utf-8", newline="\n")
    return f"{path.name} is as it was shipped{kept}."


def chosen(numbers: list[str]) -> list[Path]:
    """The lessons with these numbers, all of them without any; also those deleted since git."""
    done = subprocess.run(
        ["git", "ls-files", "notebooks/*.ipynb"],
        cwd=course.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    known = {course.ROOT / name for name in done.stdout.split()} | set(course.lessons())
    if not numbers:
        return course.lessons()
    found = [path for path in sorted(known) if course.number(path) in numbers]
    missing = set(numbers) - {course.number(path) for path in found}
    if missing:
        has = ", ".join(course.number(path) for path in sorted(known)) or "none yet"
        raise LookupError(f"there is no notebook {', '.join(sorted(missing))}; there are: {has}")
    return found


def main(arguments: list[str]) -> int:
    """The command line."""
    command, numbers = arguments[0], arguments[1:]
    try:
        if command == "fresh":
            if len(numbers) != 1:
                raise LookupError("say which one, like `make fresh NB=02`")
            print(fresh(chosen(numbers)[0]))
            return 0
        for path in chosen(numbers):
            print(f"{path.name}: ", end="", flush=True)
            print("stored" if store(path) else "unchanged")
    except LookupError as error:
        print(f"make {command}: {error.args[0]}.", file=sys.stderr)
        return 1
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        print(f"failed, nothing written\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
