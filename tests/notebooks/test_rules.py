"""The rules themselves: a good notebook keeps all of them, and each breach is seen by its rule."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import nbformat.v4 as v4
import pytest
from nbformat import NotebookNode

from attn_lib.explorer import explore
from tests.notebooks import synthetic
from tests.notebooks.rules import RULES, Lesson
from tools import course


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A course that keeps every rule; tests change only what they have read from it."""
    return synthetic.make(tmp_path_factory.mktemp("course"))


@pytest.fixture
def lesson(paths: list[Path]) -> Lesson:
    return Lesson(course.read(paths[1]), paths[1], paths[1].parent.parent)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_good_notebook_keeps_every_rule(paths: list[Path], rule, which: int) -> None:
    path = paths[which]
    assert rule(Lesson(course.read(path), path, path.parent.parent)) == []


def cell(nb: NotebookNode, name: str) -> NotebookNode:
    return next(one for one in nb.cells if one.id == name)


def say(text: str, name: str = "stdout") -> Callable[[NotebookNode], None]:
    """Let the plain cell print a text."""

    def change(nb: NotebookNode) -> None:
        cell(nb, "plain").outputs = [v4.new_output("stream", name=name, text=text)]

    return change


def source(name: str, text: str) -> Callable[[NotebookNode], None]:
    """Give a cell another source."""

    def change(nb: NotebookNode) -> None:
        cell(nb, name).source = text

    return change


def append(name: str, text: str) -> Callable[[NotebookNode], None]:
    """Add to a cell's source."""

    def change(nb: NotebookNode) -> None:
        cell(nb, name).source += text

    return change


def describe(text: str | None) -> Callable[[NotebookNode], None]:
    """Give the first figure another description, or none."""

    def change(nb: NotebookNode) -> None:
        data = cell(nb, "figure0").outputs[0].data
        if text is None:
            del data["text/plain"]
        else:
            data["text/plain"] = text

    return change


def widen(pixels: int) -> Callable[[NotebookNode], None]:
    """Give the first figure a width."""

    def change(nb: NotebookNode) -> None:
        head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + pixels.to_bytes(4, "big") + bytes(4)
        cell(nb, "figure0").outputs[0].data["image/png"] = base64.b64encode(head).decode()

    return change


def tag(name: str, *tags: str) -> Callable[[NotebookNode], None]:
    """Tag a cell."""

    def change(nb: NotebookNode) -> None:
        cell(nb, name).metadata["tags"] = list(tags)

    return change


def drop(*ids: str) -> Callable[[NotebookNode], None]:
    """Remove cells."""

    def change(nb: NotebookNode) -> None:
        nb.cells = [one for one in nb.cells if one.id not in ids]

    return change


def insert(*cells: NotebookNode, before: str = "sum") -> Callable[[NotebookNode], None]:
    """Put cells before one that is there."""

    def change(nb: NotebookNode) -> None:
        i = nb.cells.index(cell(nb, before))
        nb.cells[i:i] = list(cells)

    return change


def show_explorer(nb: NotebookNode) -> NotebookNode:
    """Let the plain cell show an explorer; its forms, to be spoilt."""
    view = explore(["a", "b"], [[0.25, 0.75], [1.0, 0.0]])
    data, _ = view._repr_mimebundle_()
    shown = cell(nb, "plain")
    shown.source, shown.metadata["tags"] = "explore(tokens, weights)", ["nbval-ignore-output"]
    shown.outputs = [v4.new_output("display_data", data=data)]
    return shown.outputs[0].data


def spoil_explorer(form: str, old: str, new: str) -> Callable[[NotebookNode], None]:
    """Show an explorer in which one form says something else."""

    def change(nb: NotebookNode) -> None:
        data = show_explorer(nb)
        assert old in data[form]
        data[form] = data[form].replace(old, new)

    return change


def print_beside_explorer(nb: NotebookNode) -> None:
    show_explorer(nb)
    cell(nb, "plain").outputs.append(v4.new_output("stream", name="stdout", text="0.75\n"))


def explorer_without_picture(nb: NotebookNode) -> None:
    del show_explorer(nb)["image/png"]


def strip_outputs(nb: NotebookNode) -> None:
    for one in nb.cells:
        if one.cell_type == "code":
            one.outputs, one.execution_count = [], None


def set_attribute(name: str, key: str, value: object) -> Callable[[NotebookNode], None]:
    def change(nb: NotebookNode) -> None:
        cell(nb, name)[key] = value

    return change


def fail_a_cell(nb: NotebookNode) -> None:
    cell(nb, "plain").outputs = [v4.new_output("error", ename="E", evalue="", traceback=[])]


def give_timing(nb: NotebookNode) -> None:
    cell(nb, "plain").metadata["execution"] = {"iopub.status.busy": "now"}


def an_old_format(nb: NotebookNode) -> None:
    nb.nbformat_minor = 4
    for one in nb.cells:
        del one["id"]


def prose_cells(n: int) -> list[NotebookNode]:
    return [v4.new_markdown_cell("Words.", id=f"more{i}") for i in range(n)]


BREACHES = {
    "stripped of its outputs": (strip_outputs, "executed_in_order"),
    "run out of order": (set_attribute("plain", "execution_count", 7), "executed_in_order"),
    "an error stored": (fail_a_cell, "no_errors"),
    "text on stderr": (say("careful", "stderr"), "no_errors"),
    "a path of Linux": (say("/home/me/x.py"), "nothing_of_one_machine"),
    "a temporary path": (say("in /tmp/ipykernel_1/1.py:2"), "nothing_of_one_machine"),
    "a path of Windows": (say("C:\\Users"), "nothing_of_one_machine"),
    "a path in a source": (source("sum", "open('/root/x')"), "nothing_of_one_machine"),
    "an address": (say("<f at 0x7fad1d5f3950>"), "nothing_of_one_machine"),
    "a warning": (say("UserWarning: no"), "nothing_of_one_machine"),
    "a gradient function": (say("tensor(1., grad_fn=<A>)"), "nothing_of_one_machine"),
    "a version": (say(f"torch {course.pins()['torch']}"), "no_versions"),
    "a figure without description": (describe(None), "figures_are_described"),
    "a figure's repr": (
        describe("<Figure size 640x480 with 1 Axes and more words>"),
        "figures_are_described",
    ),
    "a lame description": (describe("a plot"), "figures_are_described"),
    "a figure of eleven inches": (widen(1584), "figures_fit_the_page"),
    "an image without alt": (
        append("prose", "![](../docs/badges/colab.svg)"),
        "figures_are_described",
    ),
    "a tag without alt": (
        append("prose", '<img src="../docs/badges/colab.svg">'),
        "figures_are_described",
    ),
    "≈ without assert": (source("about", "print('≈', 3)"), "what_varies_is_guarded"),
    "≈ with an idle assert": (
        source("about", "assert True\nprint('≈', 3)"),
        "what_varies_is_guarded",
    ),
    "a hidden output": (tag("plain", "nbval-ignore-output"), "outputs_are_compared"),
    "a skipped cell": (tag("plain", "nbval-skip"), "outputs_are_compared"),
    "an expected exception": (tag("plain", "raises-exception"), "outputs_are_compared"),
    "output removed from the site": (tag("plain", "remove-output"), "outputs_are_compared"),
    "a comment for nbval": (
        source("plain", "# NBVAL_IGNORE_OUTPUT\nprint(1)"),
        "outputs_are_compared",
    ),
    "an explorer that is not there": (
        tag("plain", "nbval-ignore-output"),
        "explorers_are_whole",
    ),
    "words of another explorer": (
        spoil_explorer("text/plain", "a → b 0.75", "a → a 0.75"),
        "explorers_are_whole",
    ),
    "numbers of another explorer": (
        spoil_explorer("text/plain", "0.75", "0.85"),
        "explorers_are_whole",
    ),
    "data of another explorer": (
        spoil_explorer("text/html", '"weights": "', '"weights": "AAAA'),
        "explorers_are_whole",
    ),
    "an explorer without data": (
        spoil_explorer("text/html", "application/json", "text/plain"),
        "explorers_are_whole",
    ),
    "an explorer that loads": (
        spoil_explorer("text/html", "<style>", "<style>@import 'x';"),
        "explorers_are_whole",
    ),
    "an explorer's picture of something else": (
        spoil_explorer("text/html", 'alt="', 'alt="No '),
        "explorers_are_whole",
    ),
    "an explorer of megabytes": (
        spoil_explorer("text/html", "<style>", "<style>" + " " * 400_000),
        "explorers_are_whole",
    ),
    "an explorer without a picture": (explorer_without_picture, "explorers_are_whole"),
    "a number beside an explorer": (print_beside_explorer, "explorers_are_whole"),
    "two cells of one id": (set_attribute("plain", "id", "about"), "cells_are_identified"),
    "no ids": (an_old_format, "cells_are_identified"),
    "timing in the file": (give_timing, "stored_clean"),
    "26 lines": (source("sum", "2 + 2\n" * 26), "cells_are_short"),
    "four Markdown cells in a row": (insert(*prose_cells(3)), "prose_is_broken_by_code"),
    "too few words": (source("prose", "## Glossary"), "of_a_lessons_size"),
    "too many words": (append("prose", " word" * 2000), "of_a_lessons_size"),
    "four figures": (drop("figure4"), "of_a_lessons_size"),
    "two exercises": (drop("t1", "s1", "c1", "a1"), "of_a_lessons_size"),
    "another set-up cell": (append("setup", "\nimport os"), "begins_and_ends_as_all_do"),
    "no badges": (source("head", "# T\n\nWhy? 5 minutes."), "begins_and_ends_as_all_do"),
    "no links at the end": (source("last", "Done."), "begins_and_ends_as_all_do"),
    "no title": (source("head", "Words"), "begins_and_ends_as_all_do"),
    "no question": (source("head", "# T\n\n5 minutes."), "begins_and_ends_as_all_do"),
    "no imports": (source("imports", "a = 1"), "imports_stand_second"),
    "a dead link": (append("prose", "[x](../data/none.csv)"), "links_resolve"),
    "a dead tag": (append("prose", '<a href="none.html">x</a>'), "links_resolve"),
    "a dead anchor": (append("prose", "[x](00_start_here.ipynb#No-such)"), "links_resolve"),
    "a dead anchor here": (append("prose", "[x](#Nowhere)"), "links_resolve"),
    "a dead anchor in README": (append("prose", "[x](../README.md#none)"), "links_resolve"),
    "a link out of the repository": (append("prose", "[x](../../..)"), "links_resolve"),
    "a dead link by address": (
        append("prose", f"[x]({course.address()}/blob/main/none.md)"),
        "links_resolve",
    ),
    "no check": (drop("c1"), "exercises_are_complete"),
    "a check of nothing": (source("c1", "checks.progress()"), "exercises_are_complete"),
    "a stub that returns": (source("s1", "def task_1(x):\n    return x"), "exercises_are_complete"),
    "a stub of another name": (
        source("s1", "def other(x):\n    raise NotImplementedError"),
        "exercises_are_complete",
    ),
    "a stub that raises outside": (
        source("s1", "raise NotImplementedError\ndef task_1(x):\n    pass"),
        "exercises_are_complete",
    ),
    "a task without minutes": (source("t1", "Exercise 1 · easy"), "exercises_are_complete"),
    "a task without difficulty": (source("t1", "Exercise 1 · 5 min"), "exercises_are_complete"),
    "a solution without code": (
        source("a1", "<details><summary>Solution</summary>x</details>"),
        "exercises_are_complete",
    ),
    "a stray stub": (
        insert(v4.new_code_cell("def f():\n    raise NotImplementedError", id="stray")),
        "exercises_are_complete",
    ),
    "a cell that needs the learner": (source("sum", "task_1(2)"), "nothing_hangs_on_the_learner"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_seen_by_its_rule(lesson: Lesson, breach: str) -> None:
    change, name = BREACHES[breach]
    change(lesson.nb)
    rules = {rule.__name__: rule for rule in RULES}
    assert rules[name](lesson) != []


def test_every_rule_is_broken_once() -> None:
    assert {name for _, name in BREACHES.values()} == {rule.__name__ for rule in RULES}


ALLOWED = {
    "a version after ≈": lambda nb: cell(nb, "about").update(
        outputs=[v4.new_output("stream", name="stdout", text=f"≈ {course.pins()['torch']}")]
    ),
    "the explorer's output": show_explorer,
    "a figure of ten inches": widen(1440),
    "links that lead somewhere": append(
        "prose",
        "[a](02_self.ipynb#Glossary) [b](../README.md#a-part) [c](https://x.org/y) [d](#Glossary)",
    ),
    "a dead link inside code": append("prose", "\n\n```\n[x](none)\n```\n"),
    "a web address that looks like a path": say("see https://example.org/home/page"),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_is_allowed_is_let_through(lesson: Lesson, case: str) -> None:
    ALLOWED[case](lesson.nb)
    assert [fault for rule in RULES for fault in rule(lesson)] == []
