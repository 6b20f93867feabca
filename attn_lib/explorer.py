"""The interactive view: touch a token, see where it looks and who looks at it, read the numbers.

`explore(tokens, weights)` makes one piece of HTML with its script, its style and its data inside:
it works without a network and without a kernel. Where scripts are taken out (a notebook that is not
trusted yet, GitHub) a picture with a description stands in. The page itself is `explorer.html`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from . import plots

TEMPLATE = Path(__file__).with_name("explorer.html")
STEPS = 65534  # a weight is stored as a whole number of 1/65534, in two bytes
HIDDEN = 65535  # what stands for a cell where the query may not attend
LONGEST = 64  # tokens on a side: more do not fit a page with their names
MOST = 2_000_000  # numbers in one view: 4 MB, above it a page opens slowly
_Table = np.ndarray[Any, Any]


def explore(
    tokens: Sequence[str],
    weights: Any,
    *,
    keys: Sequence[str] | None = None,
    frames: Sequence[Any] | None = None,
    frame_name: str = "",
    layers: Sequence[Any] | None = None,
    heads: Sequence[Any] | None = None,
    allowed: Any = None,
    start: Mapping[str, int] | None = None,
    title: str = "",
    trained: bool = False,
) -> Explorer:
    """An interactive view of attention weights; as the last line of a cell it shows itself.

    tokens: the n tokens that look. weights: array, tensor or list of tensors, of shape (n, m) for
    one map, (heads, n, m), or (layers, heads, n, m); rows along the keys, from 0 to 1.
    keys: the m tokens looked at, where they are others than `tokens` (cross-attention).
    frames: names of a further axis in front of all others, which gets a slider, and frame_name what
    the slider moves: `frames=[0, 1, 4], frame_name="sharpness"` with weights (3, n, m).
    layers, heads: names to choose by, counted from 0 unless given.
    allowed: bool, the shape of weights or broadcast to it; False cells are grey and hatched.
    start: what is shown first, as places: {"frame": 2, "layer": 0, "head": 5, "query": 4}.
    title: one sentence, what there is to see. trained: the numbers come out of a training run, so
    the description marks them with ≈.

    A row may sum to less than 1 (a sink takes the rest) or to 0 (a query that may attend to
    nothing). Raises ValueError where a weight is not finite, is negative, or a row sums to more
    than 1.01, and where names and shapes do not fit each other.
    """
    queries = _tokens("tokens", tokens)
    others = queries if keys is None else _tokens("keys", keys)
    table = _table(weights)
    front = [] if frames is None else [len(frames)]
    full = _full(table, len(queries), len(others), front)
    _check_weights(full)
    start = dict(start or {})
    sizes = dict(zip(("frame", "layer", "head", "query"), full.shape, strict=False))
    for name, place in start.items():
        if name not in sizes:
            raise ValueError(f"start: expected the names {', '.join(sizes)}, got {name!r}")
        if not 0 <= place < sizes[name]:
            raise ValueError(f"start: expected {name} from 0 to {sizes[name] - 1}, got {place}")
    return Explorer(
        queries=queries,
        keys=others,
        weights=np.where(_allowed(allowed, table, full), full, np.nan),
        frames=_names("frames", frames, full.shape[0]),
        frame_name=frame_name or "frame",
        layers=_names("layers", layers, full.shape[1]),
        heads=_names("heads", heads, full.shape[2]),
        start={name: start.get(name, 0) for name in sizes},
        same=keys is None,
        title=title,
        trained=trained,
    )


@dataclass(frozen=True, eq=False)
class Explorer:
    """What `explore` returns: it shows itself in Jupyter; `html` is the view, `str()` its words.

    weights: (frames, layers, heads, n, m) in float64, NaN where a query may not attend.
    """

    queries: list[str]
    keys: list[str]
    weights: _Table = field(repr=False)
    frames: list[str]
    frame_name: str
    layers: list[str]
    heads: list[str]
    start: dict[str, int]
    same: bool
    title: str
    trained: bool

    def __repr__(self) -> str:
        """What the view holds, and the largest weight of each query in the map shown first."""
        _, layers, heads, n, m = self.weights.shape
        size = f"{n} queries by {m} keys"
        if layers > 1:
            size += f", {layers} layers of {heads} heads"
        elif heads > 1:
            size += f", {heads} heads"
        if len(self.frames) > 1:
            size += f", {self.frame_name} from {self.frames[0]} to {self.frames[-1]}"
        rows = []
        for query, row in zip(self.queries, self._first, strict=True):
            if np.nansum(row) == 0:
                rows.append(f"{query} → nothing")
            else:
                best = int(np.nanargmax(row))
                rows.append(f"{query} → {self.keys[best]} {row[best]:.2f}")
        about = "≈ " if self.trained else ""
        name = self.title or "Attention explorer"
        shown = f"Largest weights{self._where}: "
        return f"{name}: {size}. {shown}{about}{'; '.join(rows)}."

    def _repr_html_(self) -> str:
        return self.html

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        data = {
            "text/html": self.html,
            "image/png": base64.b64encode(self.picture).decode(),
            "text/plain": repr(self),
        }
        return data, {"image/png": {"width": self._width}}

    @cached_property
    def html(self) -> str:
        """The whole view: picture, data, style and script in one element."""
        text = repr(self)
        labels = json.dumps([text.partition("≈")[0], self.queries, self.keys, self.weights.shape])
        parts = {
            "ID": hashlib.sha256(labels.encode()).hexdigest()[:12],
            "ALT": html.escape(text),
            "WIDTH": str(self._width),
            "PNG": base64.b64encode(self.picture).decode(),
            "DATA": self._data,
        }
        page = TEMPLATE.read_text(encoding="utf-8")
        return re.sub(r"\{\{([A-Z]+)\}\}", lambda mark: parts[mark[1]], page).strip()

    @cached_property
    def picture(self) -> bytes:
        """The map shown first as a PNG, drawn when it is asked for."""
        n, m = self._first.shape
        width = min(2.2 + 0.5 * m, 9.0)
        fig, ax = plots.figure(width=width, height=min(1.7 + 0.38 * n, 8.0))
        lines = [self.title or "Attention weights", self._where.strip(" ()")]
        wrapped = [textwrap.fill(line, round(11 * width)) for line in lines if line]
        plots.attention_map(
            np.nan_to_num(self._first),
            [_label(token) for token in self.queries],
            [_label(token) for token in self.keys],
            ax=ax,
            title=_plain("\n".join(wrapped)),
            allowed=~np.isnan(self._first),
        )
        return plots.png(fig)

    @property
    def _width(self) -> int:
        """Pixels on the page: the header of a PNG holds its own width at 144 dpi."""
        return round(int.from_bytes(self.picture[16:20], "big") * 96 / 144)

    @property
    def _first(self) -> _Table:
        """The map shown first (n, m)."""
        return self.weights[self.start["frame"], self.start["layer"], self.start["head"]]

    @property
    def _where(self) -> str:
        """Which frame, layer and head are shown first, where there is a choice."""
        choices = (
            (self.frame_name, self.frames, self.start["frame"]),
            ("layer", self.layers, self.start["layer"]),
            ("head", self.heads, self.start["head"]),
        )
        named = [f"{name} {names[place]}" for name, names, place in choices if len(names) > 1]
        return f" ({', '.join(named)})" if named else ""

    @property
    def _data(self) -> str:
        """The data as JSON that no HTML parser can misread; the weights in base64."""
        steps = np.rint(np.clip(np.nan_to_num(self.weights), 0.0, 1.0) * STEPS)
        stored = np.where(np.isnan(self.weights), HIDDEN, steps).astype("<u2")
        data = {
            "about": "≈" if self.trained else "",  # first: what follows on this line varies
            "title": self.title,
            "queries": self.queries,
            "keys": self.keys,
            "same": self.same,
            "frames": self.frames,
            "frame_name": self.frame_name,
            "layers": self.layers,
            "heads": self.heads,
            "start": self.start,
            "weights": base64.b64encode(stored.tobytes()).decode(),
        }
        text = json.dumps(data, ensure_ascii=False)
        for sign in "<>&\u2028\u2029":
            text = text.replace(sign, f"\\u{ord(sign):04x}")
        return text


def _tokens(name: str, tokens: Sequence[str]) -> list[str]:
    if isinstance(tokens, str):
        raise ValueError(
            f"{name}: expected a list of strings, got one string; cut it with text.split() "
            "or list(text)"
        )
    found = [str(token) for token in tokens]
    if not 1 <= len(found) <= LONGEST:
        raise ValueError(f"{name}: expected 1 to {LONGEST} tokens, got {len(found)}; show a part")
    return found


def _table(weights: Any) -> _Table:
    """Weights as one array, a list of tensors stacked."""
    if isinstance(weights, Sequence) and weights and not isinstance(weights[0], Sequence):
        shapes = {tuple(np.shape(one)) for one in weights}
        if len(shapes) > 1:
            raise ValueError(f"weights: expected parts of one shape, got {sorted(shapes)}")
        return np.stack([plots._array(one) for one in weights])
    return plots._array(weights)


def _full(table: _Table, n: int, m: int, front: list[int]) -> _Table:
    """Weights as (frames, layers, heads, n, m)."""
    forms = {2: "(n, m)", 3: "(heads, n, m)", 4: "(layers, heads, n, m)"}
    depth = table.ndim - len(front)
    if depth not in forms:
        ahead = " with the frames in front" if front else ""
        raise ValueError(
            f"weights: expected {', '.join(forms.values())}{ahead}, got shape {table.shape}; "
            "take one example of a batch, and name an axis of frames with frames=[...]"
        )
    if front and table.shape[0] != front[0]:
        raise ValueError(
            f"frames: expected one name for each of {table.shape[0]} frames, the first axis of "
            f"weights, got {front[0]}"
        )
    if table.shape[-2:] != (n, m):
        raise ValueError(
            f"weights: expected (..., {n}, {m}) for {n} queries and {m} keys, got shape "
            f"{table.shape}; name the tokens looked at with keys=[...] where they are others"
        )
    if not table.size:
        raise ValueError(f"weights: expected at least one map, got shape {table.shape}")
    if table.size > MOST:
        raise ValueError(
            f"weights: expected at most {MOST:,} numbers, got {table.size:,}; show fewer tokens, "
            "heads or frames"
        )
    middle = table.shape[len(front) : -2]
    return table.astype(np.float64).reshape(*(front or [1]), *[1] * (4 - depth), *middle, n, m)


def _check_weights(full: _Table) -> None:
    def refuse(bad: _Table, expected: str, remedy: str, shown: _Table) -> None:
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            raise ValueError(
                f"weights: expected {expected}, got {shown[place]:.4g} at {place} of (frame, "
                f"layer, head, query{', key' if len(place) == 5 else ''}); {remedy}"
            )

    refuse(
        ~np.isfinite(full),
        "finite numbers",
        "a row that may attend to nothing is all 0, and hidden cells go into allowed=",
        full,
    )
    refuse(full < 0, "weights of 0 or more", "give weights, after the softmax, not scores", full)
    sums = full.sum(-1)
    remedy = "was the softmax taken along the queries? it runs along the keys, the last axis"
    refuse(sums > 1.01, "rows that sum to at most 1", remedy, sums)


def _allowed(allowed: Any, table: _Table, full: _Table) -> _Table:
    """Which cells a query may attend to, in the shape of `full`."""
    if allowed is None:
        return np.ones(full.shape, bool)
    given = plots._array(allowed)
    if given.dtype != bool:
        raise ValueError(
            f"allowed: expected bool, True where a query may attend, got {given.dtype}"
        )
    try:
        shaped = np.broadcast_to(given, table.shape if given.ndim <= table.ndim else full.shape)
    except ValueError:
        raise ValueError(
            f"allowed: expected a shape that broadcasts to {table.shape}, that of weights, got "
            f"{given.shape}"
        ) from None
    shaped = shaped.reshape(full.shape)
    if (full[~shaped] > 0.005).any():
        raise ValueError(
            "allowed: expected weights of 0 where it is False, got a larger one; is the mask "
            "inverted? True means may attend"
        )
    return shaped


def _names(name: str, given: Sequence[Any] | None, count: int) -> list[str]:
    if given is None:
        return [str(i) for i in range(count)]
    if isinstance(given, str) or len(given) != count:
        got = "one string" if isinstance(given, str) else len(given)
        raise ValueError(f"{name}: expected {count} names, one for each, got {got}")
    return [f"{one:g}" if isinstance(one, int | float) else str(one) for one in given]


def _label(token: str) -> str:
    """A token as a label of the picture: white space made visible, cut where it is long."""
    shown = token.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥") or "∅"
    return _plain(shown if len(shown) <= 14 else shown[:13] + "…")


def _plain(text: str) -> str:
    """Text in which matplotlib finds no formula."""
    return text.replace("$", r"\$")
