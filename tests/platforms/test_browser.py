"""JupyterLab in a real browser: notebooks run to their end, and nothing leaves the machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.notebooks.rules import exercises
from tools import course

ROOT = course.ROOT
TOKEN = "course"
IDLE = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
ERRORS = '[data-mime-type="application/vnd.jupyter.error"], .jp-RenderedText pre .ansi-red-fg'
pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("lab")]


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


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of its own."""
    tab = browser.new_page(viewport={"width": 1280, "height": 1000})
    yield tab
    tab.close()


def chosen() -> list[str]:
    """00, 02, and the last lesson that loads no real weights: those take long enough elsewhere."""
    paths = course.lessons()
    light = [path for path in paths if course.number(path) not in course.WITH_WEIGHTS]
    return [p.stem for p in paths if course.number(p) in ("00", "02") or p == light[-1]]


def open_notebook(lab: str, page: Page, name: str) -> list[str]:
    """Show a notebook and wait for its kernel; the requests that leave this machine."""
    outside: list[str] = []
    local = (lab, lab.replace("http", "ws"), "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(local) else outside.append(r.url))
    # a workspace of its own, or JupyterLab opens the last test's notebook beside it
    place = f"{lab}/lab/workspaces/{uuid.uuid4().hex}/tree/{name}.ipynb"
    page.goto(f"{place}?token={TOKEN}", timeout=60_000)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    accept_dialogs(page)
    page.wait_for_selector(IDLE, state="attached", timeout=60_000)
    return outside


@pytest.mark.parametrize("name", chosen())
def test_notebook_runs_in_jupyterlab(lab: str, page: Page, name: str) -> None:
    outside = open_notebook(lab, page, name)
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
        timeout=600_000,
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


def run_cell(page: Page, index: int, source: str | None = None) -> Locator:
    """Run the cell at this place, with another text typed into it if one is given."""
    cell = page.locator(".jp-Notebook .jp-Cell").nth(index)
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-content").click()
    if source is not None:
        page.keyboard.press("Control+A")
        page.keyboard.press("Delete")
        page.keyboard.insert_text(source)
    before = cell.locator(".jp-InputPrompt").first.inner_text()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        """([cell, before]) => {
            const prompt = cell.querySelector('.jp-InputPrompt').innerText.trim();
            return /^\\[\\d+\\]:$/.test(prompt) && prompt !== before.trim();
        }""",
        arg=[cell.element_handle(), before],
        timeout=120_000,
    )
    return cell.locator(".jp-OutputArea-output")


def test_an_exercise_is_solved_by_typing(lab: str, page: Page) -> None:
    path = next(p for p in course.lessons() if course.number(p) == "02")
    nb = course.read(path)
    exercise = exercises(nb)[0]
    places = {cell.id: i for i, cell in enumerate(nb.cells)}
    code = [i for i, cell in enumerate(nb.cells) if cell.cell_type == "code"]
    outside = open_notebook(lab, page, path.stem)
    page.locator(".lm-MenuBar-itemLabel", has_text="Kernel").first.click()
    page.click('li.lm-Menu-item[data-command="kernelmenu:restart-and-clear"]')
    accept_dialogs(page)
    page.wait_for_selector(IDLE, state="attached", timeout=60_000)
    for i in code[:2]:  # the set-up and the imports
        run_cell(page, i)
    stub, check = places[exercise.stub.id], places[exercise.check.id]
    run_cell(page, stub)
    assert "not attempted" in run_cell(page, check).inner_text()
    run_cell(page, stub, exercise.solution.strip())
    assert run_cell(page, check).inner_text().strip().endswith(": passed")
    assert outside == []


def accept_dialogs(page: Page) -> None:
    """JupyterLab sometimes asks which kernel to take, a moment after opening."""
    for _ in range(3):
        page.wait_for_timeout(1000)
        button = page.locator(".jp-Dialog .jp-mod-accept")
        if button.count():
            button.first.click()
