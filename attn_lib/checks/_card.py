"""The HTML card of a report, and small drawings of a matrix: readable on light and dark pages.

No ids, no times, no style sheet: the same report gives the same text on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

_EDGE = {True: "#009E73", False: "#D55E00", None: "#999999"}
_CONVENTION = "#0072B2"
LARGEST = 12


@dataclass(frozen=True)
class Picture:
    """Expected and yours, side by side; rows and columns are named."""

    expected: np.ndarray
    yours: np.ndarray
    rows: str
    columns: str

    @property
    def description(self) -> str:
        """The two matrices in words of squares or numbers, for text and screen readers."""
        left, right = _text(self.expected), _text(self.yours)
        width = max(len("expected"), *(len(line) for line in left))
        lines = [f"{'expected':<{width}}   yours"]
        lines += [f"{a:<{width}}   {b}" for a, b in zip(left, right, strict=True)]
        return "\n".join([*lines, f"{self.rows} down, {self.columns} across"])

    def __str__(self) -> str:
        return self.description

    __repr__ = __str__


def picture(want: object, got: object, rows: str, columns: str) -> Picture | None:
    """The first matrix of each, when both have the same shape and are small."""
    if not isinstance(want, np.ndarray) or not isinstance(got, np.ndarray):
        return None
    if want.shape != got.shape or want.ndim < 2 or max(want.shape[-2:]) > LARGEST:
        return None
    first = (0,) * (want.ndim - 2)
    return Picture(want[first], got[first], rows, columns)


def html(
    name: str,
    headline: str,
    passed: bool | None,
    convention: bool,
    lines: Sequence[tuple[str, str]],
    drawing: Picture | None,
) -> str:
    """The card."""
    edge = _CONVENTION if convention else _EDGE[passed]
    body = [f"<div><code>{escape(name)}</code>: <b>{escape(headline)}</b></div>"]
    for label, text in lines:
        start = f"<b>{escape(label)}:</b> " if label else ""
        body.append(f'<div style="margin-top:4px">{start}{_code(text)}</div>')
    if drawing is not None:
        body.append(_side_by_side(drawing))
    return (
        f'<div style="border:1px solid rgba(128,128,128,.4);border-left:5px solid {edge};'
        f'border-radius:4px;padding:8px 12px;max-width:44em">{"".join(body)}</div>'
    )


def _code(text: str) -> str:
    """Escaped, with `code` between backticks set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _side_by_side(drawing: Picture) -> str:
    finite = drawing.expected[np.isfinite(drawing.expected)]
    top = max(1.0, float(finite.max())) if finite.size else 1.0
    parts = [
        f'<div style="display:inline-block;margin:8px 24px 0 0;vertical-align:top">'
        f"<div>{title}</div>{_squares(matrix, top)}</div>"
        for title, matrix in (("expected", drawing.expected), ("yours", drawing.yours))
    ]
    axes = f"{escape(drawing.rows)} ↓ &nbsp; {escape(drawing.columns)} →"
    label = escape(drawing.description, quote=True).replace("\n", "; ")
    return f'<div role="img" aria-label="{label}">{"".join(parts)}<div>{axes}</div></div>'


def _squares(matrix: np.ndarray, top: float) -> str:
    rows = "".join(
        f'<div style="height:22px;white-space:nowrap">{"".join(_square(x, top) for x in row)}</div>'
        for row in matrix
    )
    return f'<div style="line-height:20px;font-size:10px">{rows}</div>'


def _square(value: np.generic, top: float) -> str:
    finite = bool(np.isfinite(value))
    strength = min(1.0, max(0.0, float(value) / top)) if finite else 0.0
    ink = "#fff" if strength > 0.9 else "inherit"
    text = "" if _is_bool(value) else escape(_number(value))
    return (
        '<span style="display:inline-block;width:34px;height:20px;margin:0 1px 1px 0;'
        "box-sizing:border-box;text-align:center;vertical-align:top;overflow:hidden;"
        f"border:1px solid rgba(128,128,128,.5);color:{ink};"
        f'background:rgba(0,114,178,{strength:.2f})">{text}</span>'
    )


def _is_bool(value: np.generic) -> bool:
    return isinstance(value, np.bool_)


def _number(value: np.generic) -> str:
    x = float(value)
    if not np.isfinite(x):
        return "NaN" if np.isnan(x) else ("∞" if x > 0 else "-∞")
    text = f"{x:.2f}" if abs(x) < 100 else f"{x:.0f}"
    return text.replace("-0.00", "0.00")


def _text(matrix: np.ndarray) -> list[str]:
    if matrix.dtype == bool:
        return ["".join("#" if x else "." for x in row) for row in matrix]
    return [" ".join(f"{_number(x):>5}" for x in row) for row in matrix]
