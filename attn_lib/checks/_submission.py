"""Judge a submitted file: its functions are found by name and called in a subprocess.

    python -m attn_lib.checks homework.py            # or a notebook, homework.ipynb
    python -m attn_lib.checks homework.ipynb --lesson 02

A script runs whole. Of a notebook only imports, function and class definitions and assignments
without a call are run, so that nothing trains or draws. A function counts when the file defines it
under an exercise's name, or hands it to `checks.<exercise>(...)`; imported functions do not count.
A subprocess that dies or hangs costs only the function that it was judging.
"""

from __future__ import annotations

import ast
import json
import linecache
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LOADING, JUDGING = 60.0, 20.0  # seconds without news before the subprocess is ended
Row = dict[str, Any]


def judge_file(path: Path, loading: float = LOADING, judging: float = JUDGING) -> list[Row]:
    """One row per exercise that the file attempts; ValueError when the file cannot be read."""
    cells = read_cells(path)  # errors of the file itself are raised here, not in the subprocess
    del cells
    rows: dict[str, Row] = {}
    while True:
        news, current = _subprocess(path, [*rows], loading, judging)
        for row in news:
            rows[row["exercise"]] = row
        if current is None:
            return [*rows.values()]
        name, how = current
        if name == "":
            raise ValueError(f"{path.name}: loading it {how}")
        rows[name] = {
            "exercise": name, "passed": False,
            "mistake": "time_limit" if "time" in how else "process_ended",
            "hint": f"The process {how} while this function was judged.", "notes": [],
        }  # fmt: skip


def _subprocess(
    path: Path, skip: list[str], loading: float, judging: float
) -> tuple[list[Row], tuple[str, str] | None]:
    """Rows judged, and the function (or "" while loading) at which it ended early, and how."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.jsonl"
        results.touch()
        package = Path(__file__).resolve().parents[2]
        env = os.environ | {
            "ATTN_LIB_PROGRESS": str(Path(folder) / "progress.json"),
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(package), os.environ.get("PYTHONPATH")])
            ),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(path.resolve()), str(results), *skip],
            cwd=path.resolve().parent, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=os.name == "posix",
        )  # fmt: skip
        seen, since, how = 0, time.monotonic(), "ended"
        try:
            while process.poll() is None:
                time.sleep(0.05)
                lines = len(_lines(results))
                if lines != seen:
                    seen, since = lines, time.monotonic()
                if time.monotonic() - since > (judging if seen else loading):
                    how = "ran out of time"
                    break
        finally:
            _end(process)
        news = _lines(results)
    rows = [line["row"] for line in news if "row" in line]
    if any("done" in line for line in news):
        return rows, None
    started = [line["start"] for line in news if "start" in line]
    return rows, (started[-1] if len(started) > len(rows) else "", how)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)  # its own session: children end with it
        else:
            process.kill()
    process.wait()


def _lines(results: Path) -> list[dict[str, Any]]:
    text = results.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n")[:-1] if line]


# ------------------------------------------------------------------- inside the subprocess


def read_cells(path: Path) -> list[tuple[str, str]]:
    """(name, source) of a script, or of each code cell of a notebook. ValueError if unreadable."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as text ({type(error).__name__})") from None
    if path.suffix == ".py":
        return [(str(path), text)]
    if path.suffix != ".ipynb":
        raise ValueError(f"{path.name}: a .py or .ipynb file is expected")
    try:
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path.name}: this is not a notebook") from None
    plain = [
        "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in s.split("\n"))
        for s in sources
        if not s.lstrip().startswith("%%")
    ]
    return [(f"<cell {i}>", source) for i, source in enumerate(plain, 1)]


def collect(path: Path, wanted: list[str]) -> dict[str, Any]:
    """Run the file and return the functions that it defines for the wanted exercises."""
    space: dict[str, Any] = {"__name__": "submission", "__file__": str(path)}
    sys.modules["submission"] = type(sys)("submission")
    sys.path.insert(0, str(path.parent))
    named: dict[str, Any] = {}
    called: dict[str, Any] = {}
    for name, source in read_cells(path):
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        try:
            nodes = ast.parse(source, name).body
        except SyntaxError:
            continue
        for node in nodes:
            if path.suffix == ".py" or _quiet(node):
                try:
                    exec(compile(ast.Module([node], []), name, "exec"), space)
                except BaseException:  # one broken line must not hide the functions after it
                    continue
                for target in _defined(node):
                    if target in wanted:
                        named[target] = space.get(target)
            for exercise, argument in _checked(node):
                if exercise in wanted and argument in space:
                    called[exercise] = space[argument]
    return called | named


def _quiet(node: ast.stmt) -> bool:
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return not any(isinstance(part, ast.Call) for part in ast.walk(node))
    return isinstance(node, kinds)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _checked(node: ast.stmt) -> list[tuple[str, str]]:
    return [
        (call.func.attr, call.args[0].id)
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name) and call.func.value.id == "checks"
        and call.args and isinstance(call.args[0], ast.Name)
    ]  # fmt: skip


def _child(path: Path, results: Path, skip: list[str]) -> None:
    from attn_lib import checks

    from ._engine import judge

    with results.open("a", encoding="utf-8") as file:

        def say(**line: Any) -> None:
            file.write(json.dumps(line) + "\n")
            file.flush()

        wanted = [name for name in checks.names() if name not in skip]
        found = collect(path, wanted)
        for name in wanted:
            if name in found:
                say(start=name)
                report = judge(checks.get(name), found[name])
                row = {"exercise": name, "passed": report.passed, "mistake": report.mistake,
                       "hint": report.hint, "notes": list(report.notes)}  # fmt: skip
                say(row=row)
        say(done=True)


if __name__ == "__main__":
    _child(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
    os._exit(0)  # a thread that a learner left behind must not keep the process
