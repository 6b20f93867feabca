"""A pytest plugin that measures each notebook while nbval runs it, and holds it to its budget.

Load it with `-p tests.notebooks.budget`. Time is the sum of the cells' wall-clock times; memory is
the highest resident set of the kernel (VmHWM on Linux, the peak working set on Windows, and the
highest of the values at the ends of cells elsewhere). A strict run fails the last cell of a
notebook that is over.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from nbval.plugin import IPyNbCell

from tools.course import WITH_WEIGHTS

SECONDS, GIGABYTES = 60.0, 1.0
SECONDS_WITH_WEIGHTS, GIGABYTES_WITH_WEIGHTS = 90.0, 1.5


def budget(name: str) -> tuple[float, float]:
    """Seconds and gigabytes (10^9 bytes) that a notebook may take."""
    if name[:2] in WITH_WEIGHTS:
        return SECONDS_WITH_WEIGHTS, GIGABYTES_WITH_WEIGHTS
    return SECONDS, GIGABYTES


def excess(name: str, seconds: float, gigabytes: float) -> str | None:
    """What a notebook takes too much of, in one sentence; None when it keeps to its budget."""
    most_seconds, most_gigabytes = budget(name)
    faults = []
    if seconds > most_seconds:
        faults.append(f"ran {seconds:.0f} s, may run {most_seconds:.0f} s")
    if gigabytes > most_gigabytes:
        faults.append(f"used {gigabytes:.2f} GB, may use {most_gigabytes:.1f} GB")
    return f"{name} is over its budget: {'; '.join(faults)}" if faults else None


def peak_gigabytes(pid: int) -> float:
    """The highest resident memory of a process so far, in 10^9 bytes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e9  # type: ignore[index]
    except OSError:
        memory = psutil.Process(pid).memory_info()
        return getattr(memory, "peak_wset", memory.rss) / 1e9


class Recorder:
    """Measures in the process that runs the notebooks, reports in the one that prints."""

    def __init__(self) -> None:
        self.measured: dict[str, tuple[float, float]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Time a cell, read its kernel's memory, and fail the last cell when the sum is over."""
        if not isinstance(item, IPyNbCell):
            return (yield)
        name, kernel, start = item.parent.path.name, item.parent.kernel, time.perf_counter()
        try:
            result = yield
        finally:
            seconds, peak = self.measured.get(name, (0.0, 0.0))
            seconds += time.perf_counter() - start
            if kernel.is_alive():
                peak = max(peak, peak_gigabytes(kernel.km.provisioner.pid))
            self.measured[name] = (seconds, peak)
            item.user_properties.append(("notebook", [name, seconds, peak]))
        code_cells = sum(cell.cell_type == "code" for cell in item.parent.nb.cells)
        fault = excess(name, seconds, peak)
        if fault and item.config.option.nbval and item.cell_num == code_cells - 1:
            pytest.fail(fault, pytrace=False)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the running totals, which xdist carries from its workers."""
        for key, value in report.user_properties:
            if key == "notebook":
                name, *totals = value
                self.measured[name] = tuple(totals)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, one row for each notebook."""
        if not self.measured:
            return
        terminalreporter.section("run time and peak memory of the notebooks")
        terminalreporter.write_line(
            f"{'notebook':<44}{'time':>8}{'budget':>8}{'peak':>10}{'budget':>9}"
        )
        for name, (seconds, peak) in sorted(self.measured.items()):
            most_seconds, most_gigabytes = budget(name)
            over = "  OVER" if excess(name, seconds, peak) else ""
            terminalreporter.write_line(
                f"{name:<44}{seconds:>6.1f} s{most_seconds:>6.0f} s"
                f"{peak:>7.2f} GB{most_gigabytes:>6.1f} GB{over}"
            )


def pytest_configure(config: pytest.Config) -> None:
    """Start recording."""
    config.pluginmanager.register(Recorder(), "notebook-budgets")
