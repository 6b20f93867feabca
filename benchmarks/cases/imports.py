"""What `import attn_lib` costs over `import torch`, in fresh processes."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.measure import ROOT, ratio, turns

TITLE = "Import, in fresh processes that take turns"


def seconds(module: str) -> float:
    """The import alone, without the start of the interpreter."""
    code = (
        "import time; start = time.perf_counter(); "
        f"import {module}; print(time.perf_counter() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def measure(options):
    t = turns(
        {name: lambda name=name: seconds(name) for name in ("attn_lib", "torch")},
        options.count(21), options.least, 60.0,
    )  # fmt: skip
    yield ratio("time of `import torch`", t["attn_lib"], t["torch"], ("<=", 1.1))
