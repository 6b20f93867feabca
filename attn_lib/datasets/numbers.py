"""Numbers in German, English and French words, and in digits."""

from __future__ import annotations

import random
import re
from functools import cache

from .files import data_text
from .splits import Pair, Split, check_choices, check_count, split_by

NUMBER_LANGUAGES = ("de", "en", "fr")
_GERMAN = (
    "sechzehn siebzehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert "
    "tausend sieben sechs zwölf eins zwei drei vier fünf acht neun zehn null elf und ein"
)
_PART = re.compile("|".join(_GERMAN.split()))
LARGEST = 99_999


@cache
def _below_thousand() -> dict[str, list[str]]:
    """Language → the words for 0 to 999, from data/number_words.tsv."""
    head, *rows = (line.split("\t") for line in data_text("number_words.tsv").splitlines())
    return {code: [row[i] for row in rows] for i, code in enumerate(head) if i > 0}


def number_in_words(number: int, language: str) -> str:
    """A number from 0 to 99,999 as the language says it: 21, "de" → "einundzwanzig".

    Up to 999 from num2words 0.5.14; above that its rule for thousands, which the script that
    made the table checks against num2words for every number. English is British ("one hundred
    and one"); French is that of France ("quatre-vingt-dix").

    Raises ValueError for another language or a number outside the range.
    """
    check_choices("language", (language,), NUMBER_LANGUAGES)
    check_count("number", number, least=0)
    if number > LARGEST:
        raise ValueError(f"number: expected at most {LARGEST}, got {number}")
    return compose(number, language, _below_thousand()[language])


def number_places(text: str) -> list[tuple[int, int]]:
    """[start, end) of each part of a number in words: German ones are cut where they are joined.

    "siebenundneunzig" → the places of "sieben", "und", "neunzig"; "ninety-seven" → of two words.
    """
    places = []
    for word in re.finditer(r"[^\W\d_]+", text):
        whole = re.fullmatch(f"(?:{_PART.pattern})+", word[0])
        found = _PART.finditer(word[0]) if whole else [re.match(".*", word[0])]
        start = word.start()
        places += [(start + part.start(), start + part.end()) for part in found if part]
    return places


def number_pieces(text: str) -> list[str]:
    """The parts of a number in words, at `number_places`; signs and blanks only separate."""
    return [text[start:end] for start, end in number_places(text)]


def compose(number: int, language: str, words: list[str]) -> str:
    """A number below 100,000 out of the words for 0 to 999 of that language."""
    thousands, rest = divmod(number, 1000)
    if thousands == 0:
        return words[rest]
    tail = words[rest] if rest else ""
    if language == "de":
        return ("ein" if thousands == 1 else words[thousands]) + "tausend" + tail
    if language == "en":
        joint = "" if not rest else (", " if rest >= 100 else " and ")
        return f"{words[thousands]} thousand{joint}{tail}"
    if thousands == 1:
        return f"mille {tail}".rstrip()
    head = "quatre-vingt" if thousands == 80 else words[thousands]  # its s stands only at the end
    return f"{head} mille {tail}".rstrip()


def _spans(number: int, language: str, source: str) -> dict[str, tuple[int, int]]:
    """Where the last two digits stand, when each has a word of its own: German says 3 then 20."""
    last = number % 100
    if last <= 20 or last % 10 == 0 or (language == "fr" and last >= 70):
        return {}
    word = _below_thousand()[language][last]
    start = len(source) - len(word)
    first, second = re.split(r"und|-| et ", word, maxsplit=1)
    spans = [(start, start + len(first)), (len(source) - len(second), len(source))]
    names = ("units", "tens") if language == "de" else ("tens", "units")
    return dict(zip(names, spans, strict=True))


def number_words(
    n: int = 30_000,
    *,
    languages: tuple[str, ...] = NUMBER_LANGUAGES,
    largest: int = LARGEST,
    held_out: float = 0.1,
    seed: int = 0,
) -> Split[Pair]:
    """Up to `n` numbers in words with their digits as target, split by number.

    Numbers below 100 are all there, always in `train`: they are the words that larger numbers
    are made of. For each other pair the count of digits is drawn first and then the number, so
    that 347 is not drowned by the many longer ones. A number that is held out is unseen in every
    language. Targets have no leading zeros. `spans` gives the places of the "tens" and the
    "units" where each has its own word (not in "soixante-treize"). Fewer than `n` come back when
    draws repeat.

    Source: num2words 0.5.14, data/number_words.tsv.
    Raises ValueError for unknown languages, n < 1, or largest outside 100 to 99,999.
    """
    check_count("n", n)
    check_choices("languages", languages, NUMBER_LANGUAGES)
    check_count("largest", largest, least=100)
    if largest > LARGEST:
        raise ValueError(f"largest: expected at most {LARGEST}, got {largest}")
    draw = random.Random(seed)
    chosen = dict.fromkeys((i, code) for i in range(100) for code in languages)
    for _ in range(n - len(chosen)):
        digits = draw.randint(3, len(str(largest)))
        number = draw.randrange(10 ** (digits - 1), min(10**digits, largest + 1))
        chosen[number, draw.choice(languages)] = None
    pairs = [
        Pair(words := number_in_words(number, code), str(number), code, _spans(number, code, words))
        for number, code in chosen
    ]
    small = [pair for pair in pairs if int(pair.target) < 100]
    large = [pair for pair in pairs if int(pair.target) >= 100]
    parts = split_by(large, [pair.target for pair in large], held_out=held_out)
    return Split(small + parts.train, parts.validation, parts.test)
