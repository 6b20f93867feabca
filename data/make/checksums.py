"""Bring the checksums at the end of data/README.md up to date.

    python data/make/checksums.py            write them
    python data/make/checksums.py --check    only compare; exit 1 if anything differs

data/README.md is the one place that holds them; `attn_lib.datasets.data_path` reads them there.
Every file under data/ is listed, except this folder, hidden files and README.md itself.
"""

from __future__ import annotations

import argparse
import re
from hashlib import sha256

from _common import DATA

README = DATA / "README.md"
BLOCK = re.compile(r"(?<=<!-- checksums -->\n```text\n).*?(?=```)", re.S)


def listing() -> str:
    """One line per file, "<sha256>  <path under data/>", sorted by path: sha256sum's format."""
    lines = []
    for path in sorted(DATA.rglob("*"), key=lambda p: p.relative_to(DATA).as_posix()):
        name = path.relative_to(DATA)
        hidden = any(part.startswith((".", "__")) for part in name.parts)
        if path.is_file() and not hidden and name.parts[0] not in ("make", "README.md"):
            lines.append(f"{sha256(path.read_bytes()).hexdigest()}  {name.as_posix()}\n")
    return "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    old = README.read_text(encoding="utf-8")
    new = BLOCK.sub(listing(), old)
    if check and new != old:
        raise SystemExit("data/README.md is out of date; run: python data/make/checksums.py")
    if not check:
        README.write_bytes(new.encode("utf-8"))
    print("checksums of", len(listing().splitlines()), "files")


if __name__ == "__main__":
    main()
