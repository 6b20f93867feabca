"""A forecaster of series: one causal decoder over measured values instead of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import Stack
from .config import TransformerConfig
from .masks import causal
from .training import fit


class Forecaster(nn.Module):
    """Values (b, n) -> forecasts (b, n, horizon): at each place the `horizon` values after it.

    A value enters as its distance from the first value of the window and from the value before it,
    in units of `scale`, so that a level never seen in training does no harm; it leaves as a change
    against the value at its place. Before training it is the naive forecast. Places see no later
    value.
    """

    def __init__(
        self, horizon: int, scale: float, *, dim: int = 32, heads: int = 4, layers: int = 1
    ) -> None:
        super().__init__()
        self.horizon, self.scale = horizon, scale
        self.enter = nn.Linear(2, dim)
        self.stack = Stack(TransformerConfig(vocab=1, dim=dim, heads=heads, layers=layers))
        self.leave = nn.Linear(dim, horizon)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, values: Tensor, *, return_weights: bool = False) -> Any:
        """Forecasts (b, n, horizon), then if asked the `Maps` of the stack."""
        x = values / self.scale
        seen = torch.stack([x - x[:, :1], torch.diff(x, dim=1, prepend=x[:, :1])], dim=-1)
        out = self.stack(self.enter(seen), mask=causal, return_weights=return_weights)
        out, *maps = out if isinstance(out, tuple) else (out,)
        forecasts = values[:, :, None] + self.scale * self.leave(out)
        return (forecasts, *maps) if maps else forecasts

    @torch.no_grad()
    def after(self, history: npt.ArrayLike, context: int) -> npt.NDArray[np.float64]:
        """The `horizon` values after the last `context` of `history` (t,)."""
        recent = torch.as_tensor(np.asarray(history)[-context:]).float()
        return self(recent[None])[0, -1].double().numpy()


def train_forecaster(
    series: npt.ArrayLike,
    *,
    context: int,
    horizon: int,
    steps: int,
    first: int = 1,
    batch: int = 32,
    lr: float = 3e-3,
    seed: int = 0,
    **sizes: int,
) -> Forecaster:
    """A `Forecaster` trained on all windows of `series` (n,), by the mean absolute error.

    A window is `context` values to read; forecasts count from its place `first` - 1 on, where so
    many values have been seen. Raises ValueError if the series has no whole window.
    """
    values = torch.as_tensor(np.asarray(series)).float()
    if values.ndim != 1 or len(values) < context + horizon or not 1 <= first <= context:
        raise ValueError(
            f"series, first: expected shape (n,) with n >= context + horizon = {context + horizon} "
            f"and 1 <= first <= context, got {tuple(values.shape)} and {first}"
        )
    changes = [(values[h:] - values[:-h]).var() for h in range(1, horizon + 1)]
    scale = float(torch.stack(changes).mean().sqrt())  # the typical size of what is forecast
    torch.manual_seed(seed)
    model = Forecaster(horizon, scale, **sizes)

    def loss(model: nn.Module, window: Tensor) -> Tensor:
        wanted = window.unfold(1, horizon, 1)[:, first : context + 1]  # (b, context - first + 1, h)
        return F.l1_loss(model(window[:, :context])[:, first - 1 :] / scale, wanted / scale)

    windows = _windows(values, context + horizon, batch, seed)
    fit(model, windows, loss, steps=steps, lr=lr, seed=seed, progress=False)
    return model.eval()


def _windows(values: Tensor, length: int, batch: int, seed: int) -> Iterator[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    windows = values.unfold(0, length, 1)
    while True:
        yield windows[torch.randint(len(windows), (batch,), generator=draw)]
