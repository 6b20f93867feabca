"""Forty-odd chapters of the King James Bible, one verse a row, from Debian's bible-kjv 4.38.

    apt-get install bible-kjv            # the program `bible` and bible-kjv-text
    python data/make/kjv.py [--out FOLDER]

The translation of 1611 is out of copyright (the British Crown holds a printing patent within
the United Kingdom). The file's legend, kept in data/README.md, allows to copy, modify and
distribute it at will. Set BIBLE_DATA to the folder of `bible.data` if it is not /usr/lib.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

from _common import output_folder, write

BIBLE_SHA256 = "6c746c2acc8a34bfded980883ff1701a5d68934a1c853ebf88a07b978fe0ae0e"

# Stories and sayings that stand on their own: (the program's book, first and last chapter).
CHAPTERS = [
    ("gen", 1, 4),
    ("gen", 6, 9),
    ("gen", 11, 11),
    ("gen", 37, 37),
    ("gen", 39, 45),
    ("exo", 14, 14),
    ("ruth", 1, 4),
    ("1sam", 17, 17),
    ("1kin", 3, 3),
    ("dan", 6, 6),
    ("jon", 1, 4),
    ("ecc", 1, 4),
    ("luke", 10, 10),
    ("luke", 12, 16),
    ("acts", 27, 27),
]


def parse(printed: str) -> list[str]:
    """The program's print → rows "Jonah 1<tab>3<tab>But Jonah rose up ..."."""
    rows, title = [], ""
    for line in printed.splitlines():
        if verse := re.match(r"\s+(\d+) (.+)", line):
            rows.append(f"{title}\t{verse[1]}\t{verse[2].strip()}")
        elif line.strip():
            title = line.strip()
    return rows


def main() -> None:
    folder = output_folder()
    program = shutil.which("bible")
    if program is None:
        raise SystemExit("this script needs the program `bible`; run: apt-get install bible-kjv")
    place = os.environ.get("BIBLE_DATA", "/usr/lib")
    if sha256((Path(place) / "bible.data").read_bytes()).hexdigest() != BIBLE_SHA256:
        raise SystemExit(f"{place}/bible.data is not that of bible-kjv-text 4.38")
    rows = ["chapter\tverse\ttext"]
    for book, first, last in CHAPTERS:
        for chapter in range(first, last + 1):
            command = [program, "-p", place, "-l10000", f"{book}{chapter}:1-200"]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            rows += parse(printed)
    write(folder / "kjv_chapters.tsv", "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
