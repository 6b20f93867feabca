"""The rules that every notebook keeps, each a function from a notebook to its complaints.

A rule takes a `Lesson` and returns one sentence for each breach, with the cell's place and id; an
empty list means that the rule is kept. `RULES` lists them all; `test_rules.py` breaks each one.
"""

from __future__ import annotations

import ast
import base64
import copy
import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from attn_lib.explorer import HIDDEN, STEPS, explore
from tools import course
from tools.notebooks import clean

LONGEST_CELL = 25
MARKDOWN_IN_A_ROW = 3
WORDS = range(1500, 3501)
FIGURES = 5
EXERCISES = range(3, 7)
LARGEST_EXPLORER = 400_000
WIDEST = 10  # inches, at the 144 dots of `plots.show`


@dataclass
class Lesson:
    """A notebook and the path under which it lies (or, in tests of the rules, would lie)."""

    nb: NotebookNode
    path: Path
    root: Path = course.ROOT

    @property
    def is_lesson(self) -> bool:
        """Whether the measure of a lesson holds for it; 00 is the entrance and is free of it."""
        return course.number(self.path) != "00"

    def code(self) -> list[tuple[str, NotebookNode]]:
        """Code cells with the name that complaints call them by."""
        return [pair for pair in self.named() if pair[1].cell_type == "code"]

    def markdown(self) -> list[tuple[str, NotebookNode]]:
        """Markdown cells with their names."""
        return [pair for pair in self.named() if pair[1].cell_type == "markdown"]

    def named(self) -> list[tuple[str, NotebookNode]]:
        """Every cell with its name."""
        return [(f"cell {i} ({c.get('id')})", c) for i, c in enumerate(self.nb.cells)]


Rule = Callable[[Lesson], list[str]]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    """Put a rule on the list."""
    RULES.append(function)
    return function


# --- outputs


def texts(cell: NotebookNode) -> Iterator[str]:
    """Every text that a cell's outputs show, pictures left out."""
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield output.text
        for kind, content in output.get("data", {}).items():
            if kind.startswith("text/") or kind == "image/svg+xml":
                yield re.sub(r"data:[\w/+.;-]+;base64,[A-Za-z0-9+/=]+", "", content)


@rule
def executed_in_order(lesson: Lesson) -> list[str]:
    """Cells were run 1…n: nbval lets a cell that was never run pass."""
    counts = [cell.execution_count for _, cell in lesson.code()]
    if counts and counts == list(range(1, len(counts) + 1)):
        return []
    return [f"execution counts are {counts}, not 1 to {len(counts)}: run `make notebooks`"]


@rule
def no_errors(lesson: Lesson) -> list[str]:
    """No stored exception, nothing on stderr."""
    return [
        f"{name}: its output is {'an error' if output.output_type == 'error' else 'on stderr'}"
        for name, cell in lesson.code()
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


MACHINE = {
    "a path of one machine": re.compile(
        r"(?<![\w.])/(?:home|root|Users|tmp|work|opt|usr|mnt|srv|private|var)/\w"
        r"|\b[A-Za-z]:\\\w|file://|site-packages"
    ),
    "a memory address": re.compile(r"\b0x[0-9a-fA-F]{6,}\b"),
    "a warning": re.compile(r"\b[A-Z]\w*Warning\b"),
    "a gradient function": re.compile(r"grad_fn|requires_grad=True"),
}


@rule
def nothing_of_one_machine(lesson: Lesson) -> list[str]:
    """No path, address, warning or `grad_fn` in an output, no path in a source."""
    faults = []
    for name, cell in lesson.code():
        for what, pattern in MACHINE.items():
            for found in filter(None, map(pattern.search, texts(cell))):
                faults.append(f"{name}: its output shows {what}, {found[0]!r}")
    what, pattern = next(iter(MACHINE.items()))
    for name, cell in lesson.named():
        found = pattern.search(cell.source)
        if found:
            faults.append(f"{name}: its source holds {what}, {found[0]!r}")
    return faults


@rule
def no_versions(lesson: Lesson) -> list[str]:
    """No version of torch, NumPy or matplotlib outside a `≈` line."""
    versions = [course.pins(lesson.root)[name] for name in ("torch", "numpy", "matplotlib")]
    pattern = re.compile("|".join(rf"(?<![\d.]){re.escape(v)}(?![\d])" for v in versions))
    return [
        f"{name}: its output shows the version {found[0]}"
        for name, cell in lesson.code()
        for text in texts(cell)
        if (found := pattern.search(re.sub(r"≈[^\n]*", "", text)))
    ]


@rule
def figures_are_described(lesson: Lesson) -> list[str]:
    """Every picture has a text form that says what it shows, every image in prose an alt text."""
    faults = []
    for name, cell in lesson.code():
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data or "image/svg+xml" in data or "image/jpeg" in data:
                text = data.get("text/plain", "").strip()
                if text.startswith("<") or len(text.split()) < 5:
                    faults.append(f"{name}: its figure's description is {text!r}")
    for name, cell in lesson.markdown():
        if re.search(r"!\[\s*\]\(", cell.source):
            faults.append(f"{name}: an image has no alt text")
        for tag in re.findall(r"<img\b[^>]*>", cell.source):
            if not re.search(r"""alt=["'][^"']+""", tag):
                faults.append(f"{name}: an image has no alt text")
    return faults


@rule
def figures_fit_the_page(lesson: Lesson) -> list[str]:
    """No picture is wider than ten inches: a page would scale it down, and its text with it."""
    return [
        f"{name}: its figure is {pixels / 144:.1f} inches wide, at most {WIDEST}"
        for name, cell in lesson.code()
        for output in cell.outputs
        if (pixels := png_width(output.get("data", {}).get("image/png", ""))) > WIDEST * 144
    ]


def png_width(encoded: str) -> int:
    """The pixels across of a PNG in base64, as its header has them; 0 without one."""
    return int.from_bytes(base64.b64decode(encoded[:32])[16:20], "big")


@rule
def what_varies_is_guarded(lesson: Lesson) -> list[str]:
    """A cell that prints `≈` asserts a bound on what it prints."""
    return [
        f"{name}: prints ≈ and asserts nothing about it"
        for name, cell in lesson.code()
        if any("≈" in text for text in texts(cell)) and not asserts(parse(cell.source))
    ]


def asserts(tree: ast.AST) -> bool:
    """Whether code holds an assertion that can fail: one with a comparison or a call in it."""
    return any(
        isinstance(inner, ast.Compare | ast.Call)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        for inner in ast.walk(node.test)
    )


def parse(source: str) -> ast.Module:
    """The syntax tree of a cell, IPython's magic lines included."""
    return ast.parse(TransformerManager().transform_cell(source))


@rule
def outputs_are_compared(lesson: Lesson) -> list[str]:
    """Only a cell that shows the explorer keeps its output from being compared."""
    faults = []
    for name, cell in lesson.code():
        tags = [t for t in cell.metadata.get("tags", []) if re.search(HIDING, t)]
        comments = re.findall(r"^\s*#\s*((?:NBVAL|PYTEST_VALIDATE)_\w+)", cell.source, re.MULTILINE)
        shows_explorer = re.search(r"\bexplore\w*\b", cell.source) is not None
        if shows_explorer and tags == ["nbval-ignore-output"] and not comments:
            continue
        faults += [
            f"{name}: {mark!r} keeps its output from the comparison" for mark in tags + comments
        ]
    return faults


@rule
def explorers_are_whole(lesson: Lesson) -> list[str]:
    """What no comparison sees is read here: an explorer's data, words and picture agree."""
    faults = []
    for name, cell in lesson.code():
        found = list(explorers(cell))
        if "nbval-ignore-output" in cell.metadata.get("tags", []) and len(found) != 1:
            faults.append(f"{name}: shows {len(found)} explorers, not one")
        if len(found) < len(cell.outputs) and found:
            faults.append(f"{name}: prints beside the explorer, where nothing is compared")
        for data in found:
            try:
                faults += [f"{name}: {fault}" for fault in explorer_faults(data)]
            except (ValueError, KeyError, TypeError) as error:
                faults.append(f"{name}: the explorer's data cannot be read: {error}")
    return faults


def explorers(cell: NotebookNode) -> Iterator[NotebookNode]:
    """The forms of every explorer that a cell shows."""
    for output in cell.outputs:
        if 'class="attn-explorer"' in output.get("data", {}).get("text/html", ""):
            yield output.data


def explorer_faults(data: NotebookNode) -> Iterator[str]:
    """What is wrong with one explorer, read from its HTML alone and compared with its words."""
    page, words = data["text/html"], data.get("text/plain", "")
    [stored] = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    held = json.loads(stored)
    axes = ["frames", "layers", "heads", "queries", "keys"]
    numbers = np.frombuffer(base64.b64decode(held["weights"]), "<u2")
    weights = numbers.reshape([len(held[axis]) for axis in axes])
    read = explore(
        held["queries"],
        np.where(weights == HIDDEN, 0, weights) / STEPS,
        keys=None if held["same"] else held["keys"],
        allowed=weights != HIDDEN,
        trained=bool(held["about"]),
        **{k: held[k] for k in ("frames", "frame_name", "layers", "heads", "start", "title")},
    )
    number = r"\d\.\d\d"
    said, true = re.findall(number, words), re.findall(number, repr(read))
    close = len(said) == len(true) and all(
        abs(float(a) - float(b)) < 0.015 for a, b in zip(said, true, strict=True)
    )
    if re.sub(number, "", words) != re.sub(number, "", repr(read)) or not close:
        yield f"the explorer's words are {words!r}, its data say {read!r}"
    if f'alt="{html.escape(words)}"' not in page:
        yield "the still picture has another description than the explorer"
    if "image/png" not in data:
        yield "the explorer has no still picture"
    if re.search(r"""(?:src|href)=["'](?!data:)|@import|url\(""", page):
        yield "the explorer loads something from outside"
    if len(page.encode()) > LARGEST_EXPLORER:
        yield f"the explorer has {len(page.encode()):,} bytes, at most {LARGEST_EXPLORER:,}"


HIDING = r"nbval|^(hide|remove)[-_]|raises-exception|skip"


# --- cells


@rule
def cells_are_identified(lesson: Lesson) -> list[str]:
    """Every cell has an id of its own."""
    ids = [cell.get("id") for cell in lesson.nb.cells]
    if (lesson.nb.nbformat, lesson.nb.nbformat_minor) < (4, 5) or None in ids:
        return ["a cell has no id: the notebook must be of format 4.5 or later"]
    return [
        f"the id {one!r} stands {ids.count(one)} times"
        for one in sorted({*ids})
        if ids.count(one) > 1
    ]


@rule
def stored_clean(lesson: Lesson) -> list[str]:
    """The file is what `make notebooks` writes: no timing, widget state or editor's metadata."""
    if clean(copy.deepcopy(lesson.nb)) == lesson.nb:
        return []
    return ["has metadata noise: run `make notebooks`"]


@rule
def cells_are_short(lesson: Lesson) -> list[str]:
    """A code cell fits on a screen."""
    return [
        f"{name}: {n} lines, at most {LONGEST_CELL}"
        for name, cell in lesson.code()
        if (n := len(cell.source.splitlines())) > LONGEST_CELL
    ]


@rule
def prose_is_broken_by_code(lesson: Lesson) -> list[str]:
    """Never more than three Markdown cells in a row."""
    faults, run = [], 0
    for name, cell in lesson.named():
        run = run + 1 if cell.cell_type == "markdown" else 0
        if run == MARKDOWN_IN_A_ROW + 1:
            faults.append(
                f"{name}: the {run}th Markdown cell in a row, at most {MARKDOWN_IN_A_ROW}"
            )
    return faults


@rule
def of_a_lessons_size(lesson: Lesson) -> list[str]:
    """A lesson has 1,500 to 3,500 words, at least five figures and three to six exercises."""
    if not lesson.is_lesson:
        return []
    faults = []
    words = sum(len(prose(cell.source).split()) for _, cell in lesson.markdown())
    if words not in WORDS:
        faults.append(f"{words} words of prose, not {WORDS[0]} to {WORDS[-1]}")
    figures = sum("image/png" in o.get("data", {}) for _, c in lesson.code() for o in c.outputs)
    if figures < FIGURES:
        faults.append(f"{figures} figures, at least {FIGURES}")
    solutions = sum(is_solution(cell) for _, cell in lesson.markdown())
    if solutions not in EXERCISES:
        faults.append(f"{solutions} exercises, not {EXERCISES[0]} to {EXERCISES[-1]}")
    return faults


FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def prose(source: str) -> str:
    """Markdown without code blocks, displayed formulas, tags and the targets of links."""
    kept = [line for line in source.splitlines() if not course.is_generated(line)]
    text = re.sub(r"\$\$.*?\$\$", "", FENCED.sub("", "\n".join(kept)), flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"<[^>]+>", "", text))


# --- what all notebooks share


@rule
def begins_and_ends_as_all_do(lesson: Lesson) -> list[str]:
    """Set-up cell, badges, links to the neighbours and to the glossary are those of `course`."""
    try:
        furnished = course.furnish(
            copy.deepcopy(lesson.nb), lesson.path, course.address(lesson.root)
        )
        course.summary(lesson.nb)
    except (ValueError, IndexError) as error:
        return [str(error)]
    return [
        f"{name}: set-up cell, badges or links are not the generated ones: run `make address`"
        for (name, cell), other in zip(lesson.named(), furnished.cells, strict=True)
        if cell.source != other.source
    ]


@rule
def imports_stand_second(lesson: Lesson) -> list[str]:
    """The second code cell imports what the lesson needs; the tests of solutions run only it."""
    code = lesson.code()
    if len(code) < 2:
        return ["has no code cell after the set-up cell"]
    name, cell = code[1]
    if any(isinstance(node, ast.Import | ast.ImportFrom) for node in parse(cell.source).body):
        return []
    return [f"{name}: the second code cell must import what the lesson needs"]


@rule
def links_resolve(lesson: Lesson) -> list[str]:
    """Every link to a file of the repository, and to a heading in a notebook, leads somewhere."""
    faults = []
    for name, cell in lesson.markdown():
        for target in links(cell.source):
            fault = broken(target, lesson)
            if fault:
                faults.append(f"{name}: the link {target!r} {fault}")
    return faults


def links(source: str) -> list[str]:
    """The targets of all links and images in Markdown, code left out."""
    text = re.sub(r"`[^`\n]*`", "", FENCED.sub("", source))
    return re.findall(r"\]\(\s*<?([^)\s>]+)", text) + re.findall(
        r"""(?:href|src)=["']([^"']+)""", text
    )


def broken(target: str, lesson: Lesson) -> str | None:
    """Why a link leads nowhere; None when it does or when it leaves the repository."""
    here, own = lesson.path.parent, f"{course.address(lesson.root)}/blob/main/"
    if target.startswith(own):
        here, target = lesson.root, target.removeprefix(own)
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None
    place, _, anchor = unquote(target).partition("#")
    path = (here / place).resolve() if place else lesson.path
    if place and not path.exists():
        return "leads to no file"
    if place and not path.is_relative_to(lesson.root):
        return "leads out of the repository"
    if not anchor:
        return None
    if path.suffix == ".ipynb":
        nb = lesson.nb if path == lesson.path else course.read(path)
        return None if anchor in notebook_anchors(nb) else "names no heading there"
    if path.suffix == ".md":
        return (
            None
            if anchor in markdown_anchors(path.read_text(encoding="utf-8"))
            else "names no heading there"
        )
    return None


def headings(source: str) -> list[str]:
    """The headings of a Markdown text as they are shown."""
    lines = re.findall(r"^#{1,6} +(.+?) *#*$", FENCED.sub("", source), re.MULTILINE)
    return [re.sub(r"\]\([^)]*\)|[\[*`]", "", line).replace("]", "") for line in lines]


def notebook_anchors(nb: NotebookNode) -> set[str]:
    """What can follow `#`: headings with hyphens for spaces, as JupyterLab has it, and ids."""
    sources = [cell.source for cell in nb.cells if cell.cell_type == "markdown"]
    made = {h.replace(" ", "-") for source in sources for h in headings(source)}
    given = {i for s in sources for i in re.findall(r"""\b(?:id|name)=["']([^"']+)""", s)}
    return made | given


def markdown_anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings: lower case, hyphens, no punctuation."""
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings(text)}


# --- exercises


@dataclass
class Exercise:
    """One exercise: its function's name, the stub, the cell that checks it, and the solution."""

    function: str
    stub: NotebookNode
    check: NotebookNode
    solution: str


def is_solution(cell: NotebookNode) -> bool:
    """Whether a cell is the folded solution of an exercise."""
    return cell.cell_type == "markdown" and "<summary>Solution</summary>" in cell.source


def exercises(nb: NotebookNode) -> list[Exercise]:
    """The notebook's exercises; a malformed one raises ValueError with what is wrong."""
    found = []
    for i, cell in enumerate(nb.cells):
        if is_solution(cell):
            try:
                found.append(exercise(nb.cells[max(0, i - 3) : i + 1]))
            except ValueError as error:
                raise ValueError(f"cell {i} ({cell.get('id')}): {error}") from None
    return found


def exercise(cells: list[NotebookNode]) -> Exercise:
    """Read the four cells of an exercise."""
    if [cell.cell_type for cell in cells] != ["markdown", "code", "code", "markdown"]:
        raise ValueError("an exercise is four cells: task, stub, check, solution")
    task, stub, check, solution = cells
    for pattern, what in (
        (r"Exercise \d", "'Exercise N'"),
        (r"\b\d+ min", "its minutes ('15 min')"),
        (r"(?i)\b(easy|medium|hard)\b", "its difficulty (easy, medium or hard)"),
    ):
        if not re.search(pattern, task.source):
            raise ValueError(f"the task must name {what}")
    name = checked_function(parse(check.source))
    stubs = [
        node
        for node in parse(stub.source).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    if not any(
        "NotImplementedError" in ast.unparse(r)
        for s in stubs
        for r in ast.walk(s)
        if isinstance(r, ast.Raise)
    ):
        raise ValueError(f"the stub must define {name} and raise NotImplementedError inside it")
    if "<details>" not in solution.source or "</details>" not in solution.source:
        raise ValueError("the solution must stand in <details> ... </details>")
    blocks = re.findall(r"^```python\n(.*?)^```", solution.source, re.MULTILINE | re.DOTALL)
    if len(blocks) != 1 or f"def {name}(" not in blocks[0]:
        raise ValueError(f"the solution must be one fenced python block that defines {name}")
    return Exercise(name, stub, check, blocks[0])


def checked_function(tree: ast.Module) -> str:
    """The learner's function in a cell whose last line is `checks.name(function)`."""
    last = tree.body[-1] if tree.body else None
    if (
        isinstance(last, ast.Expr)
        and isinstance(last.value, ast.Call)
        and ast.unparse(last.value.func).startswith("checks.")
        and last.value.args
        and isinstance(last.value.args[0], ast.Name)
    ):
        return last.value.args[0].id
    raise ValueError("the check must be a cell that ends in checks.name(function)")


@rule
def exercises_are_complete(lesson: Lesson) -> list[str]:
    """Each exercise is task, stub, check and solution, and no stub stands outside of one."""
    try:
        found = exercises(lesson.nb)
    except ValueError as error:
        return [str(error)]
    inside = [one.stub.get("id") for one in found]
    return [
        f"{name}: a stub outside the four cells of an exercise"
        for name, cell in lesson.code()
        if "raise NotImplementedError" in cell.source and cell.get("id") not in inside
    ]


@rule
def nothing_hangs_on_the_learner(lesson: Lesson) -> list[str]:
    """No cell but its check uses a function that the learner writes."""
    try:
        found = exercises(lesson.nb)
    except ValueError:
        return []
    return [
        f"{name}: uses {one.function}, which the learner writes"
        for one in found
        for name, cell in lesson.code()
        if cell is not one.stub and cell is not one.check and one.function in names(cell.source)
    ]


def names(source: str) -> set[str]:
    """Every name that code reads or defines."""
    nodes = list(ast.walk(parse(source)))
    return {n.id for n in nodes if isinstance(n, ast.Name)} | {
        n.name for n in nodes if isinstance(n, ast.FunctionDef)
    }
