"""Side by side with peers: `make benchmark` writes benchmarks/results.md and results.png.

    make benchmark                        # every case
    make benchmark ARGS="local online"    # some of them; the others keep their last figures
    make benchmark ARGS="--quick"         # at most five rounds of everything

A case is a file in benchmarks/cases/ with `TITLE` and `measure(options)`, which yields `Figure`s.
It may put curves for the picture into `options.curves`: {title: {label: [(n, seconds), ...]}}.
A peer that is not installed is left out and named; `make benchmark` installs them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]  # the palette of the lessons
sys.path.insert(0, str(HERE.parent))

import torch  # noqa: E402

from benchmarks.measure import Figure  # noqa: E402


@dataclass
class Options:
    rounds: int = 21
    quick: bool = False
    curves: dict[str, dict[str, list[tuple[int, float]]]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def count(self, wanted: int) -> int:
        return min(5, wanted) if self.quick else wanted


def case_names() -> list[str]:
    return sorted(p.stem for p in (HERE / "cases").glob("*.py") if p.stem != "__init__")


def table(title: str, figures: list[Figure]) -> list[str]:
    lines = [
        "",
        f"## {title}",
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


def interval(f: Figure) -> str:
    return f"{f.low:.3g} to {f.high:.3g} ({100 * f.covered:.3g} %)"


def machine() -> str:
    return (
        f"{os.cpu_count()} cores, {platform.machine()} with "
        f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )


def write(stored: dict) -> None:
    lines = [
        "# Benchmarks",
        "",
        "Written by `make benchmark`. A time is a ratio: the median over rounds in which the",
        "candidates take turns in one process. Memory is the growth above the inputs in a fresh",
        "process. Beside each interval stands how often such a one holds the true median, which",
        "follows from the number of rounds alone. `not sure`: the bar lies inside the interval.",
    ]
    for part in stored.values():
        lines += table(part["title"], [Figure(**f) for f in part["figures"]])
        lines += ["", f"{part['machine']}; load when it began {part['load']:.1f}."]
        if part["missing"]:
            lines += ["", f"Not installed, so left out: {', '.join(part['missing'])}."]
    (HERE / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    curves = {k: v for part in stored.values() for k, v in part["curves"].items()}
    if curves:
        draw(curves)


def draw(curves: dict[str, dict[str, list[tuple[int, float]]]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(curves), figsize=(5 * len(curves), 4), squeeze=False)
    styles = ["o-", "s--", "^:", "D-."]
    for ax, (title, lines) in zip(axes[0], curves.items(), strict=True):
        for style, color, (label, points) in zip(styles, COLORS, lines.items(), strict=False):
            ax.loglog(*zip(*points, strict=True), style, color=color, label=label)
        ticks = [n for n, _ in next(iter(lines.values()))]
        ax.set_xticks(ticks, [f"{n:,}" for n in ticks])
        ax.minorticks_off()
        ax.set(title=title, xlabel="tokens", ylabel="time (s)")
        ax.legend(fontsize=8)
        ax.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(HERE / "results.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", choices=[*case_names(), []], default=[])
    parser.add_argument("--quick", action="store_true", help="five rounds of everything")
    chosen = parser.parse_args()

    store = HERE / "results.json"
    stored = json.loads(store.read_text()) if store.exists() else {}
    for name in chosen.cases or case_names():
        options = Options(quick=chosen.quick)
        case = importlib.import_module(f"benchmarks.cases.{name}")
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        print(f"{name}: {case.TITLE}; load {load:.1f}", flush=True)
        figures = []
        for f in case.measure(options):
            figures.append(f)
            bar = "" if f.bar is None else f"; bar {f.bar[0]} {f.bar[1]:.3g}: {f.verdict}"
            print(f"  {f.name}: {f.value:.3g}{f.unit}, {interval(f)}{bar}", flush=True)
        stored[name] = {
            "title": case.TITLE, "figures": [asdict(f) for f in figures],
            "curves": options.curves, "missing": options.missing,
            "machine": machine(), "load": load,
        }  # fmt: skip
        store.write_text(json.dumps(stored, indent=1) + "\n")
        write(stored)


if __name__ == "__main__":
    main()
