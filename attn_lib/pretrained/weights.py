"""Tensors of a file into a module of this library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Model = TypeVar("Model", bound=nn.Module)


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, mapped from the disk; nothing in it is executed.

    Raises ValueError if it is not a whole safetensors file, ImportError if safetensors is not
    installed.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise ImportError(
            "pretrained weights need the package safetensors; run: python -m pip install "
            "safetensors"
        ) from error
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise ValueError(
            f"path: expected a whole safetensors file, got {Path(path).name} ({error}); "
            "download or write it again"
        ) from error


def renamed(
    tensors: Mapping[str, Tensor], names: Iterable[tuple[str, str]], drop: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """The tensors under this library's names: each pair (theirs, ours) is replaced, in order.

    drop: beginnings of names that have no place here.
    """
    out = {}
    for name, tensor in tensors.items():
        if name.startswith(drop):
            continue
        for theirs, ours in names:
            name = name.replace(theirs, ours)
        out[name] = tensor
    return out


def filled(build: Callable[[], Model], tensors: Mapping[str, Tensor]) -> Model:
    """The module that `build` makes, with these tensors as its weights, ready to read with.

    It is in eval mode and its weights need no gradient. No number is drawn and no weight exists
    twice: the module is built without memory, then takes the tensors themselves.

    Raises RuntimeError, naming them, where names or shapes are not the module's.
    """
    with torch.device("meta"), _Uninitialised():
        model = build()
    model.load_state_dict(tensors, assign=True)
    return model.eval().requires_grad_(False)


class _Uninitialised(TorchFunctionMode):
    """Leaves out what `torch.nn.init` would do: on "meta" its first normal_ takes seconds."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)
