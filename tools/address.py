"""Carry the repository's address from `pyproject.toml` to every badge, link and set-up cell.

`python tools/address.py owner/name` sets a new one; without an argument the present one is
written again, which also renews the links between lessons and README's table.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import course

TEXTS = ["pyproject.toml", "README.md", "CITATION.cff"]
TABLE = re.compile(r"(<!-- lessons -->\n).*?(\n<!-- /lessons -->)", re.DOTALL)


def rewrite(root: Path, repository: str) -> list[Path]:
    """Bring every file under `root` to `repository`; the files that changed."""
    old = course.address(root).removeprefix("https://github.com/")
    new = repository.removeprefix("https://github.com/")
    before: dict[Path, bytes] = {}
    for path in [*(root / name for name in TEXTS), *sorted((root / "docs").glob("*.md"))]:
        before[path] = path.read_bytes()
        text = path.read_text(encoding="utf-8").replace(old, new)
        text = text.replace(quote(old, safe=""), quote(new, safe=""))  # inside another address
        path.write_text(text, encoding="utf-8", newline="\n")
    for path in course.lessons(root / "notebooks"):
        before[path] = path.read_bytes()
        course.write(course.furnish(course.read(path), path, repository), path)
    readme = root / "README.md"
    table = course.table(repository, root / "notebooks")
    text = readme.read_text(encoding="utf-8")
    text = TABLE.sub(lambda found: found[1] + table + found[2], text)
    readme.write_text(text, encoding="utf-8", newline="\n")
    return [path for path, content in before.items() if path.read_bytes() != content]


def main(arguments: list[str]) -> int:
    """The command line."""
    repository = course.address()
    if arguments:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,39}/[\w.-]{1,100}", arguments[0]):
            print(
                f"make address: REPO must be owner/name as GitHub writes it, not {arguments[0]!r}.",
                file=sys.stderr,
            )
            return 1
        repository = f"https://github.com/{arguments[0]}"
    try:
        changed = rewrite(course.ROOT, repository)
    except ValueError as error:
        print(f"make address: {error}.", file=sys.stderr)
        return 1
    for path in changed:
        print(f"rewritten: {path.relative_to(course.ROOT)}")
    print(f"The course's address is {repository}; {len(changed)} files changed.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
