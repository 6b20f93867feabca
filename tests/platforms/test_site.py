"""The web site: built without a warning, whole, silent, self-sufficient and accessible."""

from __future__ import annotations

import functools
import importlib.util
import re
import threading
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from playwright.sync_api import Browser, Page

from tests.platforms.conftest import missing
from tools import course, site

SECONDS = 60
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("site"),
    pytest.mark.filterwarnings("ignore"),  # Sphinx's extensions warn each other of its next version
]


class Silent(SimpleHTTPRequestHandler):
    """A server that keeps no log."""

    def log_message(self, *parts: object) -> None:
        pass


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The folder of a site built for these tests, and the seconds that it took."""
    if importlib.util.find_spec("sphinx") is None:
        missing("there is no Sphinx: `make test-platforms` installs it")
    folder = tmp_path_factory.mktemp("site")
    start = time.monotonic()
    site.gather(pages=folder / "pages")
    assert site.build(folder / "pages", folder / "site") == 0, "Sphinx warned"
    return folder / "site", time.monotonic() - start


@pytest.fixture(scope="module")
def address(built: tuple[Path, float]) -> Iterator[str]:
    """The site on a server of this machine."""
    handler = functools.partial(Silent, directory=built[0])
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def pages(folder: Path) -> list[str]:
    """All pages, as their addresses end; the theme keeps templates of its own in _static."""
    found = (path.relative_to(folder) for path in folder.rglob("*.html"))
    return sorted(path.as_posix() for path in found if path.parts[0] != "_static")


def test_it_is_built_in_time(built: tuple[Path, float]) -> None:
    assert built[1] < SECONDS


def test_every_lesson_and_every_module_has_a_page(built: tuple[Path, float]) -> None:
    found = set(pages(built[0]))
    assert {f"notebooks/{path.stem}.html" for path in course.lessons()} <= found
    assert {f"library/{name}.html" for name in site.modules(course.ROOT)} <= found
    assert {"index.html", "glossary.html", "teach.html", "troubleshooting.html"} <= found


class References(HTMLParser):
    """The links and ids of a page, and its pictures without a description."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.undescribed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links |= {value for key in ("href", "src") if (value := given.get(key))}
        self.ids |= {value for key in ("id", "name") if (value := given.get(key))}
        if tag == "img" and not given.get("alt") and "logo" not in (given.get("class") or ""):
            self.undescribed.append(given.get("src") or "")


def test_links_lead_to_pages_and_pictures_are_described(built: tuple[Path, float]) -> None:
    folder = built[0]
    known = {name: References((folder / name).read_text("utf-8")) for name in pages(folder)}
    faults = []
    for name, page in known.items():
        faults += [f"{name}: {source} has no description" for source in page.undescribed]
        for link in sorted(page.links):
            if re.match(r"[a-z]+:|#$|//", link):
                continue
            target, anchor = urldefrag(urljoin(name, link.partition("?")[0]))
            target = unquote(target)
            if not (folder / target).exists():
                faults.append(f"{name}: {link} leads nowhere")
            elif anchor and target in known and unquote(anchor) not in known[target].ids:
                faults.append(f"{name}: {link} names no place on that page")
    assert faults == []


def test_figures_carry_the_descriptions_of_the_notebooks(built: tuple[Path, float]) -> None:
    for path in course.lessons():
        page = (built[0] / "notebooks" / f"{path.stem}.html").read_text("utf-8")
        cells = [cell for cell in course.read(path).cells if cell.cell_type == "code"]
        data = [output.get("data", {}) for cell in cells for output in cell.outputs]
        figures = [d for d in data if "image/png" in d and "text/html" not in d]
        assert len(re.findall(r'<img alt="[^"]+" [^>]*_images/\w{64}\.png', page)) == len(figures)


AXE = """() => axe.run(document, {resultTypes: ['violations'], preload: false})
    .then(found => found.violations
    .filter(one => ['serious', 'critical'].includes(one.impact))
    .map(one => `${one.impact} ${one.id}: `
        + one.nodes.map(node => node.html.slice(0, 200)).join(' | ')))"""


def visit(page: Page, address: str, names: list[str], axe: str) -> list[str]:
    """Open pages one by one; what is wrong with them."""
    faults: list[str] = []
    where = [""]
    page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:"))
            else faults.append(f"{where[0]}: asks for {r.url}"))  # fmt: skip
    page.on("response", lambda r: faults.append(f"{where[0]}: {r.status} {r.url}")
            if r.status >= 400 else None)  # fmt: skip
    page.on("pageerror", lambda error: faults.append(f"{where[0]}: {error}"))
    page.on("console", lambda said: faults.append(f"{where[0]}: console: {said.text}")
            if said.type in ("error", "warning") else None)  # fmt: skip
    for name in names:
        where[0] = name
        page.goto(f"{address}/{name}", wait_until="networkidle")
        page.evaluate("() => window.MathJax?.startup?.promise")
        raw = page.locator(".math:not(:has(mjx-container))").count()
        faults += [f"{name}: {raw} formulas are not set"] if raw else []
        wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        faults += [f"{name}: {wide} pixels wider than the window"] if wide > 0 else []
        page.evaluate(axe)
        faults += [f"{name}: {fault}" for fault in page.evaluate(AXE)]
    return faults


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)], ids=str)
def test_every_page_is_silent_and_accessible(
    built: tuple[Path, float], address: str, browser: Browser, axe: str, scheme: str, width: int
) -> None:
    names = pages(built[0])
    if scheme == "dark":  # one module stands for all
        names = [n for n in names if not n.startswith(("library/", "genindex", "py-modindex"))]
        names.append("library/masks.html")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    try:
        assert visit(page, address, names, axe) == []
    finally:
        page.close()


def test_search_finds_a_lesson(address: str, browser: Browser) -> None:
    page = browser.new_page()
    try:
        page.goto(f"{address}/search.html?q=softmax")
        page.wait_for_selector("#search-results li a", timeout=30_000)
        found = page.locator("#search-results li a").all_inner_texts()
        assert any("02" in text for text in found)
    finally:
        page.close()
