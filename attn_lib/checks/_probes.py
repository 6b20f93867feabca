"""Numbers for probes: float64 tensors, the same in every run and on every machine."""

from __future__ import annotations

import numpy as np
import torch


def numbers(seed: int, *shape: int, spread: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """Normal numbers of the given shape."""
    draw = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(draw * spread + shift)


def counted(*shape: int) -> torch.Tensor:
    """1, 2, 3, ... in the given shape, a tenth each: no two entries are equal."""
    return torch.arange(1, int(np.prod(shape)) + 1, dtype=torch.float64).reshape(shape) / 10


def pattern(*rows: str) -> torch.Tensor:
    """A boolean mask from a drawing: '#' is True (may attend), '.' False."""
    return torch.tensor([[cell == "#" for cell in row] for row in rows])
