"""Figures: what they say of themselves, and what they refuse."""

import io
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
import torch
from IPython.core import getipython, interactiveshell
from IPython.utils import capture

from attn_lib import causal, documents, padding, plots, window

TOKENS = ["it", "is", "red"]
WEIGHTS = torch.tensor([[0.2, 0.7, 0.1], [0.3, 0.3, 0.4], [0.0, 0.0, 1.0]])


@pytest.fixture(autouse=True)
def close_all():
    yield
    plt.close("all")


def said(ax):
    return getattr(ax, plots._ALT)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_attention_map_labels_numbers_and_description():
    ax = plots.attention_map(WEIGHTS, TOKENS, title="A map")
    assert [t.get_text() for t in ax.get_yticklabels()] == TOKENS
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("queries ↓", "keys →")
    assert texts(ax) == [f"{w:.2f}" for w in WEIGHTS.flatten().tolist()]
    assert said(ax) == (
        "A map: 3 queries by 3 keys. Largest weights: it → is 0.70; is → red 0.40; red → red 1.00."
    )


def test_attention_map_of_two_sequences_is_not_square():
    ax = plots.attention_map(WEIGHTS[:2], TOKENS[:2], ["a", "b", "c"], numbers=False)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "c"]
    assert texts(ax) == []


def test_trained_numbers_stand_behind_the_sign():
    text = said(plots.attention_map(WEIGHTS, TOKENS, trained=True))
    assert "0.70" not in text.partition("≈")[0]
    assert "0.70" in text.partition("≈")[2]


def test_hidden_cells_are_hatched_one_by_one():
    allowed = causal.dense(3)[0, 0]
    ax = plots.attention_map(WEIGHTS, TOKENS, allowed=allowed)
    cells = {(p.get_x() + 0.5, p.get_y() + 0.5) for p in ax.patches}
    assert cells == {(1, 0), (2, 0), (2, 1)}  # (key, query): above the diagonal
    assert all(p.get_hatch() for p in ax.patches)
    assert len(texts(ax)) == 6  # no number where nobody may look


def test_many_long_labels_are_turned():
    names = [f"token{i}" for i in range(9)]
    ax = plots.attention_map(torch.eye(9), names)
    assert ax.get_xticklabels()[0].get_rotation() == 45
    assert texts(ax) == []  # nine by nine is too many for numbers


@pytest.mark.parametrize("weights", [torch.ones(3, 2), torch.ones(2, 3), torch.ones(3)])
def test_attention_map_refuses_labels_that_do_not_fit(weights):
    with pytest.raises(ValueError, match=r"weights: expected shape \(3, 3\)"):
        plots.attention_map(weights, TOKENS)


def test_mask_map_of_a_mask_and_of_a_table_agree():
    mask = causal & window(2)
    drawn, table = plots.mask_map(mask, 5), plots.mask_map(mask.dense(5)[0, 0], title="same")
    assert said(drawn) == "causal & window(2): 5 queries by 5 keys, a query sees 1 to 2 keys."
    assert said(table) == "same: 5 queries by 5 keys, a query sees 1 to 2 keys."
    assert len(drawn.patches) == len(table.patches) == 25 - 9


def test_mask_map_takes_its_sizes_from_the_mask():
    keep = torch.tensor([[True, True, False], [True, False, False]])
    assert "2 queries by 3 keys" in said(plots.mask_map(padding(keep), 2, 3))
    assert "3 queries by 3 keys" in said(plots.mask_map(documents([0, 0, 1]), 3))
    labels = (["q"], ["x", "y", "z"])
    ax = plots.mask_map(torch.tensor([[True, False, True]]), labels=labels)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["x", "y", "z"]
    assert said(ax).startswith("Mask: 1 queries by 3 keys")


@pytest.mark.parametrize("table", [torch.ones(3, 3), torch.ones(3, dtype=torch.bool)])
def test_mask_map_refuses_what_is_no_mask(table):
    with pytest.raises(TypeError, match="mask: expected a Mask or bool"):
        plots.mask_map(table)


def test_matrix_shows_its_shape_and_its_numbers():
    ax = plots.matrix(torch.tensor([[1.0, -2.0, 0.5]]), name="Q", color=plots.QUERY)
    assert texts(ax) == ["1.00", "-2.00", "0.50"]
    assert ax.get_title("left") == "Q  (1, 3)"
    assert said(ax) == "Matrix Q of shape 1 by 3: 1.00 -2.00 0.50."
    plots.matrix(torch.zeros(2, 2, dtype=torch.bfloat16), rows=["a", "b"], columns=["c", "d"])
    with pytest.raises(ValueError, match="expected a matrix"):
        plots.matrix([1.0, 2.0])


def test_curves_scales_bands_and_description():
    series = {"plain": [1.0, 4.0, 16.0], "local": [2.0, 4.0, 8.0]}
    ax = plots.curves(
        [1, 2, 4], series, title="Cost", xlabel="n", ylabel="ms", log="xy",
        colors={"plain": "#123456"}, spread={"local": ([1, 3, 7], [3, 5, 9])},
    )  # fmt: skip
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.lines[0].get_color() == "#123456"
    assert len(ax.collections) == 1  # the band
    assert said(ax) == "Cost: ms against n from 1 to 4. plain from 1 to 16; local from 2 to 8."
    plain = plots.curves([0, 1], {"one": [1, 2]}, trained=True)
    assert plain.get_legend() is None
    assert said(plain).partition("≈")[2] == " one from 1 to 2."
    with pytest.raises(ValueError, match="series 'short': expected shape"):
        plots.curves([1, 2], {"short": [1]})


def drawn():
    """One figure of every drawing function, crowded ones among them."""
    words = ["because", "stopped", "robot", "broke", "it", "the"]
    big = torch.eye(6)
    yield plots.attention_map(WEIGHTS, TOKENS, title="A map")
    yield plots.attention_map(big, words, allowed=causal.dense(6)[0, 0], title="Crowded")
    yield plots.mask_map(causal & window(3), 12)
    for color in (plots.QUERY, plots.KEY, plots.VALUE, plots.RESULT, plots.INK):
        yield plots.matrix(WEIGHTS * 3, name="M", color=color, rows=TOKENS, columns=TOKENS)
    for log in ("", "x", "y", "xy"):
        series = {"one": [1e-7, 1.0, 3e5], "two": [2.0, 3.0, 4.0]}
        yield plots.curves([1, 2, 4], series, log=log, title="T", xlabel="x", ylabel="y")
        yield plots.curves([1, 2, 4], {"flat": [2.0, 3.0, 4.0]}, log=log)


def test_no_text_is_too_small_or_too_pale():
    for ax in drawn():
        ax.figure.canvas.draw()
        legend = ax.get_legend()
        labels = [*ax.get_xticklabels(which="both"), *ax.get_yticklabels(which="both")]
        labels += [ax.xaxis.label, ax.yaxis.label, ax.title, *ax.texts]
        labels += [*ax.get_legend().get_texts()] if legend else []
        shown = [text for text in labels if text.get_text() and text.get_visible()]
        assert len(shown) > 5
        for text in shown:
            assert text.get_fontsize() >= plots.SMALLEST
            assert "^" not in text.get_text(), "an exponent is set in two thirds of the size"
            if text not in ax.texts:  # the numbers in the cells are not on white
                assert plots._contrast(text.get_color(), "white") >= 4.5


def test_the_numbers_read_on_every_shade():
    row = torch.linspace(0, 1, 8)[None]
    axes = [plots.attention_map(row, ["q"], list("abcdefgh"))]
    axes += [plots.matrix(row, color=color) for color in plots.SERIES]
    for ax in axes:
        [image] = ax.images
        colors = image.cmap(image.norm(image.get_array()))[0]
        for text, color in zip(ax.texts, colors, strict=True):
            assert plots._contrast(text.get_color(), color[:3]) >= 4.4


def test_logarithmic_ticks_are_plain_numbers():
    ax = plots.curves([1, 2], {"a": [1e-6, 1e4]}, log="y")
    ax.figure.canvas.draw()
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert {"1e-6", "0.01", "1", "10,000"} <= set(labels)


def test_a_figure_is_opaque_white_with_a_margin():
    ax = plots.curves([1, 2], {"a": [1, 2]}, title="T", xlabel="x", ylabel="y")
    pixels = plt.imread(io.BytesIO(plots.png(ax.figure)))
    assert (pixels[..., 3] == 1).all()
    for edge in (pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]):
        assert (edge == 1).all()


def test_show_publishes_the_picture_with_its_description(monkeypatch):
    shell = interactiveshell.InteractiveShell.instance()
    monkeypatch.setattr(getipython, "get_ipython", lambda: shell)
    fig, axes = plots.figure(1, 2)
    plots.matrix([[1.0]], ax=axes[0], name="A")
    plots.matrix([[2.0]], ax=axes[1], name="B")
    with capture.capture_output() as shown:
        plots.show(fig)
    [output] = shown.outputs
    assert (
        output.data["text/plain"]
        == "Matrix A of shape 1 by 1: 1.00. Matrix B of shape 1 by 1: 2.00."
    )
    assert output.data["image/png"].startswith("iVBOR")
    assert output.metadata["image/png"] == {"width": 672}
    assert plt.get_fignums() == []
    shell.clear_instance()


def test_show_needs_a_description_and_is_silent_outside_jupyter(capsys):
    fig, ax = plots.figure()
    ax.plot([1, 2])
    with pytest.raises(ValueError, match="alt: expected a description"):
        plots.show(fig)
    plots.show(fig, "a rising line")
    assert capsys.readouterr().out == ""


def test_pyplot_waits_for_the_first_figure():
    code = "import sys, attn_lib.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
