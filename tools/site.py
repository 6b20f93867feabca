"""Build the web site into `site/`, offline, from the notebooks' stored outputs.

The pages are gathered in `build/site/pages`: those of `docs/`, the notebooks with their links led
to pages, the glossary out of notebook 00, parts of README, and one page for each public module of
the library. Then Sphinx makes the site; a warning fails the build.
"""

from __future__ import annotations

import ast
import contextlib
import html
import importlib
import io
import posixpath
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from nbformat import NotebookNode

from tools import course

WORK = course.ROOT / "build" / "site"
PAGES = WORK / "pages"
SITE = course.ROOT / "site"
LIBRARY = "attn_lib"
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"""(\]\(\s*|(?:href|src)=["'])([^)\s"']+)""")
# What the library is made of, in the order in which one meets it. A module that is not named here
# comes last.
GROUPS = {
    "Who may look at whom": ["masks"],
    "Attention": ["attention", "local", "online", "multihead", "hosted", "positions", "cache"],
    "Models": ["config", "embedding", "blocks", "transformer", "decoding", "pretrained", "interop"],
    "Models of the lessons": ["forecaster", "translator", "reader", "schemes", "faulty"],
    "Training": ["datasets", "training", "checkpoints", "baselines", "forecasts"],
    "To look at": ["plots", "explorer"],
    "For the course": ["checks", "measure", "installation"],
}


# --- links


def page_of(path: str) -> str:
    """Where a file of the repository is shown: README is the front page, docs/ lies at the top."""
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/") and path.endswith(".md"):
        return path.removeprefix("docs/")
    return path


def rewrite_links(source: str, place: str, page: str, pages: set[str], repository: str) -> str:
    """Lead the links of a Markdown text to pages of the site, or to the repository.

    place: the path in the repository of the file that the text is from.  page: the page of the site
    that it goes to.  pages: all pages and pictures of the site. The glossary of notebook 00 has a
    page of its own.
    """

    def lead(found: re.Match[str]) -> str:
        target, _, anchor = found[2].partition("#")
        if not target or re.match(r"[a-z][a-z0-9+.-]*:|/", target):
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        to = page_of(path)
        if path == f"notebooks/{course.START}" and anchor == "Glossary":
            to, anchor = "glossary.md", ""
        anchor = f"#{anchor}" if anchor else ""
        if to not in pages:
            return f"{found[1]}{repository}/blob/main/{path}{anchor}"
        return found[1] + posixpath.relpath(to, posixpath.dirname(page) or ".") + anchor

    parts, end = [], 0
    for block in FENCED.finditer(source):  # code is left alone
        parts += [LINK.sub(lead, source[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, LINK.sub(lead, source[end:])])


# --- pieces of what stands elsewhere


def section(text: str, heading: str) -> str:
    """What stands under a heading of a Markdown text, up to the next heading of its rank.

    A title ends at the first heading below it.
    """
    hidden = FENCED.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)
    start = re.search(rf"^(#+) +{re.escape(heading)} *$", hidden, re.MULTILINE)
    if start is None:
        raise LookupError(f"there is no heading {heading!r}")
    rest = re.compile(rf"^#{{1,{max(2, len(start[1]))}}} ", re.MULTILINE).search(
        hidden, start.end()
    )
    return text[start.end() : rest.start() if rest else None].strip()


def glossary(nb: NotebookNode) -> str:
    """The glossary of notebook 00 as a page."""
    for cell in nb.cells:
        if cell.cell_type == "markdown" and re.search(r"^## Glossary", cell.source, re.MULTILINE):
            return f"# Glossary\n\n{section(cell.source, 'Glossary')}\n"
    raise LookupError(f"{course.START} has no heading 'Glossary'")


def cards(paths: list[Path]) -> str:
    """The lessons as a row of links, each with its question and its minutes."""
    rows = []
    for path in paths:
        title, question, minutes = map(html.escape, course.summary(course.read(path)))
        name = re.sub(r"^\d+\s*·\s*", "", title)
        rows.append(
            f'<a class="lesson" href="notebooks/{path.stem}.html">'
            f'<span class="number">{course.number(path)}</span>'
            f'<span class="name">{name}</span><span class="question">{question}</span>'
            f'<span class="minutes">{minutes} min</span></a>'
        )
    return "\n".join(['<div class="lessons">', *rows, "</div>"])


def timings(paths: list[Path]) -> str:
    """A table of the lessons: minutes to read and run, minutes of exercises, and their number."""
    lines = ["| lesson | minutes | exercises | their minutes |", "| --- | --- | --- | --- |"]
    for path in paths:
        nb = course.read(path)
        title, _, minutes = course.summary(nb)
        tasks = [
            int(found)
            for cell in nb.cells
            if cell.cell_type == "markdown"
            for found in re.findall(r"Exercise \d[^\n]*?(\d+) min\b", cell.source)
        ]
        link = f"[{title}](notebooks/{path.name})"
        lines.append(f"| {link} | {minutes} | {len(tasks) or '–'} | {sum(tasks) or '–'} |")
    return "\n".join(lines)


# --- the library


def modules(root: Path) -> list[str]:
    """The public modules of the library."""
    found = {p.stem for p in (root / LIBRARY).glob("*.py")}
    found |= {p.parent.name for p in (root / LIBRARY).glob("*/__init__.py")}
    return sorted(name for name in found if not name.startswith("_"))


def grouped(names: list[str]) -> dict[str, list[str]]:
    """The modules under the headings of `GROUPS`, those that it does not name at the end."""
    groups = {head: [n for n in group if n in names] for head, group in GROUPS.items()}
    known = {name for group in groups.values() for name in group}
    groups["More"] = [name for name in names if name not in known]
    return {head: group for head, group in groups.items() if group}


def members(module: ModuleType) -> list[str]:
    """What a module offers: its `__all__`, or the public names that it defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and (getattr(value, "__module__", None) or "").startswith(module.__name__)
    ]
    order = {name: i for i, name in enumerate(defined(module))}
    return sorted(own, key=lambda name: order.get(name, len(order)))


def defined(module: ModuleType) -> list[str]:
    """The names that a module's source defines or imports, from top to bottom."""
    names: list[str] = []
    for node in ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            names += [one.asname or one.name for one in node.names]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
    return names


def module_page(name: str) -> str:
    """A page in reStructuredText: the module's docstring, then all that it offers."""
    full = f"{LIBRARY}.{name}"
    module = importlib.import_module(full)
    parts = [name, "=" * len(name), "", f".. automodule:: {full}", "   :no-members:", ""]
    parts += [f".. py:currentmodule:: {full}", ""]
    for member in members(module):
        value = getattr(module, member)
        if isinstance(value, type):
            parts += [f".. autoclass:: {full}.{member}", "   :members:", ""]
        elif hasattr(value, "__code__"):
            parts += [f".. autofunction:: {full}.{member}", ""]
        else:
            text = re.sub(r"([\\*_|`])", r"\\\1", (value.__doc__ or "").strip().split("\n\n")[0])
            text = text if type(value).__doc__ != value.__doc__ else ""
            parts += [f".. py:data:: {member}", "", f"   {text}", ""]
    return "\n".join(parts)


def library_index(groups: dict[str, list[str]]) -> str:
    """The first page of the library: every module with its one line."""
    lines = ["# The library", "", "<!-- README: The library in ten lines -->", ""]
    for head, names in groups.items():
        lines += [f"## {head}", "", "| module | what it holds |", "| --- | --- |"]
        for name in names:
            module = importlib.import_module(f"{LIBRARY}.{name}")
            first = (module.__doc__ or "").strip().splitlines()[0]
            lines.append(f"| [`{name}`]({name}.rst) | {first} |")
        lines.append("")
    tree = [f"{name}" for names in groups.values() for name in names]
    return "\n".join([*lines, "```{toctree}", ":hidden:", "", *tree, "```", ""])


# --- the site


def gather(root: Path = course.ROOT, pages: Path = PAGES) -> None:
    """Bring all pages together in an empty folder."""
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    repository = course.address(root)
    lessons = course.lessons(root / "notebooks")
    readme = (root / "README.md").read_text(encoding="utf-8")
    texts = {path.name: path.read_text(encoding="utf-8") for path in (root / "docs").glob("*.md")}
    texts["glossary.md"] = glossary(course.read(root / "notebooks" / course.START))
    groups = grouped(modules(root))
    texts["library/index.md"] = library_index(groups)
    names = {*texts, *(f"notebooks/{path.name}" for path in lessons)}
    names |= {path.relative_to(root).as_posix() for path in pictures(root)}
    names |= {f"library/{name}.rst" for group in groups.values() for name in group}

    for name, text in texts.items():
        place = f"docs/{name}" if "/" not in name else name
        text = rewrite_links(text, place, name, names, repository)
        text = text.replace("<!-- lessons -->", cards(lessons))
        text = text.replace("<!-- timings -->", timings(lessons))
        for heading in re.findall("<!-- README: (.+) -->", text):
            part = rewrite_links(section(readme, heading), "README.md", name, names, repository)
            text = text.replace(f"<!-- README: {heading} -->", part)
        write(pages / name, text)
    for path in lessons:
        nb, name = course.read(path), f"notebooks/{path.name}"
        setup = next(cell for cell in nb.cells if cell.cell_type == "code")
        setup.metadata["tags"] = ["remove-cell"]  # it says nothing to a reader
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                cell.source = rewrite_links(cell.source, name, name, names, repository)
        (pages / "notebooks").mkdir(exist_ok=True)
        course.write(nb, pages / name)
    for group in groups.values():
        for name in group:
            write(pages / "library" / f"{name}.rst", module_page(name))
    for path in pictures(root):
        target = pages / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def pictures(root: Path) -> Iterator[Path]:
    """The pictures of docs/ that pages show."""
    for kind in ("*.png", "badges/*.svg"):
        yield from sorted((root / "docs").glob(kind))


def write(path: Path, text: str) -> None:
    """Write a page, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def build(pages: Path = PAGES, site: Path = SITE) -> int:
    """Let Sphinx make the site anew; its exit code. A site that stands goes when the new is whole.

    The pictures out of the notebooks are laid beside what Sphinx writes, so it writes elsewhere.
    """
    from sphinx.cmd.build import main as sphinx

    made = pages.parent / "html"
    shutil.rmtree(made, ignore_errors=True)
    options = ["-q", "-W", "--keep-going", "-E", "-b", "html", "-c", str(course.ROOT / "docs")]
    doctrees = ["-d", str(pages.parent / "doctrees")]
    with contextlib.redirect_stdout(io.StringIO()):
        code = sphinx([*options, *doctrees, str(pages), str(made)])
    if code == 0:
        for path in course.lessons():  # what a reader downloads is the notebook as it was written
            shutil.copyfile(path, made / "_sources" / "notebooks" / path.name)
        shutil.rmtree(site, ignore_errors=True)
        made.rename(site)
    return code


def main() -> int:
    """The command line."""
    start = time.monotonic()
    try:
        gather()
    except (LookupError, ValueError) as error:
        print(f"make site: {error}.", file=sys.stderr)
        return 1
    if build():
        print("make site: Sphinx is not content; its words stand above.", file=sys.stderr)
        return 1
    count = len([path for path in SITE.rglob("*.html") if "_static" not in path.parts])
    print(f"{count} pages in {time.monotonic() - start:.0f} s: open {SITE / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
