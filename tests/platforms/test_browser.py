"""JupyterLab in a real browser: notebooks run to their end, and nothing leaves the machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
TOKEN = "course"
IDLE = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
ERRORS = '[data-mime-type="application/vnd.jupyter.error"], .jp-RenderedText pre .ansi-red-fg'

if CHROMIUM is None and os.environ.get("CI"):
    pytest.fail("chromium is missing, and in CI the browser is not optional: .ci/run installs it")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab on a copy of the notebooks, with settings of its own."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    settings = {  # no news, no updates, and every cell in the page, not only those in view
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, values in settings.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "ATTN_LIB_PROGRESS": str(folder / "progress.json"),
    }
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}",
        "--ServerApp.allow_root=True", f"--ServerApp.root_dir={folder / 'notebooks'}",
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(120):
            if server.poll() is not None:
                pytest.fail(f"JupyterLab ended: {(folder / 'log').read_text()[-2000:]}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser.new_page(viewport={"width": 1280, "height": 1000})
        browser.close()


@pytest.mark.parametrize("name", ["00_start_here", "02_self_attention"])
def test_notebook_runs_in_jupyterlab(lab: str, page: Page, name: str) -> None:
    outside: list[str] = []
    local = (lab, lab.replace("http", "ws"), "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(local) else outside.append(r.url))
    page.goto(f"{lab}/lab/tree/{name}.ipynb?token={TOKEN}", timeout=60_000)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    accept_dialogs(page)
    page.wait_for_selector(IDLE, state="attached", timeout=60_000)
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
    page.click('li.lm-Menu-item[data-command="runmenu:run-all"]')
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))["cells"]
    count = sum(cell["cell_type"] == "code" for cell in cells)
    accept_dialogs(page)
    # the last cell's own number appears when everything before it has run
    page.wait_for_function(
        """count => [...document.querySelectorAll('.jp-InputPrompt')]
            .some(prompt => prompt.textContent.trim() === `[${count}]:`)""",
        arg=count,
        timeout=300_000,
    )
    page.wait_for_selector(IDLE, state="attached", timeout=60_000)
    assert page.locator(ERRORS).count() == 0
    wide = page.evaluate(
        """() => [...document.querySelectorAll('.jp-Notebook .jp-OutputArea-output img')]
            .filter(i => i.getBoundingClientRect().width > i.closest('.jp-Cell').clientWidth)
            .length"""
    )
    assert wide == 0, "a figure is wider than the page"
    assert outside == []


def accept_dialogs(page: Page) -> None:
    """JupyterLab sometimes asks which kernel to take, a moment after opening."""
    for _ in range(3):
        page.wait_for_timeout(1000)
        button = page.locator(".jp-Dialog .jp-mod-accept")
        if button.count():
            button.first.click()
