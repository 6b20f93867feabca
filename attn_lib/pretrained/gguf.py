"""GGUF, the file format of llama.cpp: a header of keys, then tensors in blocks of few bits.

Layout (little-endian): "GGUF", version u32, tensors u64, keys u64; each key its name, type and
value; each tensor its name, sizes (fastest first), type and offset; padding; the tensors.
Source: github.com/ggml-org/ggml, docs/gguf.md.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

# Numbers beyond any real file's, so that a hostile one cannot fill the memory with small objects.
MOST_KEYS, MOST_TENSORS, MOST_STRINGS = 1024, 65_536, 1 << 20

_SCALARS = dict(zip(range(8), "u1 i1 u2 i2 u4 i4 f4 ?".split(), strict=True))
_SCALARS |= {10: "u8", 11: "i8", 12: "f8"}
_STRING, _ARRAY = 8, 9
_SIZE = Struct("<Q")


class Kind(NamedTuple):
    """How a tensor is stored: `size` numbers in a row share one block of this layout."""

    name: str
    size: int
    block: np.dtype[Any]


KINDS = {
    0: Kind("F32", 1, np.dtype("<f4")),
    1: Kind("F16", 1, np.dtype("<f2")),
    3: Kind("Q4_1", 32, np.dtype([("scale", "<f2"), ("least", "<f2"), ("q", "u1", 16)])),
    8: Kind("Q8_0", 32, np.dtype([("scale", "<f2"), ("q", "i1", 32)])),
}


class Stored(NamedTuple):
    """One tensor in the file: sizes as torch counts them, kind, and the first byte."""

    shape: tuple[int, ...]
    kind: Kind
    start: int

    @property
    def blocks(self) -> int:
        return int(np.prod(self.shape, dtype=object)) // self.kind.size

    @property
    def end(self) -> int:
        return self.start + self.blocks * self.kind.block.itemsize


class GGUF:
    """A GGUF file: `metadata` by key, `stored` by the tensor's name, `tensor(name)` in float32.

    Only what is asked for is read; numbers come as Python numbers, arrays of them as NumPy arrays,
    arrays of strings as lists. Nothing in the file is executed.

    Raises ValueError, with the reason, for whatever is not a whole GGUF file of version 2 or 3 with
    tensors of F32, F16, Q4_1 and Q8_0: lengths beyond its end, tensors that overlap, names given
    twice, arrays of arrays, more keys, tensors or strings than MOST_...
    """

    def __init__(self, path: str | Path) -> None:
        self.name = Path(path).name
        try:
            with Path(path).open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.metadata, self.stored = _Header(self._bytes).read()
        except ValueError as error:  # mmap raises it too, for an empty file
            raise ValueError(
                f"path: expected a whole GGUF file, got {self.name} ({error}); download it again"
            ) from error

    def __repr__(self) -> str:
        return f"GGUF({self.name}, {len(self.metadata)} keys, {len(self.stored)} tensors)"

    def tensor(self, name: str) -> Tensor:
        """The tensor in float32, a copy; a weight of "Q4_1" is scale * q + least, of 4 bits q.

        Raises KeyError if there is none of this name.
        """
        if name not in self.stored:
            raise KeyError(f"name: {self.name} has no tensor {name!r}; see .stored")
        shape, kind, start = found = self.stored[name]
        blocks = np.frombuffer(self._bytes, kind.block, found.blocks, start)
        if kind.size == 1:
            return torch.from_numpy(blocks.astype(np.float32)).view(shape)
        q = torch.from_numpy(np.ascontiguousarray(blocks["q"]))
        out = torch.empty(found.blocks, kind.size)
        if kind.name == "Q8_0":
            out.copy_(q).mul_(_column(blocks["scale"]))
        else:  # the first 16 numbers are the lower halves of the bytes, the rest the upper
            out[:, :16] = q.bitwise_and(15)
            out[:, 16:] = q.bitwise_right_shift(4)
            out.mul_(_column(blocks["scale"])).add_(_column(blocks["least"]))
        return out.view(shape)


_Info = tuple[tuple[int, ...], Kind, int]  # shape, kind, first byte behind the header


class _Header:
    """Reads from the first byte on; every length is compared with what is left of the file."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content, self.size, self.at, self.strings = content, len(content), 0, 0

    def read(self) -> tuple[dict[str, Any], dict[str, Stored]]:
        magic = self.take(4)
        if magic != b"GGUF":
            raise ValueError(f"it begins with {magic!r}, not with b'GGUF'")
        version, tensors, keys = self.number("u4"), self.number("u8"), self.number("u8")
        if version not in (2, 3):
            raise ValueError(f"it is of version {version}, and 2 and 3 are known here")
        if keys > MOST_KEYS or tensors > MOST_TENSORS:
            raise ValueError(f"it announces {keys} keys and {tensors} tensors")
        metadata: dict[str, Any] = {}
        for _ in range(keys):
            name = self.fresh(metadata)
            metadata[name] = self.value(self.number("u4"))
        infos: dict[str, _Info] = {}
        for _ in range(tensors):
            name = self.fresh(infos)
            infos[name] = self.info(name)
        return metadata, self.placed(infos, metadata.get("general.alignment", 32))

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > self.size:
            raise ValueError(f"{size} bytes are announced at {self.at}, and it ends at {self.size}")
        part, self.at = self.content[self.at : end], end
        return part

    def number(self, kind: str) -> Any:
        dtype = np.dtype(f"<{kind}")
        return np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()

    def string(self) -> str:
        (size,) = _SIZE.unpack(self.take(8))
        self.strings += 1
        if self.strings > MOST_STRINGS:
            raise ValueError(f"it holds more than {MOST_STRINGS} strings")
        try:
            return self.take(size).decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"a string before byte {self.at} is not UTF-8") from error

    def fresh(self, known: dict[str, Any]) -> str:
        name = self.string()
        if name in known:
            raise ValueError(f"the name {name[:80]!r} is given twice")
        return name

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            of, count = self.number("u4"), self.number("u8")
            if of == _STRING:
                return [self.string() for _ in range(count)]
            dtype = np.dtype(f"<{self.scalar(of)}")
            return np.frombuffer(self.take(count * dtype.itemsize), dtype)
        return self.number(self.scalar(kind))

    def scalar(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise ValueError(f"a value before byte {self.at} is of type {kind}, unknown here")
        return _SCALARS[kind]

    def info(self, name: str) -> _Info:
        dims = self.number("u4")
        if not 1 <= dims <= 4:
            raise ValueError(f"the tensor {name[:80]!r} has {dims} dimensions")
        sizes = [self.number("u8") for _ in range(dims)]
        code, offset = self.number("u4"), self.number("u8")
        if code not in KINDS:
            known = ", ".join(kind.name for kind in KINDS.values())
            raise ValueError(f"the tensor {name[:80]!r} is of type {code}; known are {known}")
        if min(sizes) < 1 or sizes[0] % KINDS[code].size:
            raise ValueError(f"the tensor {name[:80]!r} has the sizes {sizes}")
        return tuple(reversed(sizes)), KINDS[code], offset

    def placed(self, infos: dict[str, _Info], alignment: Any) -> dict[str, Stored]:
        if not isinstance(alignment, int) or not 1 <= alignment <= 65_536:
            raise ValueError(f"its alignment is {str(alignment)[:80]}")
        data = -(-self.at // alignment) * alignment
        out = {
            name: Stored(shape, kind, data + offset)
            for name, (shape, kind, offset) in infos.items()
        }
        last = data
        for name, tensor in sorted(out.items(), key=lambda item: item[1].start):
            if tensor.start < last or tensor.end > self.size:
                raise ValueError(
                    f"the tensor {name[:80]!r} reaches from byte {tensor.start} to {tensor.end}, "
                    f"and {last} to {self.size} are free"
                )
            last = tensor.end
        return out


def _column(numbers: Any) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32))[:, None]
