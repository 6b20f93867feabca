"""What a learner's function allocates, traced while it runs: torch tensors and NumPy arrays."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode


class _Largest(TorchFunctionMode):
    """Bytes of the largest tensor that a call of torch's gives inside.

    A TorchDispatchMode would see the insides of those calls too, and takes seconds to start.
    """

    largest = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for one in out if isinstance(out, tuple | list) else (out,):
            if isinstance(one, Tensor):
                self.largest = max(self.largest, one.untyped_storage().nbytes())
        return out


@contextmanager
def traced(found: list[int]) -> Iterator[None]:
    """A context that appends two sizes: of the largest tensor, and of all NumPy arrays at once.

    In bytes; the second counts Python's own objects too.
    """
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        with _Largest() as tensors:
            yield
        found += [tensors.largest, tracemalloc.get_traced_memory()[1] - before]
    finally:
        if not running:
            tracemalloc.stop()
