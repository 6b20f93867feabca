"""The check of the installation: what it says of what is here, missing or old."""

import pytest

from attn_lib import installation
from attn_lib.installation import NEEDS, Need, check_installation


def test_all_here(capsys):
    assert check_installation((Need("torch", "torch", "every lesson", "2.0"),))
    printed = capsys.readouterr().out
    assert "ok      torch  every lesson" in printed
    assert "Everything is here." in printed


@pytest.mark.parametrize(
    ("need", "said"),
    [
        (Need("nowhere", "no_such_module_anywhere", "x", remedy="pip install it"), "not installed"),
        (Need("torch", "torch", "x", "999.0", remedy="pip install it"), "999.0 or newer is needed"),
    ],
)
def test_missing_or_old_comes_with_its_remedy(capsys, need, said):
    assert not check_installation((NEEDS[1], need))
    printed = capsys.readouterr().out
    assert said in printed
    assert "to mend it: pip install it" in printed
    assert "Everything is here." not in printed


def test_a_module_without_metadata_counts_as_here():
    assert check_installation((Need("json-of-the-standard-library", "json", "x", "9"),))


def test_an_old_python_is_named(monkeypatch, capsys):
    class Old(tuple):
        __slots__ = ()

    monkeypatch.setattr(installation.sys, "version_info", Old((3, 10)))
    assert not check_installation(NEEDS[:2])
    assert "Python: 3.11 or newer is needed" in capsys.readouterr().out
