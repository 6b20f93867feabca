"""What the tests with a real browser share."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip


def missing(what: str) -> None:
    """Skip with the reason where a program is not there; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and in CI it is not optional: .ci/run installs what is missing")
    pytest.skip(what)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, which needs no download; one Playwright at a time in a process."""
    if CHROMIUM is None:
        missing("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield running
        running.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker's code."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        missing("there is no axe-core: `make test-platforms` installs it")
    return (Path(spec.origin).parent / "axe.min.js").read_text("utf-8")
