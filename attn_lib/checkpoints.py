"""Weights on disk as safetensors, with a note of how they came about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    *,
    steps: int,
    seed: int,
    figure: str,
    dtype: torch.dtype | None = None,
    **more: str | int | float | bool | list[Any] | dict[str, Any],
) -> None:
    """Write the weights of `model` with how they were trained: the same bytes every time.

    `figure` says what the weights reach and on what, such as "1.95 bits per character, Twelfth
    Night"; the version of torch is noted by itself; `more` takes whatever the reader needs to
    build the model again. dtype=torch.float16 halves the file; `load_checkpoint` widens it again.
    Tensors that share memory (tied weights) are written once for each name.

    Raises ImportError, with the command, if safetensors is not installed.
    """
    note = {"steps": steps, "seed": seed, "figure": figure, "torch": torch.__version__, **more}
    tensors = {}
    for name, tensor in model.state_dict().items():
        narrow = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
        tensors[name] = tensor.detach().to("cpu", narrow).contiguous().clone()
    # One key, because safetensors writes several in no fixed order.
    content = _safetensors().save(tensors, metadata={"note": json.dumps(note, sort_keys=True)})
    Path(path).write_bytes(content)


def load_checkpoint(path: str | Path, model: nn.Module) -> dict[str, Any]:
    """Put the weights of a checkpoint into `model` and return its note.

    Weights take the type and the device that the model has. A file of `data/` is verified first
    by `load_checkpoint(data_path("..."), model)`. Nothing in the file is executed.

    Raises ValueError, naming them, if the tensors' names or shapes are not the model's, or the
    file is not a whole safetensors file; ImportError if safetensors is not installed.
    """
    tensors, note = _read(path)
    own = model.state_dict()
    wrong = sorted(set(own) ^ set(tensors)) + [
        f"{name} {tuple(tensors[name].shape)} for {tuple(own[name].shape)}"
        for name in sorted(set(own) & set(tensors))
        if own[name].shape != tensors[name].shape
    ]
    if wrong:
        raise ValueError(
            f"model: its weights are not those of {Path(path).name}: {', '.join(wrong[:5])}"
            f"{' ...' if len(wrong) > 5 else ''}; build it with the sizes in the checkpoint's note"
        )
    model.load_state_dict(tensors)
    return note


def read_note(path: str | Path) -> dict[str, Any]:
    """The note of a checkpoint alone, for what must be known before its model can be built.

    Raises as `load_checkpoint` does for a file that is not whole.
    """
    return _read(path)[1]


def _read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A checkpoint's tensors and its note."""
    content = Path(path).read_bytes()
    try:
        tensors = _safetensors().load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"path: {Path(path).name} is not a whole safetensors file ({error}); "
            "write or download it again"
        ) from error
    return tensors, json.loads(header.get("__metadata__", {}).get("note", "{}"))


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError(
            "checkpoints need the package safetensors; run: python -m pip install safetensors"
        ) from error
    return safetensors.torch
