"""Two things that Sphinx and the theme leave unsaid to a screen reader, mended in the pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
TOGGLE = '<summary><span class="toctree-toggle"'
NAMED = '<summary aria-label="Pages of this part"><span class="toctree-toggle"'


def mend(page: str) -> str:
    """A page whose folding arrows have names and whose signatures are no definition lists."""
    return SIGNATURE.sub(lambda found: lines(found[0]), page.replace(TOGGLE, NAMED))


def lines(signature: str) -> str:
    """A signature of several lines, each of them a line and not a definition."""
    for tag, name in (("dl", "sig-lines"), ("dd", "sig-line")):
        signature = signature.replace(f"<{tag}>", f'<span class="{name}">')
        signature = signature.replace(f"</{tag}>", "</span>")
    return signature


def setup(app: Any) -> dict[str, bool]:
    """Join Sphinx."""

    def finish(app: Any, error: Exception | None) -> None:
        for path in [] if error else Path(app.outdir).rglob("*.html"):
            path.write_text(mend(path.read_text(encoding="utf-8")), encoding="utf-8")

    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
