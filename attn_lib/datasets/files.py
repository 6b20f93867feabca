"""Finding the files of `data/` and making sure that they are whole."""

from __future__ import annotations

import difflib
import json
import re
from functools import cache
from hashlib import sha256
from importlib.metadata import distribution as installed
from importlib.metadata import packages_distributions
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_LINE = re.compile(r"^([0-9a-f]{64})  (\S+)$", re.M)


def data_root() -> Path:
    """The folder of data files: inside an installed wheel, or beside `attn_lib` in a clone.

    Raises FileNotFoundError if neither holds a README.md, the file that lists the checksums.
    """
    for folder in (_PACKAGE / "data", _PACKAGE.parent / "data"):
        if (folder / "README.md").is_file() and _checksums(folder / "README.md"):
            return folder
    raise FileNotFoundError(
        "the data files of attn_lib are missing: expected data/README.md with its checksums "
        f"beside or inside the package. To restore it: {restore_command('README.md')}"
    )


def data_path(name: str) -> Path:
    """The path of a data file such as "series/co2.csv", its sha256 verified.

    The checksums stand in one place, at the end of data/README.md. Names use "/" everywhere.

    Raises ValueError if the name is not listed or the file was altered, FileNotFoundError if it
    is missing; each message ends with the command that restores the file.
    """
    root = data_root()
    known = _checksums(root / "README.md")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)
        raise ValueError(
            f"name: expected a file listed in data/README.md, got {name!r}; "
            f"the nearest are {', '.join(near)}"
        )
    path = root / name
    if not path.is_file():
        raise FileNotFoundError(
            f"the data file data/{name} is missing. To restore it: {restore_command(name)}"
        )
    found = sha256(path.read_bytes()).hexdigest()
    if found != known[name]:
        raise ValueError(
            f"the data file data/{name} was altered: its sha256 should be {known[name][:12]}… "
            f"and is {found[:12]}…. To restore it: {restore_command(name)}"
        )
    return path


def data_text(name: str) -> str:
    """The text of a data file (UTF-8, line ends as stored), verified as in `data_path`."""
    return data_path(name).read_bytes().decode("utf-8")


def restore_command(name: str) -> str:
    """The command that brings back data/`name`: git in a clone, pip for an installed wheel."""
    if not (_PACKAGE / "data").is_dir():
        return f"git checkout -- data/{name}"
    source = "<the wheel or address that it was installed from>"
    for project in packages_distributions().get("attn_lib", []):
        found = installed(project)
        for label in found.metadata.get_all("Project-URL") or []:
            if label.startswith("Repository, "):
                source = "git+" + label.removeprefix("Repository, ")
        if origin := json.loads(found.read_text("direct_url.json") or "{}"):
            source = ("git+" if "vcs_info" in origin else "") + origin["url"]
    return f'python -m pip install --force-reinstall --no-deps "{source}"'


@cache
def _read_checksums(readme: Path, stamp: tuple[int, int]) -> dict[str, str]:
    text = readme.read_bytes().decode("utf-8")
    return {name: digest for digest, name in _LINE.findall(text.replace("\r\n", "\n"))}


def _checksums(readme: Path) -> dict[str, str]:
    """Name → sha256, read again only when the file on disk has changed."""
    state = readme.stat()
    return _read_checksums(readme, (state.st_mtime_ns, state.st_size))
