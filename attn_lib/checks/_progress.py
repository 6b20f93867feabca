"""Which exercises are solved, kept in a small file beside the notebook.

The file is `.progress.json` in the working directory (for a notebook: its folder), or the path in
the environment variable ATTN_LIB_PROGRESS. A missing, damaged or unwritable file never stops a
check: a damaged one counts as empty and is replaced at the next verdict.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ._exercise import Exercise

ENVIRONMENT = "ATTN_LIB_PROGRESS"


def path() -> Path:
    """Where progress is kept."""
    return Path(os.environ.get(ENVIRONMENT) or Path.cwd() / ".progress.json")


def load() -> dict[str, dict[str, int | bool]]:
    """Exercise name -> {"passed": bool, "tries": int}; empty when there is nothing readable."""
    try:
        kept = json.loads(path().read_text(encoding="utf-8"))["exercises"]
        return {
            str(name): {"passed": item["passed"] is True, "tries": int(item["tries"])}
            for name, item in kept.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def record(name: str, passed: bool) -> bool:
    """Count a try; what was solved once stays solved. False when the file cannot be written."""
    kept = load()
    old = kept.get(name, {"passed": False, "tries": 0})
    kept[name] = {"passed": passed or bool(old["passed"]), "tries": int(old["tries"]) + 1}
    text = json.dumps({"version": 1, "exercises": kept}, indent=1, sort_keys=True)
    try:
        handle, temporary = tempfile.mkstemp(prefix=".progress", dir=path().parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(temporary, path())  # whole or not at all: two notebooks may write at once
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Progress:
    """Solved and open exercises, lesson by lesson."""

    rows: tuple[tuple[str, str, str, int], ...]  # lesson, exercise, state, tries

    @property
    def solved(self) -> int:
        return sum(state == "solved" for _, _, state, _ in self.rows)

    def __str__(self) -> str:
        width = max((len(row[1]) for row in self.rows), default=0)
        lines = [f"{self.solved} of {len(self.rows)} exercises solved"]
        lines += [f"{le}  {name:<{width}}  {state}" for le, name, state, _ in self.rows]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cells = "".join(
            f'<tr><td>{escape(le)}</td><td style="text-align:left"><code>{escape(name)}</code></td>'
            f'<td style="text-align:left">{"<b>solved</b>" if state == "solved" else state}</td>'
            "</tr>"
            for le, name, state, _ in self.rows
        )
        head = f"<div>{self.solved} of {len(self.rows)} exercises solved</div>"
        return f'{head}<table style="color:inherit">{cells}</table>'


def progress(exercises: Iterable[Exercise]) -> Progress:
    """The state of every registered exercise."""
    kept = load()
    rows = []
    for exercise in sorted(exercises, key=lambda e: e.lesson):
        item = kept.get(exercise.name, {"passed": False, "tries": 0})
        tries = int(item["tries"])
        state = "solved" if item["passed"] else "tried" if tries else "open"
        rows.append((exercise.lesson, exercise.name, state, tries))
    return Progress(tuple(rows))
