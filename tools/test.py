"""Everything that `make test` checks, in order, ending in one line that counts what passed.

`--platforms` runs what needs more than Python instead; `--lax` is the form for other platforms and
other versions: no linting, and notebooks must run without error rather than print the same.
Every step runs even after one has failed, so that one call shows everything.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import course

CELL_SECONDS = 120


@dataclass
class Step:
    """One step's outcome: its name, whether it passed, and what it counted."""

    name: str
    passed: bool
    counted: str


def main(arguments: list[str]) -> int:
    """Run the steps asked for; 0 when all of them passed."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        environment = course.kernel_environment(scratch)
        if "--platforms" in arguments:
            # what shares a server or a built site stays with one worker
            platforms = ["--dist=loadgroup", "--durations=8", "tests/platforms"]
            steps = [tests("platform tests", scratch, environment, platforms)]
        elif "--lax" in arguments:
            library = tests("tests", scratch, environment, ["--ignore=tests/platforms"])
            steps = [library, notebooks(scratch, environment, "--nbval-lax")]
        else:
            # A check stops an endless loop by an exception from another thread, and under a tracer
            # Python 3.11 never gets over it: the checkers are tested without counting lines.
            beside = ["--ignore=tests/platforms", "--ignore=tests/checks"]
            covered = [*beside, "--cov", "--cov-report=term"]
            steps = [
                check("ruff check", environment, "ruff", "check", "."),
                check("ruff format", environment, "ruff", "format", "--check", "."),
                check("mypy", environment, "mypy"),
                tests("tests", scratch, environment, covered),
                tests("tests of checkers", scratch, environment, ["tests/checks"]),
                notebooks(scratch, environment, "--nbval"),
            ]
    failed = [step for step in steps if not step.passed]
    minutes, seconds = divmod(round(time.monotonic() - start), 60)
    took = f"in {minutes} min {seconds} s"
    if failed:
        print(f"\nFAILED {took}: " + "; ".join(f"{s.name} ({s.counted})" for s in failed))
        return 1
    print(f"\nPASSED {took}: " + ", ".join(step.counted for step in steps))
    return 0


def check(name: str, environment: dict[str, str], module: str, *arguments: str) -> Step:
    """A tool that is either content or not."""
    heading(name)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=course.ROOT, env=environment, check=False
    )
    return Step(name, done.returncode == 0, f"{name} clean" if not done.returncode else "see above")


def tests(name: str, scratch: Path, environment: dict[str, str], arguments: list[str]) -> Step:
    """The library's tests, the notebooks' rules and the solutions, with what pytest counted."""
    heading(name)
    code, cases = pytest(scratch, environment, "--numprocesses=2", "--dist=worksteal", *arguments)
    solved = [c for c in cases if c.get("name", "").startswith("test_solution_passes[")]
    counted = [f"{good(cases)} of {len(cases)} {name}"]
    if solved:
        counted.append(f"{good(solved)} of {len(solved)} solutions among them")
    if "--cov" in arguments:
        counted.append(f"coverage {covered()} %")
    return Step(name, code == 0, ", ".join(counted))


def covered() -> str:
    """The percentage of lines and branches of the library that the tests just ran."""
    command = [sys.executable, "-m", "coverage", "report", "--format=total"]
    done = subprocess.run(command, cwd=course.ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def notebooks(scratch: Path, environment: dict[str, str], mode: str) -> Step:
    """Every notebook, run once, its time and memory recorded in that run."""
    heading("notebooks")
    files = [str(path) for path in course.lessons()]
    if not files:
        return Step("notebooks", True, "no notebooks yet")
    options = [*nbval_options(mode), "--numprocesses=2", "--dist=loadfile"]
    code, cases = pytest(scratch, environment, *options, *files)
    counted = f"{good(cases)} of {len(cases)} cells of {len(files)} notebooks"
    return Step("notebooks", code == 0, counted)


def nbval_options(mode: str) -> list[str]:
    """How notebooks are compared: in this environment, by the one rule, measured, with an end."""
    return [
        mode,
        "--nbval-current-env",
        "--nbval-sanitize-with=tests/notebooks/sanitize.cfg",
        f"--nbval-cell-timeout={CELL_SECONDS}",
        "-p",
        "tests.notebooks.budget",
    ]


def pytest(
    scratch: Path, environment: dict[str, str], *arguments: str
) -> tuple[int, list[ElementTree.Element]]:
    """Run pytest with its output passed through; its exit code and every test case."""
    report = scratch / "report.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *arguments]
    done = subprocess.run(command, cwd=course.ROOT, env=environment, check=False)
    cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    return done.returncode, cases


def good(cases: list[ElementTree.Element]) -> int:
    """How many test cases passed."""
    return sum(all(c.find(tag) is None for tag in ("failure", "error", "skipped")) for c in cases)


def heading(name: str) -> None:
    """Say which step begins, ahead of its own output."""
    print(f"\n--- {name}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "100")
    sys.exit(main(sys.argv[1:]))
