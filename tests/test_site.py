"""How the site is put together: links, borrowed pieces, descriptions, docstrings."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import io
import re
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import docutils.core
import pytest
from docutils import nodes
from docutils.parsers.rst import directives, roles
from docutils.parsers.rst.directives.body import CodeBlock
from docutils.utils import new_document
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.notebooks.rules import Lesson, broken, links
from tools import course, site

ROOT = course.ROOT
REPOSITORY = "https://github.com/owner/course"


def extension(name: str, folder: Path = ROOT / "docs" / "_ext") -> ModuleType:
    """A Sphinx extension of docs/, without Sphinx, or another script there."""
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- links

PAGES = {
    "index.md", "teach.md", "glossary.md", "docs/map.png", "library/masks.rst",
    "notebooks/00_start_here.ipynb", "notebooks/02_self_attention.ipynb",
}  # fmt: skip


@pytest.mark.parametrize(
    ("place", "target", "new"),
    [
        ("notebooks/02_self_attention.ipynb", "00_start_here.ipynb", "00_start_here.ipynb"),
        ("notebooks/02_self_attention.ipynb", "00_start_here.ipynb#Glossary", "../glossary.md"),
        ("notebooks/02_self_attention.ipynb", "00_start_here.ipynb#A-b", "00_start_here.ipynb#A-b"),
        ("notebooks/02_self_attention.ipynb", "../README.md", "../index.md"),
        ("notebooks/02_self_attention.ipynb", "#Here", "#Here"),
        ("notebooks/02_self_attention.ipynb", "https://a.example/b", "https://a.example/b"),
        (
            "notebooks/02_self_attention.ipynb",
            "../data/make/x.py",
            f"{REPOSITORY}/blob/main/data/make/x.py",
        ),
        ("README.md", "docs/teach.md", "teach.md"),
        ("README.md", "docs/map.png", "docs/map.png"),
        (
            "README.md",
            "tests/rules.py#L3",
            f"{REPOSITORY}/blob/main/tests/rules.py#L3",
        ),
        ("docs/teach.md", "../notebooks/00_start_here.ipynb", "notebooks/00_start_here.ipynb"),
        ("docs/teach.md", "../library/masks.rst", "library/masks.rst"),
    ],
)
def test_a_link_leads_to_its_page(place: str, target: str, new: str) -> None:
    page = site.page_of(place)
    source = f'a [b]({target}) and <a href="{target}">'
    led = site.rewrite_links(source, place, page, PAGES, REPOSITORY)
    assert led == f'a [b]({new}) and <a href="{new}">'


def test_code_is_left_alone() -> None:
    source = "```\n[a](../README.md)\n```\n[a](../README.md)"
    led = site.rewrite_links(source, "notebooks/x.ipynb", "notebooks/x.ipynb", PAGES, REPOSITORY)
    assert led == "```\n[a](../README.md)\n```\n[a](../index.md)"


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_links_of_the_pages_resolve(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    here = Lesson(None, path)
    found = [link for link in links(text) if not link.startswith("../library/")]
    assert [(link, broken(link, here)) for link in found if broken(link, here)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_the_pages_name_one_address(path: Path) -> None:
    slug = course.address().removeprefix("https://github.com/")
    text = unquote(path.read_text(encoding="utf-8"))
    named = re.findall(rf"github\.com/([\w-]+/{slug.partition('/')[2]})\b", text)
    assert set(named) <= {slug}


def test_the_teachers_table_of_a_class_comes_out(tmp_path: Path, monkeypatch) -> None:
    guide = (ROOT / "docs" / "teach.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```python\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    wrong = "import torch\n\ndef softmax(scores):\n    return torch.softmax(scores, 0)"
    nb = new_notebook(cells=[new_code_cell(wrong)])
    (tmp_path / "students/ada").mkdir(parents=True)
    course.write(nb, tmp_path / "students/ada/02_self_attention.ipynb")
    monkeypatch.chdir(tmp_path)
    exec(script, {})
    header, row = (tmp_path / "verdicts.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("student,softmax,scaled_dot_product_attention,")
    assert row.startswith("ada,") and row.endswith(",not attempted")
    assert row.split(",")[1].startswith("softmax_over_")


# --- borrowed pieces


def test_a_section_ends_at_the_next_heading_of_its_rank() -> None:
    text = "# T\n\nintro\n\n## A\n\na\n\n```sh\n## no heading\n```\n\n### B\n\nb\n\n## C\n\nc\n"
    assert site.section(text, "T") == "intro"
    assert site.section(text, "A") == "a\n\n```sh\n## no heading\n```\n\n### B\n\nb"
    assert site.section(text, "C") == "c"
    with pytest.raises(LookupError, match="no heading 'D'"):
        site.section(text, "D")


def test_readme_describes_its_picture() -> None:
    _, words = extension("picture", ROOT / "docs").picture()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"![{words}](docs/mechanisms.png)" in readme, "run `make picture`"


def test_the_front_page_borrows_what_readme_has() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    borrowed = [line[13:-4] for line in index.splitlines() if line.startswith("<!-- README: ")]
    assert "The attention course" in borrowed and "Run it" in borrowed
    assert all(site.section(readme, heading) for heading in borrowed)


def test_the_glossary_is_that_of_notebook_00() -> None:
    page = site.glossary(course.read(course.NOTEBOOKS / course.START))
    assert page.startswith("# Glossary\n") and "| **attention** |" in page
    assert "In one minute" not in page
    with pytest.raises(LookupError):
        site.glossary(new_notebook(cells=[new_markdown_cell("# T")]))


def test_every_lesson_has_a_card_and_a_row() -> None:
    paths = course.lessons()
    drawn, rows = site.cards(paths), site.timings(paths).splitlines()[2:]
    assert all(f'href="notebooks/{path.stem}.html"' in drawn for path in paths)
    assert len(rows) == len(paths)
    second = next(row for row in rows if row.startswith("| [02"))
    assert second.split("|")[3].strip() == "5"


# --- the library


def test_every_public_module_has_its_place() -> None:
    names = site.modules(ROOT)
    assert {"masks", "attention", "checks", "pretrained"} <= set(names)
    assert not any(name.startswith("_") for name in names)
    placed = [name for group in site.grouped([*names, "brand_new"]).values() for name in group]
    assert sorted(placed) == sorted([*names, "brand_new"])
    assert site.grouped([*names, "brand_new"])["More"][-1] == "brand_new"


def test_a_page_lists_what_its_module_offers() -> None:
    page = site.module_page("masks")
    assert ".. autofunction:: attn_lib.masks.window\n" in page
    assert ".. autoclass:: attn_lib.masks.Mask\n   :members:\n" in page
    assert ".. py:data:: causal\n\n   Each query sees itself" in page
    assert "whole" not in page  # what it only imports for itself
    package = site.members(importlib.import_module("attn_lib.pretrained"))
    assert "minilm" in package and "Tokenizer" in package


# --- descriptions


def figure(*forms: tuple[str, nodes.Node]) -> nodes.document:
    """A document with one output in these forms, as myst-nb leaves it."""
    bundle = nodes.container(nb_element="mime_bundle")
    for kind, node in forms:
        bundle += nodes.container("", node, mime_type=kind)
    document = new_document("test")
    document += bundle
    return document


def test_a_figure_gets_its_description() -> None:
    picture = nodes.image(uri="a.png")
    text = nodes.literal_block("", "A map.\nLargest: ≈ 0.9")
    document = figure(("image/png", picture), ("text/plain", text))
    assert list(extension("descriptions").describe(document)) == []
    assert picture["alt"] == "A map. Largest: ≈ 0.9"


@pytest.mark.parametrize("said", [None, "", "<Figure size 640x480 with 1 Axes>"])
def test_a_figure_without_one_is_reported(said: str | None) -> None:
    picture = nodes.image(uri="a.png")
    forms: list[tuple[str, nodes.Node]] = [("image/png", picture)]
    if said is not None:
        forms.append(("text/plain", nodes.literal_block("", said)))
    assert list(extension("descriptions").describe(figure(*forms))) == [picture]


def test_anchors_are_jupyterlabs() -> None:
    assert extension("anchors").anchor("Softmax: shares of 1") == "Softmax:-shares-of-1"


def test_a_signature_is_no_definition_list_and_an_arrow_has_a_name() -> None:
    page = (
        '<summary><span class="toctree-toggle"></span></summary><dl class="py"><dt class="sig a">f('
        "<dl><dd>x</dd><dd>y</dd></dl>)</dt><dd>text</dd></dl>"
    )
    line = '<span class="sig-line">'
    assert extension("accessible").mend(page) == (
        '<summary aria-label="Pages of this part"><span class="toctree-toggle"></span></summary>'
        f'<dl class="py"><dt class="sig a">f(<span class="sig-lines">{line}x</span>{line}y</span>'
        "</span>)</dt><dd>text</dd></dl>"
    )


# --- docstrings

docstrings = extension("docstrings")


@pytest.mark.parametrize(
    ("written", "turned"),
    [
        ("n * n and *kwargs_", [r"n \* n and \*kwargs\_", ""]),
        ("`a | b` is a rule", [r"\ ``a | b``\  is a rule", ""]),
        ("see `window`.", [r"see \ :py:obj:`window`\ .", ""]),
        ("Source: arXiv:2004.05150.",
         ["Source: `arXiv:2004.05150 <https://arxiv.org/abs/2004.05150>`__.", ""]),
        ("so:\n\n    x = 1\n\n    y = 2", ["so:", "", "::", "", "    x = 1", "", "    y = 2", ""]),
        ("Head\n----\ntext", [".. rubric:: Head", "", "text", ""]),
        ("- one\n  more\n- two", ["- one", "  more", "- two", ""]),
        ("    | a | b |\n    | - | - |\n    | c | d |\n    |   | e |",
         [".. list-table::", "   :header-rows: 1", "", "   * - a", "     - b",
          "   * - c", "     - d e", ""]),
    ],
)  # fmt: skip
def test_a_docstring_is_turned(written: str, turned: list[str]) -> None:
    assert docstrings.convert(written.splitlines()) == turned


def every_docstring() -> list[tuple[str, str]]:
    """All docstrings of the library, with where they stand."""
    found = []
    for path in sorted((ROOT / "attn_lib").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                name = getattr(node, "name", "module")
                if text:
                    found.append((f"{path.relative_to(ROOT)}:{name}", text))
    return found


def test_every_docstring_of_the_library_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    roles.register_generic_role("py:obj", nodes.literal)
    directives.register_directive("code-block", CodeBlock)
    faults = []
    for name, text in every_docstring():
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        source = "\n".join(docstrings.convert(text.splitlines()))
        docutils.core.publish_doctree(source, settings_overrides={"report_level": 2})
        monkeypatch.undo()
        faults += [f"{name}: {stream.getvalue()}"] if stream.getvalue() else []
    assert faults == []
