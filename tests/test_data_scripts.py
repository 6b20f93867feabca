"""The scripts that made the data: same input, same bytes; another version is refused."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

DATA = Path(__file__).resolve().parent.parent / "data"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Load one script of data/make by name."""
    monkeypatch.syspath_prepend(str(DATA / "make"))

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"make_{name}", DATA / "make" / f"{name}.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_plays_are_cleaned_the_same_way_every_time(script) -> None:  # type: ignore[no-untyped-def]
    page = (
        "# The Play\n\n## ACT I\n\n### SCENE I. A room.\n\n_Enter A, B,\nand C_\n\n**A**  \n"
        "Who's there?  \n__\\[Aside]_  \n\\--No, he'll __\\[ ]_  \n\n\n\n_Burthen _\\[within_\n& c."
    )
    plain = (
        "The Play\n\nACT I\n\nSCENE I. A room.\n\n[Enter A, B,\nand C]\n\nA:\nWho's there?\n"
        "[Aside]\n--No, he'll\n\n[Burthen within]\n&c.\n"
    )
    clean = script("shakespeare").clean
    assert clean(page) == plain == clean(page)


def test_verses_are_read_off_the_print(script) -> None:  # type: ignore[no-untyped-def]
    printed = "\nJonah 1\n\n  1 Now the word\n  2 Arise, go\n\nJonah 2\n\n  1 Then Jonah\n"
    rows = ["Jonah 1\t1\tNow the word", "Jonah 1\t2\tArise, go", "Jonah 2\t1\tThen Jonah"]
    assert script("kjv").parse(printed) == rows


def test_the_dates_come_out_byte_for_byte(tmp_path: Path) -> None:
    babel = pytest.importorskip("babel", reason="the script reads Babel 2.18.0")
    if babel.__version__ != "2.18.0":
        pytest.skip("the script reads Babel 2.18.0")
    command = [sys.executable, DATA / "make" / "cldr_dates.py", "--out", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    made = (tmp_path / "cldr_dates.json").read_bytes()
    assert made == (DATA / "cldr_dates.json").read_bytes()


def test_another_version_of_the_source_is_refused(script) -> None:  # type: ignore[no-untyped-def]
    common = script("_common")
    with pytest.raises(SystemExit, match=r"pip install --no-deps torch==0\.0\.1"):
        common.package("torch", "0.0.1")
    with pytest.raises(SystemExit, match="found nothing"):
        common.package("no-such-package-anywhere", "1")


def test_checksums_notice_a_new_a_changed_and_a_removed_file(
    script,  # type: ignore[no-untyped-def]
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = script("checksums")
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "README.md").write_text("# x\n\n<!-- checksums -->\n```text\n```\n")
    monkeypatch.setattr(module, "DATA", tmp_path)
    monkeypatch.setattr(module, "README", tmp_path / "README.md")

    def run(*arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["checksums.py", *arguments])
        module.main()

    run()
    run("--check")
    assert (tmp_path / "README.md").read_text().count("  a.txt\n") == 1
    for change in (
        lambda: (tmp_path / "a.txt").write_text("two"),
        lambda: (tmp_path / "b.txt").write_text("new"),
        lambda: (tmp_path / "a.txt").unlink(),
    ):
        change()
        with pytest.raises(SystemExit, match="out of date"):
            run("--check")
        run()


def test_recall_asks_for_what_stands_in_the_text(script) -> None:  # type: ignore[no-untyped-def]
    recall = script("results/recall")
    for setting, (no_key, no_value, most) in recall.SETTINGS.items():
        for n in recall.LENGTHS:
            for first in (False, True):
                draw = torch.Generator().manual_seed(n)
                key, value, answer = recall.draw(setting, n, 20, first, draw)
                pairs = min(n, most)
                assert key.shape == value.shape == (20, n + answer.shape[1])
                for k, v, wanted in zip(key.tolist(), value.tolist(), answer.tolist(), strict=True):
                    known = dict(zip(k[:pairs], v[:pairs], strict=True))
                    assert len(known) == pairs  # no key stands twice
                    assert [known[asked] for asked in k[n:]] == wanted
                    assert set(v[n:]) == {no_value} and len(set(k[n:])) == len(wanted)
                    assert all(at == no_key for at in k[pairs:n])
                    assert not first or k[n] == k[0]


def test_recall_compares_layers_of_equal_size(script) -> None:  # type: ignore[no-untyped-def]
    recall = script("results/recall")
    sizes = []
    for kind in recall.MODELS:
        layer = recall.Recall(kind, 32, 8).layer
        sizes.append(sum(p.numel() for p in layer.parameters()))
    assert max(sizes) < 1.01 * min(sizes)
    forget = recall.Recall("LSTM", 32, 8).layer.bias_ih_l0.detach().split(39)[1]
    assert (forget == 1).all()


def test_hybrids_compares_decoders_of_equal_weights(script) -> None:  # type: ignore[no-untyped-def]
    hybrids = script("results/hybrids")
    states = []
    for scheme in hybrids.SCHEMES.values():
        torch.manual_seed(0)
        states.append(scheme.decoder(20, layers=8, dim=8, heads=2).state_dict())
    for state in states:
        assert state.keys() == states[0].keys()
        assert all(torch.equal(state[name], states[0][name]) for name in state)


def test_hybrids_keeps_the_rows_it_has(
    script,  # type: ignore[no-untyped-def]
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hybrids = script("results/hybrids")
    kept = {name: hybrids.SCHEMES[name] for name in ("full", "5:1")}
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)
    monkeypatch.setattr(hybrids, "SCHEMES", kept)
    monkeypatch.setattr(hybrids, "SEEDS", [1])
    monkeypatch.setattr(hybrids, "STEPS", {"clue": 1, "text": 1})
    monkeypatch.setattr(sys, "argv", ["hybrids.py", "--out", str(tmp_path)])
    hybrids.main()
    table = tmp_path / "results" / "08_hybrids.csv"
    lines = table.read_text().splitlines()
    assert lines[0] == "task,scheme,seed,steps,pairs,quality,torch" and len(lines) == 5
    table.write_text("\n".join([lines[0], "clue,full,1,1,16640,0.5000,mine", *lines[3:]]) + "\n")
    hybrids.main()
    again = table.read_text().splitlines()
    assert again[1].endswith("mine") and again[2:4] == lines[3:] and len(again) == 5
    assert again[4] == lines[2]  # the missing row came out as before
