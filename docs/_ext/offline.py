"""MathJax travels with the site: formulas need no network when a page is opened.

The files come from the package sphinx-mathjax-offline, whose copy is that of npm's mathjax 3.2.2.
Only what TeX formulas need is taken along.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from pathlib import Path
from typing import Any

SCRIPT = "tex-chtml.js"
SHA256 = "0a6ded5abbce13331658dd239f34382abd06492c74b71b61e8caa8112ec55fa5"
# The fonts, what TeX loads on demand, and what MathJax's own menu loads when a reader asks for it.
PARTS = [SCRIPT, "output/chtml/fonts", "input/tex/extensions", "a11y", "ui", "sre/mathmaps/en.json"]


def mathjax() -> Path:
    """The folder with MathJax's files; a wrong copy raises ValueError."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ValueError("MathJax is missing: pip install -c constraints.txt -e '.[docs]'")
    folder = Path(spec.origin).parent / "static" / "mathjax"
    if hashlib.sha256((folder / SCRIPT).read_bytes()).hexdigest() != SHA256:
        raise ValueError(f"{folder / SCRIPT} is not MathJax 3.2.2")
    return folder


def copy(source: Path, target: Path) -> None:
    """Bring the parts into the site."""
    for part in PARTS:
        place = target / part
        place.parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, place, dirs_exist_ok=True)
        else:
            shutil.copyfile(source / part, place)


def setup(app: Any) -> dict[str, bool]:
    """Join Sphinx."""
    source = mathjax()
    app.config.mathjax_path = f"mathjax/{SCRIPT}"

    def finish(app: Any, error: Exception | None) -> None:
        if error is None:
            copy(source, Path(app.outdir) / "_static" / "mathjax")

    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
