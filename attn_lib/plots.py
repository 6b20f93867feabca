"""Figures of the course: one palette, labelled axes, and a description made from the data.

Every drawing function returns its axes and leaves a sentence about what it drew; `show(fig)` puts
these sentences beside the picture, for screen readers and for tests. pyplot is imported when the
first figure is drawn, not before.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .masks import Mask

QUERY, KEY, VALUE, RESULT = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
HIDDEN, INK = "#E6E6E6", "#222222"
SERIES = (QUERY, KEY, VALUE, RESULT, "#E69F00", "#56B4E9", "#000000")
_DARK = "#3B0F5C"  # the dark end of the weights' scale, which starts at white
_STYLE: Any = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "font.family": "DejaVu Sans",
    "hatch.linewidth": 0.4,
    "lines.linewidth": 1.8,
}
_MARKERS = "osD^vPX"
_ALT = "attn_lib description"


def figure(
    rows: int = 1, cols: int = 1, *, width: float = 7.0, height: float = 3.2, **options: Any
) -> tuple[Any, Any]:
    """A figure in the course's style, in inches, and its axes (as from plt.subplots)."""
    import matplotlib.pyplot as plt

    plt.rcParams.update(_STYLE)
    fig, axes = plt.subplots(rows, cols, figsize=(width, height), layout="constrained", **options)
    return fig, axes


def show(fig: Any, alt: str | None = None) -> None:
    """Display a figure as a PNG whose text form is its description, then close it.

    alt: what a reader who cannot see the picture needs, made from the data. Without it the
    sentences of this module's drawing functions are used; ValueError if there are none.
    Outside Jupyter the figure opens in a window, where there is one.
    """
    text = alt or " ".join(filter(None, (getattr(ax, _ALT, "") for ax in fig.axes)))
    if not text.strip():
        raise ValueError("alt: expected a description of the figure, got none; say what it shows")
    width = round(fig.get_figwidth() * 96)
    picture = png(fig)
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return
    if get_ipython() is not None:
        from IPython.display import publish_display_data

        publish: Any = publish_display_data
        data = {"image/png": base64.b64encode(picture).decode(), "text/plain": text}
        publish(data, {"image/png": {"width": width}})


def png(fig: Any) -> bytes:
    """A figure as the bytes of a PNG, the same on every call; the figure is closed."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=144, metadata={"Software": None})
    plt.close(fig)
    return buffer.getvalue()


def attention_map(
    weights: Any,
    queries: Sequence[str],
    keys: Sequence[str] | None = None,
    *,
    ax: Any = None,
    title: str = "",
    allowed: Any = None,
    numbers: bool | None = None,
    trained: bool = False,
) -> Any:
    """Weights (n, m) from white (0) to dark (1), queries down the side, keys along the top.

    allowed: (n, m) bool; cells that are False are grey and hatched. numbers: write the weights into
    the cells (up to 8 by 8 unless said otherwise). trained: the numbers come out of a training run,
    so the description marks them with ≈.
    """
    table = _array(weights)
    keys = queries if keys is None else keys
    _expect_shape("weights", table, (len(queries), len(keys)))
    ax = _axes(ax, 1.6 + 0.45 * len(keys), 1.3 + 0.36 * len(queries))
    ax.imshow(table, cmap=weights_cmap(), vmin=0, vmax=max(1.0, float(table.max())), aspect="auto")
    _grid(ax, queries, keys, title)
    hidden = np.zeros(table.shape, bool) if allowed is None else ~_array(allowed).astype(bool)
    _hatch(ax, hidden)
    if numbers if numbers is not None else max(table.shape) <= 8:
        _write_numbers(ax, np.where(hidden, np.nan, table), threshold=0.55)
    best = table.argmax(axis=1)
    rows = (f"{q} → {keys[j]} {row[j]:.2f}" for q, row, j in zip(queries, table, best, strict=True))
    size = f"{len(queries)} queries by {len(keys)} keys"
    _describe(ax, f"{title or 'Attention map'}: {size}. ", "Largest weights: ", rows, trained)
    return ax


def mask_map(
    mask: Mask | Any,
    n: int = 8,
    m: int | None = None,
    *,
    ax: Any = None,
    title: str | None = None,
    labels: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Any:
    """Who may look at whom: a dark cell where the query may attend, grey and hatched elsewhere.

    mask: a `Mask` (drawn for n queries and m keys, example 0, head 0) or a bool array (n, m).
    """
    if isinstance(mask, Mask):
        batch, heads = mask.fixes.get("batch", 1), mask.fixes.get("heads", 1)
        table = _array(mask.dense(n, m, batch=batch, heads=heads)[0, 0])
        title = repr(mask) if title is None else title
    else:
        table = _array(mask)
    if table.dtype != bool or table.ndim != 2:
        raise TypeError(f"mask: expected a Mask or bool (n, m), got {table.dtype} {table.shape}")
    ax = _axes(ax, 1.2 + 0.2 * table.shape[1], 1.0 + 0.2 * table.shape[0])
    ax.imshow(np.where(table, 0.78, 0.0), cmap=weights_cmap(), vmin=0, vmax=1, aspect="equal")
    rows, columns = labels or tuple([str(i) for i in range(size)] for size in table.shape)
    _grid(ax, rows, columns, title or "")
    _hatch(ax, ~table)
    for edge in range(1, max(table.shape)):
        ax.axhline(edge - 0.5, color="white", linewidth=0.8)
        ax.axvline(edge - 0.5, color="white", linewidth=0.8)
    ax.set(xlim=(-0.5, table.shape[1] - 0.5), ylim=(table.shape[0] - 0.5, -0.5))
    counts = table.sum(axis=1)
    seen = f"a query sees {counts.min()} to {counts.max()} keys"
    name = title or "Mask"
    _note(ax, f"{name}: {table.shape[0]} queries by {table.shape[1]} keys, {seen}.")
    return ax


def matrix(
    values: Any,
    *,
    ax: Any = None,
    name: str = "",
    color: str = INK,
    rows: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    form: str = "{:.2f}",
) -> Any:
    """A small matrix with its numbers inside, tinted in `color`, and its shape in the title."""
    from matplotlib.colors import LinearSegmentedColormap

    table = _array(values)
    if table.ndim != 2:
        raise ValueError(f"values: expected a matrix (rows, columns), got shape {table.shape}")
    ax = _axes(ax, 1.0 + 0.55 * table.shape[1], 0.9 + 0.38 * table.shape[0])
    size = np.abs(table) / max(float(np.abs(table).max()), 1e-12)
    tint = LinearSegmentedColormap.from_list("tint", ["white", color])
    ax.imshow(size * 0.55, cmap=tint, vmin=0, vmax=1, aspect="auto")
    _grid(ax, rows or [""] * table.shape[0], columns or [""] * table.shape[1], "", axes=("", ""))
    _write_numbers(ax, table, threshold=np.inf, form=form)
    ax.set_title(f"{name}  ({table.shape[0]}, {table.shape[1]})", color=color, fontsize=10)
    body = "; ".join(" ".join(form.format(x) for x in row) for row in table)
    _note(ax, f"Matrix {name} of shape {table.shape[0]} by {table.shape[1]}: {body}.")
    return ax


def curves(
    x: Sequence[float],
    series: Mapping[str, Any],
    *,
    ax: Any = None,
    title: str = "",
    xlabel: str = "",
    ylabel: str = "",
    log: str = "",
    colors: Mapping[str, str] | None = None,
    spread: Mapping[str, tuple[Any, Any]] | None = None,
    trained: bool = False,
) -> Any:
    """One line per series over x, with markers told apart without colour.

    log: the axes on a logarithmic scale, of "", "x", "y", "xy". spread: name -> (low, high), drawn
    as a band. trained: the numbers differ by machine, so the description marks them with ≈.
    """
    ax = _axes(ax, 7.0, 3.4)
    parts = []
    for index, (name, values) in enumerate(series.items()):
        y = _array(values)
        _expect_shape(f"series {name!r}", y, (len(x),))
        color = (colors or {}).get(name, SERIES[index % len(SERIES)])
        ax.plot(x, y, label=name, color=color, marker=_MARKERS[index % len(_MARKERS)], markersize=4)
        if spread and name in spread:
            low, high = (_array(edge) for edge in spread[name])
            ax.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
        parts.append(f"{name} from {y[0]:.3g} to {y[-1]:.3g}")
    if "x" in log:
        ax.set_xscale("log", base=2)
        ax.set_xticks(list(x), [f"{value:,g}" for value in x])
    if "y" in log:
        ax.set_yscale("log")
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.grid(alpha=0.25, linewidth=0.6)
    if len(series) > 1:
        ax.legend()
    span = f"{ylabel} against {xlabel} from {x[0]:g} to {x[-1]:g}"
    _describe(ax, f"{title or 'Curves'}: {span}. ", "", parts, trained)
    return ax


def weights_cmap() -> Any:
    """The colour scale of all attention weights: white for 0, one dark hue for 1."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("weights", ["white", "#B9A3CF", _DARK])


def _array(values: Any) -> np.ndarray[Any, Any]:
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() else values
    return np.asarray(values)


def _expect_shape(name: str, table: np.ndarray[Any, Any], shape: tuple[int, ...]) -> None:
    if table.shape != shape:
        raise ValueError(f"{name}: expected shape {shape} to match the labels, got {table.shape}")


def _axes(ax: Any, width: float, height: float) -> Any:
    return figure(width=min(width, 9.0), height=min(height, 7.0))[1] if ax is None else ax


def _grid(
    ax: Any,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    axes: tuple[str, str] = ("queries ↓", "keys →"),
) -> None:
    crowded = max(map(len, columns), default=0) > 4 and len(columns) > 4
    ax.set_xticks(range(len(columns)), columns, rotation=45 if crowded else 0)
    if crowded:
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("left")
    ax.set_yticks(range(len(rows)), rows)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.tick_params(length=0)
    ax.set_xlabel(axes[1], color=KEY)
    ax.set_ylabel(axes[0], color=QUERY)
    ax.set_title(title)
    for side in ax.spines.values():
        side.set_visible(True)
        side.set_color("#BBBBBB")


def _hatch(ax: Any, hidden: np.ndarray[Any, Any]) -> None:
    from matplotlib.patches import Rectangle

    for i, j in zip(*np.nonzero(hidden), strict=True):
        ax.add_patch(
            Rectangle(
                (j - 0.5, i - 0.5), 1, 1, facecolor=HIDDEN, edgecolor="#B5B5B5", hatch="////", lw=0
            )
        )


def _write_numbers(
    ax: Any, table: np.ndarray[Any, Any], threshold: float, form: str = "{:.2f}"
) -> None:
    for (i, j), value in np.ndenumerate(table):
        if np.isnan(value):  # hidden: nothing to read there
            continue
        color = "white" if value > threshold else INK
        ax.text(j, i, form.format(value), ha="center", va="center", fontsize=8.5, color=color)


def _describe(ax: Any, head: str, lead: str, parts: Any, trained: bool) -> None:
    _note(ax, head + lead + ("≈ " if trained else "") + "; ".join(parts) + ".")


def _note(ax: Any, text: str) -> None:
    setattr(ax, _ALT, text)
