"""Write results/07_cost.csv: time and memory of causal windowed attention up to 16,384 tokens.

Three ways to the same numbers, (1, 2, n, 64) in float32, a window of 256 keys: the plain formula
under a dense mask, PyTorch's fused kernel under a dense mask, and local_attention. Times are CPU
seconds of one thread, the median of five rounds in which the three take turns; the dense mask is
made before. Memory is the growth of VmHWM above the inputs in a fresh process, dense mask
included (Linux only). Three minutes on one core, and 10 GB of memory for the longest table:

    python data/make/results/local_cost.py
"""

from __future__ import annotations

import csv
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from _common import output_folder

from attn_lib import attention, causal, fused_attention, local_attention, window
from benchmarks.measure import memory, turns

W, HEADS, D, ROUNDS = 256, 2, 64, 5
SIZES = (256, 512, 1024, 2048, 4096, 8192, 16384)
WAYS: dict[str, Callable[..., Tensor]] = {
    "plain formula": lambda q, k, v, mask: attention(q, k, v, mask=mask),
    "fused kernel": lambda q, k, v, mask: fused_attention(q, k, v, mask=mask),
    "local_attention": lambda q, k, v, _: local_attention(q, k, v, window=W),
}
MEMORY = """
import sys
sys.path.append("data/make/results")
from local_cost import WAYS, dense, inputs, torch
torch.set_num_threads(1)
way = {way!r}
with torch.no_grad():
    WAYS[way](*inputs(32), dense(32))
    qkv = inputs({n})
    start()
    WAYS[way](*qkv, None if way == "local_attention" else dense({n}))
"""


def inputs(n: int) -> list[Tensor]:
    """q, k, v (1, HEADS, n, D)."""
    torch.manual_seed(0)
    return [torch.randn(1, HEADS, n, D) for _ in range(3)]


def dense(n: int) -> Tensor:
    """The mask as a table, (1, 1, n, n)."""
    return (causal & window(W)).dense(n)


def clock(way: str, qkv: list[Tensor], mask: Tensor) -> Callable[[], float]:
    """A function that runs one way once and returns its CPU seconds."""

    def run() -> float:
        start = time.process_time()
        with torch.no_grad():
            WAYS[way](*qkv, mask)
        return time.process_time() - start

    return run


def main() -> None:
    torch.set_num_threads(1)
    folder, version, rows = output_folder(), torch.__version__.split("+")[0], []
    for n in SIZES:
        qkv, mask = inputs(n), dense(n)
        times = turns({way: clock(way, qkv, mask) for way in WAYS}, ROUNDS)
        for way in WAYS:
            grown = statistics.median(memory(MEMORY.format(way=way, n=n)) for _ in range(3))
            seconds = statistics.median(times[way])
            rows.append([way, n, W, ROUNDS, f"{seconds:.6f}", f"{grown:.1f}", version])
            print(*rows[-1], flush=True)
    path = folder / "results" / "07_cost.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["way", "n", "window", "rounds", "seconds", "mib", "torch"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
