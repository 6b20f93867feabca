"""The numbers 0 to 999 in German, English and French words, from num2words 0.5.14.

    python -m pip install --no-deps num2words==0.5.14
    python data/make/number_words.py [--out FOLDER]

num2words is LGPL; the words of a language are not, and only they are kept. Larger numbers are
put together from these rows by `attn_lib.datasets.numbers.compose`; this script stops unless that
agrees with num2words on every number up to 99,999 in all three languages.
"""

from __future__ import annotations

import sys

from _common import DATA, output_folder, package, write

LANGUAGES = ["de", "en", "fr"]


def main() -> None:
    folder = output_folder()
    package("num2words", "0.5.14")
    from num2words import num2words

    sys.path.insert(0, str(DATA.parent))
    from attn_lib.datasets.numbers import compose

    words = {code: [num2words(n, lang=code) for n in range(1000)] for code in LANGUAGES}
    for code in LANGUAGES:
        for n in range(100_000):
            ours, theirs = compose(n, code, words[code]), num2words(n, lang=code)
            if ours != theirs:
                raise SystemExit(f"{code} {n}: the library says {ours!r}, num2words {theirs!r}")
    print("compose agrees with num2words on 0 to 99,999 in", ", ".join(LANGUAGES))
    rows = ["\t".join([str(n), *(words[code][n] for code in LANGUAGES)]) for n in range(1000)]
    head = "number\t" + "\t".join(LANGUAGES)
    write(folder / "number_words.tsv", "\n".join([head, *rows]) + "\n")


if __name__ == "__main__":
    main()
