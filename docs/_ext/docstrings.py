"""Docstrings as this library writes them, turned into reStructuredText.

They are plain text that reads well in an editor: `code` between single backticks, pictures and
tables set in by four spaces, lists with hyphens. Nothing else in them is markup, so nothing else
may act as markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

SPECIAL = re.compile(r"([\\*_|])")
PAPER = re.compile(r"\barXiv:(\d{4}\.\d{4,5})\b")
DRAWN = re.compile(r"\S {3,}\S|[■□│┌└]")
NAME = re.compile(r"[A-Za-z_][\w.]*")


def inline(text: str) -> str:
    """One line: backticks to code, papers to links, the rest harmless."""
    pieces = re.split(r"(`[^`]+`)", text)
    return "".join(code(p[1:-1]) if p[:1] == "`" and len(p) > 2 else plain(p) for p in pieces)


def plain(text: str) -> str:
    """Words: markup escaped, arXiv numbers linked."""
    pieces = PAPER.split(text)
    for i, piece in enumerate(pieces):
        if i % 2:
            pieces[i] = f"`arXiv:{piece} <https://arxiv.org/abs/{piece}>`__"
        else:
            pieces[i] = SPECIAL.sub(r"\\\1", piece).replace("`", r"\`")
    return "".join(pieces)


def code(text: str) -> str:
    """Code; a name becomes a link where Sphinx knows it. Escaped spaces let letters touch it."""
    if NAME.fullmatch(text):
        return rf"\ :py:obj:`{text}`\ "
    return rf"\ ``{text}``\ " if text == text.strip() else text


def blocks(lines: list[str]) -> Iterator[list[str]]:
    """Runs of lines between blank lines; runs that are set in stay together."""
    block: list[str] = []
    blank = False
    for line in [*lines, ""]:
        if not line.strip():
            blank = True
            continue
        inside = line.startswith("    ") and is_set_in(block)
        if block and blank and not inside:
            yield block
            block = []
        elif block and blank:
            block.append("")
        elif block and is_set_in(block) != is_set_in([line]) and not is_item(block[0]):
            yield block
            block = []
        block.append(line)
        blank = False
    if block:
        yield block


def is_set_in(block: list[str]) -> bool:
    """Whether every line begins with four spaces or more."""
    return bool(block) and all(line.startswith("    ") or not line for line in block)


def is_item(line: str) -> bool:
    """Whether a line begins a list's item."""
    return line.startswith("- ")


def convert(lines: list[str]) -> list[str]:
    """A whole docstring."""
    result: list[str] = []
    for block in blocks(lines):
        if all(line.startswith("    |") for line in block):
            result += [*table(dedent(block)), ""]
        elif is_set_in(block) or any(DRAWN.search(line) for line in block):
            result += ["::", "", *(f"    {line}".rstrip() for line in dedent(block)), ""]
        elif len(block) > 1 and re.fullmatch(r"-{3,}", block[1]):
            result += [f".. rubric:: {inline(block[0])}", ""]
            result += convert(block[2:])
        elif is_item(block[0]):
            result += [*items(block), ""]
        else:
            result += [inline(line.strip()) for line in block] + [""]
    return result


def items(block: list[str]) -> Iterator[str]:
    """A list; lines after an item's first stay with it."""
    for line in block:
        yield f"- {inline(line[2:])}" if is_item(line) else f"  {inline(line.strip())}"


def table(block: list[str]) -> Iterator[str]:
    """A table with a heading; a line without a first cell goes on with the line before."""
    rows: list[list[str]] = []
    for line in block:
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if row[0] == "" and rows:
            rows[-1] = [f"{old} {new}".strip() for old, new in zip(rows[-1], row, strict=True)]
        elif set(row[0]) != {"-"}:
            rows.append(row)
    yield from (".. list-table::", "   :header-rows: 1", "")
    for row in rows:
        for i, cell in enumerate(row):
            yield f"   {'  ' if i else '* '}- {inline(cell)}"


def dedent(block: list[str]) -> list[str]:
    """Lines without the spaces that all of them begin with."""
    margin = min(len(line) - len(line.lstrip()) for line in block if line)
    return [line[margin:] for line in block]


def setup(app: Any) -> dict[str, bool]:
    """Join Sphinx."""

    def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
        lines[:] = convert(lines)

    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
