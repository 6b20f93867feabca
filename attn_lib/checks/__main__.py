"""`python -m attn_lib.checks submission.py|.ipynb [--lesson 02] [--json]`: a table, an exit code.

0: everything asked for is passed. 1: something is not. 2: there is nothing to judge.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import get, names
from ._submission import Row, judge_file

WORDS = {True: "passed", False: "not yet", None: "not attempted"}


def table(rows: list[Row]) -> str:
    """Lesson, exercise, verdict, and what is seen."""
    width = max(len(row["exercise"]) for row in rows)
    lines = []
    for row in rows:
        ids = row["mistake"] if isinstance(row["mistake"], list) else [row["mistake"]]
        seen = "; ".join([*filter(None, ids)])
        told = ": ".join(filter(None, [seen, row["hint"] if row["passed"] is False else ""]))
        name, verdict = row["exercise"], WORDS[row["passed"]]
        lines.append(f"{get(name).lesson}  {name:<{width}}  {verdict:<13}  {told}".rstrip())
    passed = sum(row["passed"] is True for row in rows)
    return "\n".join([*lines, f"{passed} of {len(rows)} passed"])


def main(arguments: list[str] | None = None) -> int:
    """The command. Returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m attn_lib.checks", description="Judge the exercises in a file."
    )
    parser.add_argument("submission", type=Path, help="a .py or .ipynb file")
    parser.add_argument("--lesson", help='demand every exercise of this lesson ("02")')
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    given = parser.parse_args(arguments)
    if given.lesson and not names(given.lesson):
        lessons = sorted({get(name).lesson for name in names()})
        print(f"no exercises for lesson {given.lesson}; there are {lessons}", file=sys.stderr)
        return 2
    try:
        rows = judge_file(given.submission)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if given.lesson:
        found = {row["exercise"]: row for row in rows}
        missing: Row = {"passed": None, "mistake": None, "hint": "", "notes": []}
        rows = [
            found.get(name, {"exercise": name, **missing}) for name in names(given.lesson)
        ]  # fmt: skip
    if not rows:
        print(f"{given.submission}: no function with an exercise's name", file=sys.stderr)
        return 2
    print(json.dumps(rows, indent=1) if given.json else table(rows))
    return 0 if all(row["passed"] is True for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
