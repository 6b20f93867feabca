"""`make` on machines that are not ready: one sentence, a non-zero exit, and a way back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import course, environment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="make and its shell are not on Windows")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that the set-up reads, in a folder of their own."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(course.ROOT / name, tmp_path / name)
    (tmp_path / "tools").mkdir()
    shutil.copy(course.ROOT / "tools/environment.py", tmp_path / "tools/environment.py")
    return tmp_path


def make(clone: Path, python: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "lab", f"PYTHON={python}", "ARGS=--version"],
        cwd=clone,
        env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")} | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of our own on stderr; the other is make's."""
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    own = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(own) == 1, done.stderr
    return own[0]


def test_an_old_python_is_named(clone: Path) -> None:
    old = clone / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.8.18\nexit 1\n')
    old.chmod(0o755)
    said = sentence(make(clone, str(old)))
    assert "needs Python 3.11 or newer" in said and "is Python 3.8.18" in said
    assert not (clone / ".venv").exists()


def test_a_missing_python_is_named(clone: Path) -> None:
    assert "`python-none` is not a Python" in sentence(make(clone, "python-none"))


def test_no_network_is_said_and_leaves_no_stamp(clone: Path) -> None:
    nowhere = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "1",
    }
    said = sentence(make(clone, sys.executable, **nowhere))
    assert "package index cannot be reached" in said
    assert (clone / ".venv").exists() and not (clone / ".venv/complete.json").exists()


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The set-up in an empty folder, its slow steps replaced by a record of their calls."""
    calls: list[str] = []
    venv = tmp_path / ".venv"

    def create() -> None:
        calls.append("create")
        shutil.rmtree(venv, ignore_errors=True)
        (venv / "bin").mkdir(parents=True)
        (venv / "lib/python3.11/site-packages/torch").mkdir(parents=True)
        (venv / "bin/python").symlink_to(sys.executable)

    monkeypatch.setattr(environment, "VENV", venv)
    monkeypatch.setattr(environment, "PYTHON", venv / "bin/python")
    monkeypatch.setattr(environment, "STAMP", venv / "complete.json")
    monkeypatch.setattr(environment, "create", create)
    monkeypatch.setattr(environment, "install", lambda: calls.append("install"))
    monkeypatch.setattr(environment, "check_imports", lambda: None)
    assert environment.main() == 0
    assert calls == ["create", "install"]
    calls.clear()
    return calls


def test_a_second_call_does_nothing(made: list[str], capsys) -> None:
    capsys.readouterr()
    assert environment.main() == 0
    assert made == [] and capsys.readouterr().out == ""


def change_stamp(**values: str) -> None:
    stamp = json.loads(environment.STAMP.read_text())
    environment.STAMP.write_text(json.dumps(stamp | values))


@pytest.mark.parametrize(
    ("damage", "steps"),
    [
        (lambda: environment.STAMP.unlink(), ["create", "install"]),
        (lambda: environment.STAMP.write_text("{"), ["create", "install"]),
        (lambda: environment.STAMP.write_text("[]"), ["create", "install"]),
        (lambda: environment.PYTHON.unlink(), ["create", "install"]),
        (lambda: next(environment.VENV.glob("lib/*/*/torch")).rmdir(), ["create", "install"]),
        (lambda: change_stamp(root="/elsewhere"), ["create", "install"]),
        (lambda: change_stamp(python="3.11.0"), ["create", "install"]),
        (lambda: change_stamp(requirements="others"), ["install"]),
    ],
    ids=["no stamp", "torn", "not ours", "no python", "no torch", "moved", "upgraded", "changed"],
)
def test_what_is_half_made_is_made_again(made: list[str], damage, steps: list[str]) -> None:
    damage()
    assert environment.main() == 0
    assert made == steps
    made.clear()
    assert environment.main() == 0
    assert made == []


def test_an_interrupted_change_starts_over(made: list[str], monkeypatch, capsys) -> None:
    change_stamp(requirements="others")
    install = environment.install

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "install", interrupt)
    assert environment.main() == 1
    assert "call the same command again" in capsys.readouterr().err
    monkeypatch.setattr(environment, "install", install)
    assert environment.main() == 0
    assert made == ["create", "install"]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("WARNING: Retrying ... NewConnectionError(...)\nERROR: x", "index cannot be reached"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: a\nERROR: No matching distribution found for torch==9.", "found for torch==9)"),
        ("", "pip gave no reason"),
    ],
)
def test_pip_failures_become_a_sentence(tmp_path: Path, log: str, said: str) -> None:
    assert said in environment.explain(log)


def test_an_extra_is_added_once(made: list[str], monkeypatch, capsys) -> None:
    monkeypatch.setattr(environment, "pip", lambda *given: made.append(given[-1]))
    assert environment.main(["docs", "platforms"]) == 0
    assert made == [".[docs]", ".[platforms]"]
    assert environment.main(["docs"]) == 0
    assert made == [".[docs]", ".[platforms]"]
    change_stamp(requirements="others")
    assert environment.main(["docs"]) == 0
    assert made == [".[docs]", ".[platforms]", "install"]


def test_an_extra_that_fails_is_said_and_tried_again(made: list[str], monkeypatch, capsys) -> None:
    def fail(*given: str) -> None:
        raise environment.Failure("the package index cannot be reached")

    monkeypatch.setattr(environment, "pip", fail)
    assert environment.main(["docs"]) == 1
    assert capsys.readouterr().err == "make: the package index cannot be reached\n"
    monkeypatch.setattr(environment, "pip", lambda *given: made.append(given[-1]))
    assert environment.main(["docs"]) == 0
    assert made == [".[docs]"]
