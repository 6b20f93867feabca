"""What every script in this folder shares: find a pinned source package, write a file."""

from __future__ import annotations

import argparse
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent


def package(name: str, version: str) -> Distribution:
    """The installed distribution `name`, which must be exactly `version`.

    Files are read from it without importing it, so none of its dependencies are needed.
    """
    try:
        found = distribution(name)
    except PackageNotFoundError:
        found = None
    if found is None or found.version != version:
        got = "nothing" if found is None else found.version
        raise SystemExit(
            f"this script needs {name}=={version} and found {got}; "
            f"run: python -m pip install --no-deps {name}=={version}"
        )
    return found


def output_folder() -> Path:
    """The folder to write to: `data/` itself, or the one given with --out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=DATA, help="default: data/")
    folder: Path = parser.parse_args().out
    return folder


def write(path: Path, content: bytes | str) -> None:
    """Write bytes, or text as UTF-8 with \\n line ends on every platform, and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    print(f"wrote {path.name}: {path.stat().st_size:,} bytes")
