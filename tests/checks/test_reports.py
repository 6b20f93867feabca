"""The verdict as text and as a card; hints that grow; progress that survives."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from attn_lib import checks
from attn_lib.checks import _progress
from attn_lib.checks._card import picture
from attn_lib.checks._engine import judge


def right(s):
    return s.softmax(-1)


def wrong(s):
    return s.softmax(-2)


def test_the_line_comes_with_the_second_failure():
    first, second = checks.softmax(wrong), checks.softmax(wrong)
    assert first.mistake == second.mistake == "softmax_over_queries"
    assert first.line == "" and second.line
    assert "Where:" not in str(first) and "Where:" in str(second)
    assert str(first).splitlines()[1].startswith("Seen: Each column")
    checks.softmax(right)
    assert checks.softmax(wrong).line == ""  # a pass starts anew


def test_text_is_short():
    def two(q, k, v, mask=None):
        s = q @ k.mT
        return (s if mask is None else s.masked_fill(mask, -1e9)).softmax(-1) @ v

    for _ in range(2):
        assert 1 <= len(str(checks.scaled_dot_product_attention(two)).splitlines()) <= 4
    assert str(checks.softmax(right)) == "softmax: passed."
    assert bool(checks.softmax(right)) and not checks.softmax(wrong)


def test_card_is_the_same_every_time_and_needs_no_page_colours():
    cards = [judge(checks.get("softmax"), wrong)._repr_html_() for _ in range(2)]
    assert cards[0] == cards[1]
    assert " id=" not in cards[0] and "<style" not in cards[0] and "<script" not in cards[0]
    inks = set(re.findall(r"[^-]color:([^;\"]+)", cards[0]))
    assert inks <= {"inherit", "#fff"}


def test_card_escapes():
    def fn(s):
        raise ValueError("<script>alert(1)</script>")

    card = judge(checks.get("softmax"), fn)._repr_html_()
    assert "<script>" not in card and "&lt;script&gt;" in card


def test_picture_shows_expected_and_yours():
    report = judge(checks.get("softmax"), wrong)
    assert report.picture is not None
    assert report.picture.expected.shape == (4, 4)
    np.testing.assert_allclose(report.picture.expected.sum(-1), 1)
    np.testing.assert_allclose(report.picture.yours.sum(-2), 1, rtol=1e-5)
    card = report._repr_html_()
    assert card.count("<span") == 32 and 'role="img"' in card and "queries ↓" in card
    assert report.picture.description.splitlines()[0].split() == ["expected", "yours"]


def test_picture_of_masks_and_odd_numbers():
    mask = torch.tril(torch.ones(2, 2)).bool().numpy()
    drawn = picture(mask, ~mask, "queries", "keys")
    assert str(drawn).splitlines() == [
        "expected   yours", "#.         .#", "##         ..", "queries down, keys across"
    ]  # fmt: skip
    odd = np.array([[np.nan, np.inf], [-np.inf, -0.001]])
    text = str(picture(odd, odd, "rows", "columns"))
    assert "NaN" in text and "-∞" in text and "-0.00" not in text
    assert picture(mask, mask[:1], "queries", "keys") is None
    assert picture(np.zeros((20, 20)), np.zeros((20, 20)), "queries", "keys") is None
    assert picture(None, mask, "queries", "keys") is None


def test_names_follow_the_lessons():
    assert checks.names("02")[:3] == ["softmax", "scaled_dot_product_attention", "self_attention"]
    lessons = [checks.get(name).lesson for name in checks.names()]
    assert lessons == sorted(lessons)
    assert "softmax" in dir(checks) and "softmax(scores)" in repr(checks.softmax)


def test_a_misspelt_name_is_answered():
    with pytest.raises(AttributeError, match=r"Did you mean checks\.softmax"):
        checks.sofmax  # noqa: B018
    with pytest.raises(AttributeError, match=r"checks\.names\(\) lists them"):
        checks.qqqq  # noqa: B018
    with pytest.raises(AttributeError):
        checks._nothing  # noqa: B018


class TestProgress:
    def state(self, name="softmax"):
        return next(row[2:] for row in checks.progress().rows if row[1] == name)

    def test_open_tried_solved_and_solved_it_stays(self, progress_file):
        assert self.state() == ("open", 0)
        checks.softmax(wrong)
        assert self.state() == ("tried", 1)
        checks.softmax(right)
        checks.softmax(wrong)
        assert self.state() == ("solved", 3)
        assert json.loads(progress_file.read_text())["exercises"]["softmax"]["passed"] is True
        assert (
            "1 of" in str(checks.progress()) and "<b>solved</b>" in checks.progress()._repr_html_()
        )

    def test_a_stub_leaves_no_file(self, progress_file):
        def stub(s):
            raise NotImplementedError

        checks.softmax(stub)
        assert not progress_file.exists()

    def test_survives_a_new_process(self, progress_file):
        checks.softmax(right)
        code = "from attn_lib import checks; print(checks.progress())"
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        ).stdout  # fmt: skip
        assert re.search(r"02  softmax +solved", out)

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "null", '{"exercises": 3}', '{"exercises": {"softmax": 1}}', "\x00"]
    )
    def test_a_damaged_file_counts_as_empty(self, progress_file, text):
        progress_file.write_text(text)
        assert self.state() == ("open", 0)
        checks.softmax(right)
        assert self.state() == ("solved", 1)

    def test_a_folder_that_cannot_be_written(self, tmp_path, monkeypatch):
        monkeypatch.setenv(_progress.ENVIRONMENT, str(tmp_path / "missing" / "p.json"))
        assert checks.softmax(right).passed
        assert self.state() == ("open", 0)

    def test_it_lies_beside_the_notebook(self, tmp_path, monkeypatch):
        monkeypatch.delenv(_progress.ENVIRONMENT)
        monkeypatch.chdir(tmp_path)
        checks.softmax(right)
        assert (tmp_path / ".progress.json").exists()
        assert [p.name for p in tmp_path.iterdir()] == [".progress.json"]
