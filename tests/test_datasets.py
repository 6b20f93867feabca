"""The data files are whole, what the loaders say of them is true, and held out means unseen."""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
from collections import Counter
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attn_lib import datasets
from attn_lib.datasets import files, numbers
from attn_lib.datasets.dates import EIGHT, FORMATS, LANGUAGES

ROOT = Path(__file__).resolve().parent.parent
MAKE = ROOT / "data" / "make"


@pytest.fixture
def copy_of_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone's layout in a temporary folder, with two of the data files."""
    (tmp_path / "attn_lib").mkdir()
    for name in ("README.md", "series/sunspots.csv", "number_words.tsv"):
        target = tmp_path / "data" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / "data" / name).read_bytes())
    monkeypatch.setattr(files, "_PACKAGE", tmp_path / "attn_lib")
    return tmp_path / "data"


# --- files -----------------------------------------------------------------------------------


def test_every_file_is_listed_and_whole() -> None:
    subprocess.run([sys.executable, MAKE / "checksums.py", "--check"], check=True)
    for name in files._checksums(ROOT / "data" / "README.md"):
        assert datasets.data_path(name).is_file()


def test_every_file_has_a_row_that_names_its_source_and_script() -> None:
    table = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    for name in files._checksums(ROOT / "data" / "README.md"):
        row = f"| `{name}` |" if f"| `{name}` |" in table else f"| `{name.split('/')[0]}/*"
        line = next(line for line in table.splitlines() if line.startswith(row))
        if line.endswith("| by hand |"):
            continue
        script = line.split("`make/")[1].split("`")[0]
        assert (MAKE / script).is_file()


def test_an_altered_file_is_named_with_the_command_that_restores_it(copy_of_data: Path) -> None:
    assert datasets.data_path("series/sunspots.csv").is_file()
    with (copy_of_data / "series" / "sunspots.csv").open("a") as file:
        file.write("2009,1\n")
    with pytest.raises(ValueError, match=r"data/series/sunspots.csv was altered") as caught:
        datasets.sunspots()
    assert "git checkout -- data/series/sunspots.csv" in str(caught.value)


def test_a_missing_file_is_named_with_the_command_that_restores_it(copy_of_data: Path) -> None:
    (copy_of_data / "series" / "sunspots.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"data/series/sunspots.csv is missing") as caught:
        datasets.sunspots()
    assert "git checkout -- data/series/sunspots.csv" in str(caught.value)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'sunspot.csv'.*series/sunspots.csv"):
        datasets.data_path("sunspot.csv")
    with pytest.raises(ValueError, match=r"data/README.md"):
        datasets.data_path("../pyproject.toml")


def test_without_any_data_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PACKAGE", tmp_path / "attn_lib")
    with pytest.raises(FileNotFoundError, match=r"git checkout -- data/README.md"):
        datasets.data_path("co2.csv")


def test_an_installed_wheel_reads_its_own_copy_and_names_pip(
    copy_of_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = copy_of_data.parent / "attn_lib" / "data"
    copy_of_data.rename(packaged)
    assert datasets.data_path("series/sunspots.csv") == packaged / "series" / "sunspots.csv"
    (packaged / "series" / "sunspots.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"pip install --force-reinstall --no-deps"):
        datasets.data_path("series/sunspots.csv")


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        (None, "git+https://example.org/course"),
        ('{"url": "https://example.org/c.git", "vcs_info": {}}', "git+https://example.org/c.git"),
        ('{"url": "file:///tmp/a.whl", "archive_info": {}}', "file:///tmp/a.whl"),
    ],
)
def test_pip_is_given_the_place_it_was_installed_from(
    origin: str | None, source: str, copy_of_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Installed:
        metadata = Message()

        def read_text(self, name: str) -> str | None:
            return origin if name == "direct_url.json" else None

    Installed.metadata["Project-URL"] = "Repository, https://example.org/course"
    monkeypatch.setattr(files, "packages_distributions", lambda: {"attn_lib": ["attn-lib"]})
    monkeypatch.setattr(files, "installed", lambda project: Installed())
    copy_of_data.rename(copy_of_data.parent / "attn_lib" / "data")
    assert f'--no-deps "{source}"' in files.restore_command("series/co2.csv")


def test_line_ends_of_a_windows_checkout_count_as_altered(copy_of_data: Path) -> None:
    path = copy_of_data / "series" / "sunspots.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(ValueError, match="altered"):
        datasets.data_path("series/sunspots.csv")


# --- text ------------------------------------------------------------------------------------


def test_held_out_plays_are_unseen_and_readable() -> None:
    plays = datasets.shakespeare()
    assert len(plays.train) > 1_000_000 and min(map(len, plays[1:])) > 100_000
    assert set(plays.validation) | set(plays.test) <= set(plays.train)
    assert "CASSIUS:" in plays.validation and "CASSIUS:" not in plays.train
    assert "MALVOLIO:" in plays.test and "MALVOLIO:" not in plays.train + plays.validation
    long_lines = [{line for line in play.splitlines() if len(line) > 40} for play in plays]
    assert not long_lines[0] & long_lines[1] and not long_lines[0] & long_lines[2]


def test_plays_keep_their_shape() -> None:
    play = datasets.shakespeare().test
    assert play.startswith("Twelfth Night\n\nACT I\n\nSCENE I.")
    assert "_" not in play and "*" not in play and "\n\n\n" not in play
    assert play.count("[") == play.count("]") > 100


def test_passages() -> None:
    found = {passage.title: passage.verses for passage in datasets.passages()}
    assert len(found) == 40 and sum(map(len, found.values())) == 1146
    assert "three days and three nights" in found["Jonah 1"][16]


def test_senses_are_twenty_each_and_hold_their_word_once() -> None:
    found = datasets.senses()
    counts = Counter((one.word, one.sense) for one in found)
    words = {"bank", "light", "spring", "bat", "crane"}
    assert {word for word, _ in counts} == words
    assert len(counts) == 10 and set(counts.values()) == {20}
    assert len({one.sentence for one in found}) == 200
    for one in found:
        in_text = re.findall(r"[a-z]+", one.sentence.lower())
        assert in_text.count(one.word) == 1, one


@given(st.text(alphabet="abcdef \n", max_size=30))
def test_vocabulary_there_and_back(text: str) -> None:
    vocabulary = datasets.Vocabulary("abcdef \n", specials=("<pad>", "<bos>"))
    ids = vocabulary.encode(text)
    assert ids.shape == (len(text),) and ids.dtype == torch.long
    assert vocabulary.decode(ids) == text
    assert not len(text) or int(ids.min()) >= 2  # specials are never produced


def test_vocabulary_of_words_and_unknown_symbols() -> None:
    vocabulary = datasets.Vocabulary.of([["the", "lamp"], ["a", "lamp"]], specials=("<pad>",))
    assert vocabulary.symbols == ("<pad>", "a", "lamp", "the")
    assert vocabulary.decode(vocabulary.encode(["the", "lamp"]), " ") == "the lamp"
    assert vocabulary.decode([0, 2, 0, 1], " ") == "lamp a"  # specials are left out
    with pytest.raises(ValueError, match=r"cannot read '<pad>' 'cup'|cannot read 'cup' '<pad>'"):
        vocabulary.encode(["the", "cup", "<pad>"])
    with pytest.raises(ValueError, match=r"'<eos>' is not among the 4"):
        vocabulary.id("<eos>")
    with pytest.raises(ValueError, match=r"cannot read '€'; it knows ab"):
        datasets.Vocabulary("ab").encode("a€")


def test_text_windows_move_by_one_and_repeat_from_the_seed() -> None:
    ids = torch.arange(50)
    feed = datasets.text_windows(ids, length=7, batch=200, seed=3)
    inputs, targets = next(feed)
    assert inputs.shape == targets.shape == (200, 7)
    assert torch.equal(targets, inputs + 1)
    assert int(inputs.min()) == 0 and int(targets.max()) == 49  # both ends can be drawn
    again = next(datasets.text_windows(ids, length=7, batch=200, seed=3))[0]
    assert torch.equal(inputs, again) and not torch.equal(inputs, next(feed)[0])
    with pytest.raises(ValueError, match=r"n > length = 50"):
        datasets.text_windows(ids, length=50, batch=1)
    with pytest.raises(ValueError, match="batch"):
        datasets.text_windows(ids, length=5, batch=0)


# --- batches ---------------------------------------------------------------------------------


@given(rows=st.integers(1, 20), data=st.data())
def test_shuffled_takes_every_row_once_a_round(rows: int, data: st.DataObject) -> None:
    batch = data.draw(st.integers(1, rows))
    table = torch.arange(rows)
    feed = datasets.shuffled(table, table * 10, batch=batch, seed=1)
    seen: list[int] = []
    for _ in range(rows // batch):
        left, right = next(feed)
        assert torch.equal(right, left * 10)
        seen += left.tolist()
    assert len(set(seen)) == len(seen) == rows // batch * batch


def test_encode_pairs_frames_and_pads() -> None:
    pairs = [datasets.Pair("ab", "1", "en", {}), datasets.Pair("b", "234", "en", {})]
    source, target = datasets.pair_vocabularies(pairs)
    sources, targets = datasets.encode_pairs(pairs, source, target)
    assert sources.tolist() == [[3, 4], [4, 0]]
    assert targets.tolist() == [[1, 3, 2, 0, 0], [1, 4, 5, 6, 2]]
    with pytest.raises(ValueError, match="empty list"):
        datasets.pad([])
    with pytest.raises(ValueError, match=r"equally many rows, at least batch = 3"):
        datasets.shuffled(sources, targets, batch=3)


# --- series ----------------------------------------------------------------------------------


def test_series_are_what_their_sources_say() -> None:
    sea, air, sun = datasets.el_nino(), datasets.co2(), datasets.sunspots()
    assert (len(sea), len(air), len(sun)) == (732, 2284, 309)
    assert (sea.unit, air.unit, sun.unit) == ("°C", "ppm", "count")
    assert (sea.period, air.period, sun.period) == (12, 52, 11)
    assert sea.values[0] == 23.11 and str(sea.times[-1]) == "2010-12-01" and sea.values[-1] == 22.07
    assert set(np.diff(air.times).astype(int)) == {7}
    assert 15 < sea.values.min() < sea.values.max() < 30
    assert str(sun.times[0]) == "1700-01-01" and sun.values[-1] == 2.9
    assert not sea.filled.any() and not sun.filled.any()


def test_missing_weeks_are_said_and_lie_on_the_line_between_their_neighbours() -> None:
    air = datasets.co2()
    assert air.filled.sum() == 59 and np.isfinite(air.values).all()
    ends = np.flatnonzero(np.diff(np.concatenate(([0], air.filled.astype(int), [0]))))
    gaps = list(zip(ends[::2], ends[1::2], strict=True))
    assert max(b - a for a, b in gaps) == 18 and not air.filled[0] and not air.filled[-1]
    for a, b in gaps:
        line = np.linspace(air.values[a - 1], air.values[b], b - a + 2)
        np.testing.assert_allclose(air.values[a - 1 : b + 1], line)


def test_weather_days_follow_each_other() -> None:
    weather = datasets.seattle_weather()
    assert len(weather) == 1461
    assert {b - a for a, b in zip(weather.dates, weather.dates[1:], strict=False)} == {
        datetime.timedelta(days=1)
    }
    assert (weather.warmest >= weather.coldest).all() and weather.rain.min() == 0
    assert set(weather.kind) == {"drizzle", "fog", "rain", "snow", "sun"}


def test_weather_weeks_share_no_day_and_say_what_the_records_say() -> None:
    parts = datasets.weather_weeks()
    for part, years in (
        (parts.train, {2012, 2013}),
        (parts.validation, {2014}),
        (parts.test, {2015}),
    ):
        week = datetime.timedelta(days=6)
        assert {day.year for w in part for day in (w.start, w.start + week)} == years
        for w in part:
            days = [w.source[a:b] for a, b in w.spans]
            amounts = [float(day.split()[1]) for day in days]
            if w.day is None:
                assert w.target == "no rain" and max(amounts) == 0
                continue
            assert amounts[w.day] == max(amounts) and amounts.count(max(amounts)) == 1
            name = (w.start + datetime.timedelta(days=w.day)).strftime("%A")
            assert days[w.day].startswith(name[:3]) and w.target.startswith(f"wettest {name}, ")
            if max(amounts) >= 1:
                told = int(w.target.split(", ")[1].split()[0])
                assert abs(told - max(amounts)) <= 0.5
    with pytest.raises(ValueError, match="two different years"):
        datasets.weather_weeks(validation_year=2015, test_year=2015)


# --- pairs -----------------------------------------------------------------------------------


def test_dates_equal_babel() -> None:
    babel = pytest.importorskip("babel.dates", reason="Babel writes the reference")
    days = [datetime.date(2019, month, 2 * month + 3) for month in range(1, 13)]
    days += [datetime.date(1999, 12, 26 + i) for i in range(6)] + [datetime.date(2024, 2, 29)]
    for language in LANGUAGES:
        for style in FORMATS:
            for day in days:
                said = babel.format_date(day, style, locale=language)
                said = said.replace("\u202f", " ").replace("\u00a0", " ")
                assert datasets.write_date(day, language, style).source == said


@given(st.dates(datetime.date(1000, 1, 1)), st.sampled_from(LANGUAGES), st.sampled_from(FORMATS))
def test_spans_of_a_date(day: datetime.date, language: str, style: str) -> None:
    pair = datasets.write_date(day, language, style)
    cut = {name: pair.source[a:b] for name, (a, b) in pair.spans.items()}
    assert cut["year"] == str(day.year) and int(cut["day"]) == day.day
    assert cut["month"] and (not cut["month"].isdigit() or int(cut["month"]) == day.month)
    assert pair.target == day.isoformat() and pair.language == language


def test_no_date_reads_two_ways() -> None:
    meanings: dict[str, str] = {}
    for ordinal in range(366):
        day = datetime.date(2024, 1, 1) + datetime.timedelta(days=ordinal)
        for language in LANGUAGES:
            for style in FORMATS:
                pair = datasets.write_date(day, language, style)
                assert meanings.setdefault(pair.source, pair.target) == pair.target


def test_held_out_dates_are_unseen_in_any_rendering() -> None:
    parts = datasets.dates(6000)
    sides = [{p.target for p in part} for part in (parts.train, parts.validation, parts.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert {p.language for p in parts.test} == set(EIGHT)
    total = sum(map(len, (parts.train, parts.validation, parts.test)))
    assert 0.75 < len(parts.train) / total < 0.85 and len(parts.test) > 0.08 * total
    # another draw keeps every day on its side, so a checkpoint's test stays a test
    other = datasets.dates(6000, seed=1, languages=("fi", "ru"))
    assert not {p.target for p in other.test} & sides[0]
    assert parts == datasets.dates(6000) and parts.train != other.train


def test_bad_requests_for_dates_are_explained() -> None:
    with pytest.raises(ValueError, match="languages"):
        datasets.dates(10, languages=("xx",))
    with pytest.raises(ValueError, match="formats"):
        datasets.dates(10, formats=("short",))
    with pytest.raises(ValueError, match="years"):
        datasets.dates(10, years=(2050, 2000))
    with pytest.raises(ValueError, match="n: expected"):
        datasets.dates(0)
    with pytest.raises(ValueError, match="held_out"):
        datasets.dates(10, held_out=0.5)
    with pytest.raises(ValueError, match="language"):
        datasets.write_date(datetime.date(2000, 1, 1), "xx")


BY_HAND = [
    (0, "null", "zero", "zéro"),
    (1, "eins", "one", "un"),
    (21, "einundzwanzig", "twenty-one", "vingt et un"),
    (80, "achtzig", "eighty", "quatre-vingts"),
    (97, "siebenundneunzig", "ninety-seven", "quatre-vingt-dix-sept"),
    (200, "zweihundert", "two hundred", "deux cents"),
    (1000, "eintausend", "one thousand", "mille"),
    (1001, "eintausendeins", "one thousand and one", "mille un"),
    (80_000, "achtzigtausend", "eighty thousand", "quatre-vingt mille"),
    (2345, "zweitausenddreihundertfünfundvierzig", "two thousand, three hundred and forty-five",
     "deux mille trois cent quarante-cinq"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "de", "en", "fr"), BY_HAND)
def test_numbers_in_words(number: int, de: str, en: str, fr: str) -> None:
    for language, words in (("de", de), ("en", en), ("fr", fr)):
        assert datasets.number_in_words(number, language) == words


def test_numbers_equal_num2words() -> None:
    reference = pytest.importorskip("num2words", reason="num2words writes the reference")
    for language in numbers.NUMBER_LANGUAGES:
        for number in [*range(0, 1100), *range(1999, 100_000, 97)]:
            said = reference.num2words(number, lang=language)
            assert datasets.number_in_words(number, language) == said


@given(st.integers(0, 99_999), st.integers(0, 99_999), st.sampled_from(("de", "en", "fr")))
def test_different_numbers_have_different_words(a: int, b: int, language: str) -> None:
    same = datasets.number_in_words(a, language) == datasets.number_in_words(b, language)
    assert same == (a == b)


def test_held_out_numbers_are_unseen_in_any_language() -> None:
    parts = datasets.number_words(9000)
    sides = [{p.target for p in part} for part in (parts.train, parts.validation, parts.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert {str(i) for i in range(100)} <= sides[0]
    everything = parts.train + parts.validation + parts.test
    assert len({(p.language, p.target) for p in everything}) == len(everything)
    for pair in everything:
        assert datasets.number_in_words(int(pair.target), pair.language) == pair.source
        for name, word in (
            ("tens", int(pair.target[-2:]) // 10 * 10),
            ("units", int(pair.target[-1])),
        ):
            if pair.spans and (name, pair.language) != ("units", "de"):
                a, b = pair.spans[name]
                assert pair.source[a:b] == datasets.number_in_words(word, pair.language)
    german = next(p for p in everything if p.language == "de" and p.target.endswith("97"))
    (a, b), (c, d) = german.spans["units"], german.spans["tens"]
    assert (german.source[a:b], german.source[c:d]) == ("sieben", "neunzig") and b < c
    with pytest.raises(ValueError, match="largest"):
        datasets.number_words(10, largest=100_000)
    with pytest.raises(ValueError, match="number: expected at most"):
        datasets.number_in_words(100_000, "de")


# --- stories ---------------------------------------------------------------------------------


def test_the_last_relevant_sentence_answers() -> None:
    for story in datasets.stories(seed=4, n=400).test:
        asked = next(w for w in reversed(story.question.split()) if w != "?")
        about = [i for i, s in enumerate(story.sentences) if asked in s.split()[:2]]
        assert about[-1] == story.support and len(about) >= 2
        assert story.words[story.answer_at] == story.answer
        assert story.sentence_of_word[story.answer_at] == story.support
        answers = [story.facts[i].answer for i in about]
        assert len(set(answers)) == len(answers)  # every stale sentence misleads


def test_held_out_facts_and_plots_are_unseen() -> None:
    parts = datasets.stories(n=2000)
    stated = {fact for story in parts.train for fact in story.facts}
    plots = [
        {datasets.structure_of(s.facts, s.facts[s.support]) for s in part}
        for part in (parts.train, parts.validation, parts.test)
    ]
    assert not plots[0] & plots[1] and not plots[0] & plots[2] and not plots[1] & plots[2]
    deciding = [{s.facts[s.support] for s in part} for part in (parts.validation, parts.test)]
    assert not deciding[0] & stated and not deciding[1] & stated and not deciding[0] & deciding[1]
    assert parts == datasets.stories(n=2000) and parts.train != datasets.stories(1, 2000).train


def test_shortcuts_do_not_solve_the_stories() -> None:
    test = datasets.stories(n=5000).test
    last_line = sum(s.facts[-1].answer == s.answer for s in test) / len(test)
    of_kind = [[f.answer for f in s.facts if f.kind == s.facts[s.support].kind] for s in test]
    last_of_kind = sum(a[-1] == s.answer for a, s in zip(of_kind, test, strict=True)) / len(test)
    assert last_line < 0.4 and last_of_kind < 0.5
    assert {len(s.sentences) - s.support for s in test} >= {1, 2, 3, 4, 5}


def test_bad_requests_for_stories_are_explained() -> None:
    with pytest.raises(ValueError, match="n: expected"):
        datasets.stories(n=9)
    with pytest.raises(ValueError, match="sentences"):
        datasets.stories(n=10, sentences=(2, 8))
