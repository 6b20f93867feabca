"""Side by side with peers: `make benchmark` writes benchmarks/results.md and results.png.

    make benchmark                        # every case, about a quarter of an hour
    make benchmark ARGS="local online"    # some of them; the others keep their last figures
    make benchmark ARGS="--quick"         # three rounds, and fewer sizes: two minutes

A case is a file in benchmarks/cases/ with `TITLE` and `measure(options)`, which yields `Figure`s
and `Line`s, and perhaps with `WHY` (what keeps its times from the roof) and `LATE` (no bar: it is
measured after those that have one).
A peer that is not installed is left out and named; `make benchmark` installs them.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import math
import os
import platform
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
# the palette of the lessons and more that colour-blind readers tell apart
COLORS = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #000000 #882255 #999933".split()
STYLES = "o- s-- ^: D-. v-- P: X-. <-- >:".split()
sys.path.insert(0, str(HERE.parent))

import torch  # noqa: E402

from benchmarks.measure import Figure, rounds  # noqa: E402
from benchmarks.roofline import Line, Roof, Work, measure_roof  # noqa: E402

ROOF = "the roof of this machine"


@dataclass
class Options:
    """How a case shall measure, and what it found beside its figures."""

    quick: bool = False
    compiled: bool = True  # flex_attention; uncompiled it starts at once
    roof: Roof | None = None
    until: float = math.inf  # from here on by time.perf_counter() the least is enough
    curves: dict[str, dict[str, list[tuple[int, float]]]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def least(self) -> int:
        """Rounds that are taken however long they last."""
        return 3 if self.quick else 5

    @property
    def limit(self) -> float:
        """Seconds after which no round begins beyond the least."""
        if time.perf_counter() > self.until:
            return 0.0
        return 2.0 if self.quick else 20.0

    def count(self, wanted: int) -> int:
        return min(3, wanted) if self.quick else wanted

    def once(self, wanted: int) -> int:
        """Fresh processes for a figure that hardly changes, such as memory."""
        return 1 if self.quick else wanted

    def sizes(self, wanted: Sequence[int], keep: int | None = None) -> list[int]:
        """Those that there is time for: in the quick run none above 1,024 but `keep`."""
        return [n for n in wanted if not self.quick or n <= 1024 or n == keep]

    def times(self, calls: dict[str, Callable], wanted: int) -> dict[str, list[float]]:
        """Seconds of each call in rounds in which they take turns."""
        return rounds(calls, self.count(wanted), self.least, self.limit)

    def draw(self, title: str, n: int, times: dict[str, list[float]], work: Work) -> None:
        """A point for each candidate on the panel `title` of the picture."""
        panel = self.curves.setdefault(title, {})
        for who, seconds in times.items():
            panel.setdefault(who, []).append((n, statistics.median(seconds)))
        if self.roof is not None:
            panel.setdefault(ROOF, []).append((n, self.roof.seconds(work.flops, work.moved)))


def case_names() -> list[str]:
    return sorted(p.stem for p in (HERE / "cases").glob("*.py") if p.stem != "__init__")


def late(name: str) -> bool:
    """Whether a case has no bar to keep: it is measured after the others, in what time is left."""
    return getattr(importlib.import_module(f"benchmarks.cases.{name}"), "LATE", False)


def table(figures: list[Figure]) -> list[str]:
    """Measured figures beside the bars that they should keep."""
    lines = [
        "",
        "| what | bar | measured | interval | rounds | kept |",
        "| --- | --- | ---: | --- | ---: | --- |",
    ]
    for f in figures:
        bar = "" if f.bar is None else f"{'≤' if f.bar[0] == '<=' else '≥'} {f.bar[1]:.3g}{f.unit}"
        note = f" ({f.note})" if f.note else ""
        lines.append(
            f"| {f.name}{note} | {bar} | {f.value:.3g}{f.unit} | {interval(f)} | {f.rounds} | "
            f"{f.verdict} |"
        )
    return lines


def side_by_side(found: list[Line]) -> list[str]:
    """Times, ratios to the first candidate of each comparison, and what the roof would allow."""
    rows = [
        "",
        "| what | who | time (ms) | over ours | interval | rounds | useful GFLOP/s | of the roof |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for line in found:
        rows.append(
            f"| {line.what} | {line.who} | {short(1e3 * line.seconds)} | {line.value:.3g}× | "
            f"{line.low:.3g} to {line.high:.3g} | {line.rounds} | {short(line.rate)} | "
            f"{short(100 * line.share)} % |"
        )
    return rows


def short(value: float) -> str:
    """Three digits, and never a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.01 else f"{value:.4f}"


def interval(f: Figure) -> str:
    return f"{f.low:.3g} to {f.high:.3g} ({100 * f.covered:.3g} %)"


def machine() -> str:
    return (
        f"{os.cpu_count()} cores, {platform.machine()} with "
        f"{torch.backends.cpu.get_cpu_capability()}, threads: {torch.get_num_threads()}, "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )


def write(stored: dict) -> None:
    lines = [
        "# Benchmarks",
        "",
        "Written by `make benchmark`. A ratio is the median over rounds in which the candidates",
        "take turns in one process, after their outputs (and gradients) were compared. Memory is",
        "the growth above the inputs in a fresh process. Beside each interval stands how often",
        "such a one holds the true median, which follows from the number of rounds alone.",
        "`not sure`: the bar lies inside the interval.",
        "",
        "The roof is the least time that this machine needs for the useful operations at its",
        "matrix-multiply peak, or for the inputs and outputs at its memory's bandwidth; both were",
        "measured in the same run. Useful are the products that the result cannot do",
        "without: no masked pair, no score computed twice, no exponential.",
    ]
    for part in stored.values():
        lines += ["", f"## {part['title']}"]
        if part["figures"]:
            lines += table([Figure(**f) for f in part["figures"]])
        if part["lines"]:
            lines += side_by_side([Line(**line) for line in part["lines"]])
        if part["why"]:
            lines += ["", f"What is missing to the roof. {part['why']}"]
        lines += ["", f"{part['machine']}; load when it began {part['load']:.1f}. {part['roof']}"]
        if part["missing"]:
            lines += ["", f"Not installed, so left out: {', '.join(part['missing'])}."]
        if part["failed"]:
            lines += ["", f"It stopped before its end: `{part['failed']}`"]
    (HERE / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    curves = {k: v for part in stored.values() for k, v in part["curves"].items()}
    if curves:
        draw(curves)


def draw(curves: dict[str, dict[str, list[tuple[int, float]]]]) -> None:
    """A panel for each entry of `curves`; forward above, with gradients below."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    above = [title for title in curves if not title.endswith("with gradients")]
    below = [title for title in curves if title.endswith("with gradients")]
    columns = max(len(above), len(below))
    figure, axes = plt.subplots(2, columns, figsize=(5 * columns, 8), squeeze=False)
    labels = dict.fromkeys(who for panel in curves.values() for who in panel if who != ROOF)
    looks = dict(zip(labels, itertools.cycle(zip(STYLES, COLORS, strict=True)), strict=False))
    for row, titles in zip(axes, (above, below), strict=True):
        for ax in row[len(titles) :]:
            ax.remove()
        for ax, title in zip(row, titles, strict=False):
            for who, points in curves[title].items():
                style, color = ("-", "0.6") if who == ROOF else looks[who]
                ax.loglog(*zip(*points, strict=True), style, color=color, label=who)
            ticks = sorted({n for points in curves[title].values() for n, _ in points})
            ax.set_xticks(ticks, [f"{n:,}" for n in ticks])
            ax.xaxis.minorticks_off()
            ax.set(title=title, xlabel="tokens", ylabel="time (s)")
            ax.legend(fontsize=8)
            ax.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(HERE / "results.png", dpi=100)
    plt.close(figure)


def run(name: str, options: Options) -> dict:
    """One case, measured as far as it comes; what goes wrong in it does not stop the others."""
    roof = options.roof
    case = importlib.import_module(f"benchmarks.cases.{name}")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{name}: {case.TITLE}; load {load:.1f}", flush=True)
    figures, found, failed = [], [], ""
    try:
        for f in case.measure(options):
            (found if isinstance(f, Line) else figures).append(f)
            print(f"  {said(f)}", flush=True)
    except Exception as error:
        traceback.print_exc()
        failed = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return {
        "title": case.TITLE, "why": getattr(case, "WHY", ""), "failed": failed,
        "figures": [asdict(f) for f in figures], "lines": [asdict(line) for line in found],
        "curves": options.curves, "missing": options.missing,
        "machine": machine(), "load": load,
        "roof": f"Matrix-multiply peak {roof.peak:.0f} GFLOP/s, {roof.thin:.0f} for products as "
        f"thin as a head's; memory {roof.bandwidth:.0f} GB/s.",
    }  # fmt: skip


def said(f: Figure | Line) -> str:
    if isinstance(f, Line):
        return (
            f"{f.what}: {f.who} {short(1e3 * f.seconds)} ms, {f.value:.3g} of ours, "
            f"{short(100 * f.share)} % of the roof"
        )
    bar = "" if f.bar is None else f"; bar {f.bar[0]} {f.bar[1]:.3g}: {f.verdict}"
    return f"{f.name}: {f.value:.3g}{f.unit}, {interval(f)}{bar}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", choices=[*case_names(), []], default=[])
    parser.add_argument("--quick", action="store_true", help="three rounds, and fewer sizes")
    chosen = parser.parse_args()

    store = HERE / "results.json"
    stored = json.loads(store.read_text()) if store.exists() else {}
    stored = {  # what an earlier version wrote in another form is measured anew
        name: part for name, part in stored.items() if name in case_names() and "lines" in part
    }
    until = time.perf_counter() + (90 if chosen.quick else 12 * 60)
    roof = measure_roof(repeats=15)
    for name in sorted(chosen.cases or case_names(), key=lambda name: (late(name), name)):
        roof = roof.higher(measure_roof())  # other work on the machine hides it at times
        stored[name] = run(name, Options(quick=chosen.quick, roof=roof, until=until))
        stored = dict(sorted(stored.items()))
        store.write_text(json.dumps(stored, indent=1) + "\n")
        write(stored)
    failed = [name for name in chosen.cases or case_names() if stored[name]["failed"]]
    if failed:
        print(f"stopped before their end: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
