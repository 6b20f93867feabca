"""Draw README's picture: the mechanisms of the course as rules of who may look at whom.

`make picture` writes `docs/mechanisms.png`. The masks are those of the library; the sentence that
describes the picture is printed, and README carries it as its alternative text.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from attn_lib import (
    Mask,
    causal,
    dilated,
    documents,
    full,
    global_tokens,
    padding,
    plots,
    prefix,
    window,
)

PICTURE = Path(__file__).resolve().parent / "mechanisms.png"
TOKENS, QUERY = 12, 6
SEEN, HIDDEN = "#8E7BB0", "#EEEEF2"
PACKED = documents([0] * 3 + [1] * 5 + [2] * 4)
# name, lesson, number of queries, rule, what the drawn rule is called when it says too much
MASKS: list[tuple[str, str, int, Mask, str]] = [
    ("Self-attention", "02", TOKENS, full, ""),
    ("Causal", "05", TOKENS, causal, ""),
    ("Cross-attention", "06", 9, padding([[True] * 10 + [False] * 2]), "padding(keep)"),
    ("Sliding window", "07", TOKENS, causal & window(4), ""),
    ("Dilated window", "07", TOKENS, causal & dilated(4, 2), ""),
    (
        "Global and local",
        "08",
        TOKENS,
        causal & (window(3) | global_tokens(2)),
        "causal & (window(3)\n  | global_tokens(2))",
    ),
    ("Prefix", "08", TOKENS, causal | prefix(8), ""),
    ("Documents", "08", TOKENS, causal & PACKED, "causal & documents(ids)"),
]


def draw(ax: Axes, name: str, lesson: str, n: int, mask: Mask, rule: str) -> str:
    """One rule in squares, the row of one query picked out; its name and what that query sees."""
    seen = mask.dense(n, TOKENS, batch=mask.fixes.get("batch", 1))[0, 0]
    for i in range(n):
        for j in range(TOKENS):
            color = SEEN if seen[i, j] else HIDDEN
            if seen[i, j] and i == QUERY:
                color = plots.KEY
            square(ax, j, i, color)
    square(ax, -1.6, QUERY, plots.QUERY)
    ax.set(xlim=(-2.4, TOKENS), ylim=(TOKENS - 0.1, -3.5), aspect="equal")
    ax.axis("off")
    ax.text(-0.4, -2.75, name, fontsize=12, fontweight="bold", color=plots.INK, va="center")
    ax.text(TOKENS - 0.6, -2.75, lesson, fontsize=10, color="#777777", ha="right", va="center")
    style = {"fontsize": 8, "family": "monospace", "color": "#555555", "linespacing": 1.1}
    ax.text(-0.4, -2.2, rule or repr(mask), va="top", **style)
    return f"{name} {int(seen[QUERY].sum())}"


def square(ax: Axes, x: float, y: float, color: str) -> None:
    """One rounded cell."""
    style = "round,pad=0,rounding_size=0.16"
    ax.add_patch(FancyBboxPatch((x - 0.42, y - 0.42), 0.84, 0.84, boxstyle=style, fc=color, lw=0))


def picture() -> tuple[Figure, str]:
    """The picture and its description."""
    fig = Figure(figsize=(9.2, 5.75), facecolor="white")
    axes = fig.subplots(2, 4)
    told = [draw(ax, *one) for ax, one in zip(axes.flat, MASKS, strict=True)]
    fig.subplots_adjust(0.0, 0.06, 0.99, 1.0, wspace=0.04, hspace=0.06)
    legend(fig)
    description = (
        f"Eight rules of who may look at whom, drawn as squares. Of {TOKENS} keys, the query that "
        f"is picked out sees: {', '.join(told)}."
    )
    return fig, description


def legend(fig: Figure) -> None:
    """One line under the picture that says what its colours mean."""
    ax = fig.add_axes((0.0, 0.0, 1.0, 0.055))
    ax.set(xlim=(0, 120), ylim=(0, 5.5))
    ax.axis("off")
    x = 14.0
    for color, word in (
        (plots.QUERY, "one query"),
        (plots.KEY, "the keys it may look at"),
        (SEEN, "what the other queries may look at"),
        (HIDDEN, "hidden"),
    ):
        ax.add_patch(FancyBboxPatch((x, 2.4), 1.3, 1.3, boxstyle="round,pad=0,rounding_size=0.25",
                                    fc=color, lw=0))  # fmt: skip
        ax.text(x + 2.2, 3.0, word, fontsize=9.5, color=plots.INK, va="center")
        x += 6.0 + 1.1 * len(word)


if __name__ == "__main__":
    drawn, words = picture()
    drawn.savefig(PICTURE, dpi=200, metadata={"Software": None})
    print(words)
