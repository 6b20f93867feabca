"""Mutation testing by sample: break the library in small ways and count how often a test notices.

    python tools/mutate.py                       # every file, 40 mutants each
    python tools/mutate.py --files local online --sample 60 --seed 7
    python tools/mutate.py --survivors           # those that survived the last run, once more

The changes are mutmut's; each mutant runs in a forked process of its own, which imports the changed
file in place of the real one and runs the tests marked `quick` of that file. Results come and go by
tests/mutation/results.json; the table and the survivors, with the reasons that
tests/mutation/reasons.toml gives, stand in tests/mutation/results.md. Needs `pip install mutmut`
and an operating system with fork; it is no part of `make test`.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import datetime
import difflib
import importlib.abc
import importlib.metadata
import importlib.util
import json
import math
import platform
import random
import resource
import signal
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "tests" / "mutation"
RESULTS = HOME / "results.json"
# the files in the order of their weight, and the tests that must notice a change in each
TESTS = {
    "attention": ["test_attention.py", "test_inputs.py"],
    "masks": ["test_masks.py"],
    "_mask": ["test_masks.py"],
    "online": ["test_online.py", "test_inputs.py"],
    "local": ["test_local.py", "test_inputs.py"],
    "positions": ["test_positions.py"],
    "multihead": ["test_multihead.py"],
    "cache": ["test_cache.py"],
}
CPU_LIMIT = 40  # seconds of processor time, so that a busy machine counts as nothing
WALL_LIMIT = 600  # for a mutant that waits for ever
MEMORY_LIMIT = 6 * 2**30


def source(name):
    return (ROOT / "attn_lib" / f"{name}.py").read_text()


def mutants(name):
    """The parsed file and all its mutants as (node, changed node), in the order of the file.

    Left out: annotations, decorators, docstrings, __all__, and the words of error messages.
    """
    import libcst as cst
    from mutmut.mutation.mutators import mutation_operators

    class Walk(cst.CSTVisitor):
        def __init__(self):
            self.found, self.raising = [], 0

        def on_visit(self, node):
            listed = isinstance(node, cst.Assign) and node.targets[0].target
            if isinstance(node, (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom)) or (
                isinstance(listed, cst.Name) and listed.value == "__all__"
            ):
                return False
            self.raising += isinstance(node, cst.Raise)
            if not (self.raising and isinstance(node, (cst.BaseString, cst.ConcatenatedString))):
                for kind, operator in mutation_operators:
                    if isinstance(node, kind):
                        self.found += [(node, changed) for changed in operator(node)]
            return True

        def on_leave(self, node):
            self.raising -= isinstance(node, cst.Raise)

    module, walk = cst.parse_module(source(name)), Walk()
    module.visit(walk)
    return module, walk.found


def changed_by(mutant, module):
    """Removed lines, added lines and the whole changed text."""
    text, changed = module.code, module.deep_replace(*mutant).code
    lines = list(difflib.unified_diff(text.splitlines(), changed.splitlines(), n=0))[2:]
    was, becomes = ([line[1:] for line in lines if line[0] == sign] for sign in "-+")
    return was, becomes, changed


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports attn_lib.<name> from a changed text."""

    def __init__(self, name, text):
        self.name, self.text = f"attn_lib.{name}", text
        self.path = str(ROOT / "attn_lib" / f"{name}.py")

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            return importlib.util.spec_from_file_location(name, self.path, loader=self)
        return None

    def exec_module(self, module):
        exec(compile(self.text, self.path, "exec"), module.__dict__)


def child(name, text, seconds, output):
    """In the forked process: run the tests over the changed file, leave with pytest's code."""
    sink = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.meta_path.insert(0, Changed(name, text))
    import pytest

    options = ["-x", "-q", "--no-header", "-m", "quick", "--hypothesis-profile=quick"]
    options += ["-p", "no:cacheprovider", "-o", "timeout=0", "-W", "ignore::pytest.PytestWarning"]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the other plugins take a second each time
    options += ["-p", "pytest_timeout", "-p", "_hypothesis_pytestplugin"]
    files = [str(ROOT / "tests" / file) for file in TESTS[name]]
    code = int(pytest.main([*options, *files]))
    sys.stdout.flush()
    os._exit(code)


def start(name, text, seconds=CPU_LIMIT, output=os.devnull):
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        try:
            child(name, text, seconds, output)
        finally:
            os._exit(1)
    return process, time.monotonic()


def finish(running):
    """Wait until one process ends; stop those that wait for ever. Returns pid, state, CPU seconds.

    pytest leaves with 0 where every test passed: the mutant survived.
    """
    while True:
        pid, status, used = os.wait4(-1, os.WNOHANG)
        if pid:
            seconds = used.ru_utime + used.ru_stime
            code = os.waitstatus_to_exitcode(status)
            late = code in (-signal.SIGXCPU, -signal.SIGALRM)
            return pid, "endless" if late else "survived" if code == 0 else "killed", seconds
        for pid, (_, began) in running.items():
            if time.monotonic() - began > WALL_LIMIT:
                os.kill(pid, signal.SIGALRM)
        time.sleep(0.02)


def run_all(jobs, workers, seconds=CPU_LIMIT):
    """State of each job (name, number, text), `workers` at a time."""
    waiting, running, states = list(jobs), {}, {}
    while waiting or running:
        while waiting and len(running) < workers:
            name, number, text = waiting.pop(0)
            pid, began = start(name, text, seconds)
            running[pid] = ((name, number), began)
        pid, state, used = finish(running)
        key, _ = running.pop(pid)
        states[key] = state
        print(f"{key[0]} {key[1]}: {state}, {used:.1f} s", flush=True)
    return states


def interval(killed, total, z=1.96):
    """Wilson's 95 % interval for a share, in per cent."""
    share, spread = killed / total, z**2 / total
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return 100 * (middle - half), 100 * (middle + half)


def reason_for(name, was, becomes):
    known = tomllib.loads((HOME / "reasons.toml").read_text())["survivor"]
    for entry in known:
        if (entry["file"], entry["was"], entry["becomes"]) == (name, was, becomes):
            return entry["reason"]
    return "no reason given yet"


def flat(lines):
    return " ".join(line.strip() for line in lines)


def report(results):
    packages = ("torch", "mutmut", "pytest", "hypothesis")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    lines = [
        "# Mutation testing",
        "",
        f"Written by `python tools/mutate.py` on {results['date']}: Python "
        f"{platform.python_version()}, {versions}.",
        "",
        f"Seed {results['seed']}. A mutant is killed when a test marked `quick` of that file",
        "fails. The endless among the killed still ran after two limits of processor time, the",
        "second one alone and three times as long. Interval: Wilson, 95 %.",
        "Not mutated: annotations, decorators, docstrings, `__all__`, the words of error messages.",
        "`_mask.py` holds the class behind `masks.py`.",
        "",
        "| file | tests, CPU s | mutants | sampled | killed | endless | share | interval |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    survivors = []
    for name in (name for name in TESTS if name in results["files"]):
        part = results["files"][name]
        states = [mutant["state"] for mutant in part["mutants"].values()]
        killed = sum(state != "survived" for state in states)
        low, high = interval(killed, len(states))
        lines.append(
            f"| {name}.py | {part['seconds']:.1f} | {part['every']} | {len(states)} | {killed} | "
            f"{states.count('endless')} | {100 * killed / len(states):.1f} % | "
            f"{low:.1f} to {high:.1f} % |"
        )
        survivors += [(name, m) for m in part["mutants"].values() if m["state"] == "survived"]
    lines += ["", "## Survivors", ""]
    for name, mutant in survivors:
        was, becomes = flat(mutant["was"]), flat(mutant["becomes"])
        lines += [f"{name}.py: {reason_for(name, was, becomes)}", "", "```diff"]
        lines += [*(f"-{x}" for x in mutant["was"]), *(f"+{x}" for x in mutant["becomes"])]
        lines += ["```", ""]
    return "\n".join(lines if survivors else [*lines, "None."]).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", nargs="+", default=list(TESTS), choices=list(TESTS))
    parser.add_argument("--sample", type=int, default=40, help="mutants drawn from each file")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--survivors", action="store_true", help="run only the last survivors")
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))

    # imported once for all forks and never used here: a thread of torch would not survive a fork
    import hypothesis  # noqa: F401
    import pytest  # noqa: F401
    import torch
    import torch.fx.experimental.symbolic_shapes
    import torch.nn.attention.flex_attention
    import torch.testing

    torch.set_num_threads(1)

    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"files": {}}
    results |= {"seed": options.seed, "date": datetime.date.today().isoformat()}
    for name in options.files:
        log = os.path.join(tempfile.gettempdir(), f"mutate_{name}.log")
        pid, began = start(name, source(name), output=log)
        _, state, seconds = finish({pid: (name, began)})
        if state != "survived":
            sys.exit(f"the quick tests of {name}.py fail unchanged: see {log}")
        print(f"{name}: quick tests pass in {seconds:.1f} s of processor time", flush=True)
        module, every = mutants(name)
        draw = random.Random(f"{options.seed} {name}")
        numbers = sorted(draw.sample(range(len(every)), min(options.sample, len(every))))
        done = {}
        if options.survivors:
            done = results["files"][name]["mutants"]
            numbers = [int(n) for n, mutant in done.items() if mutant["state"] == "survived"]
        changes = {str(n): changed_by(every[n], module) for n in numbers}
        jobs = [(name, n, changes[n][2]) for n in changes]
        states = run_all(jobs, options.jobs)
        again = [job for job in jobs if states[job[:2]] == "endless"]
        states |= run_all(again, 1, 3 * CPU_LIMIT)  # alone and longer before it counts
        for (_, n), state in states.items():
            done[n] = {"state": state}
            if state == "survived":
                done[n] |= {"was": changes[n][0], "becomes": changes[n][1]}
        results["files"][name] = {"every": len(every), "seconds": seconds, "mutants": done}
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    text = report(results)
    (HOME / "results.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
