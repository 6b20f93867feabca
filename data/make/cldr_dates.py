"""Names of months and days and date patterns in fourteen languages, from Babel 2.18.0.

    python -m pip install --no-deps Babel==2.18.0
    python data/make/cldr_dates.py [--out FOLDER]

Babel carries the Unicode Common Locale Data Repository (CLDR, Unicode-3.0 licence). Only the
words and patterns are kept; `attn_lib.datasets.dates` writes the dates, and a test holds its
renderings equal to Babel's. The numeric "short" pattern is left out: 03/04/05 is read
differently in different countries.
"""

from __future__ import annotations

import json
import re
from typing import Any

from _common import output_folder, package, write

LANGUAGES = ["cs", "da", "de", "el", "en", "es", "fi", "fr", "it", "nl", "pl", "pt", "ru", "sv"]
FORMATS = ["full", "long", "medium"]


def plain(text: str) -> str:
    """Spaces of every kind become the ordinary one, as a keyboard types it."""
    return re.sub(r"[\u00a0\u202f\u2009]", " ", text)


def language(code: str) -> dict[str, Any]:
    """Patterns by format, months by width (1-12) and days (Monday first) of one language."""
    from babel import Locale

    locale = Locale.parse(code)
    patterns = {name: plain(locale.date_formats[name].pattern) for name in FORMATS}
    months, days = locale.months["format"], locale.days["format"]
    return {
        "name": plain(locale.get_display_name("en") or code),
        "patterns": {k: v.replace("cccc", "EEEE") for k, v in patterns.items()},
        "months": [plain(months["wide"][m]) for m in range(1, 13)],
        "months_short": [plain(months["abbreviated"][m]) for m in range(1, 13)],
        "days": [plain(days["wide"][d]) for d in range(7)],
    }


def main() -> None:
    folder = output_folder()
    package("Babel", "2.18.0")
    table = {code: language(code) for code in LANGUAGES}
    # Finnish asks for the stand-alone day name (cccc); writing EEEE instead needs its word too.
    from babel import Locale

    stand_alone = Locale.parse("fi").days["stand-alone"]["wide"]
    table["fi"]["days"] = [plain(stand_alone[d]) for d in range(7)]
    write(folder / "cldr_dates.json", json.dumps(table, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
