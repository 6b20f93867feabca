"""Where a token stands: attention itself is blind to order, so positions are told to it.

`sinusoidal` is added to the embeddings, `rotary` turns queries and keys, `alibi` is added to the
scores. Only differences of positions reach the scores of the last two.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from ._mask import whole

Pairing = Literal["interleaved", "half"]


def sinusoidal(n: int, dim: int, *, base: float = 10_000.0, offset: int = 0) -> Tensor:
    """One row per position, to be added to the embeddings: (n, dim), float32.

    Row p holds sin(p / base^(2i/dim)) in column 2i and the cosine of the same angle in column
    2i + 1; an odd `dim` ends with a sine. The first row is position `offset`.

    Raises ValueError if n < 0, dim < 1 or base <= 0.  Source: Vaswani et al. 2017,
    arXiv:1706.03762.
    """
    n, dim, offset = whole("n", n, 0), whole("dim", dim), whole("offset", offset, None)
    positions = torch.arange(offset, offset + n, dtype=torch.float64)
    angles = positions[:, None] * _frequencies(dim, base, positions)  # (n, ceil(dim / 2))
    waves = torch.stack([angles.sin(), angles.cos()], dim=-1)  # (n, ceil(dim / 2), 2)
    return waves.flatten(1)[:, :dim].float()


def rotary(
    x: Tensor,
    positions: Tensor | None = None,
    *,
    offset: int = 0,
    base: float = 10_000.0,
    pairing: Pairing = "interleaved",
) -> Tensor:
    """Turn each pair of features of a query or key by an angle that grows with its position.

    x (..., n, d), d even -> the same shape, type and norms. Pair i of a token at position p turns
    by p / base^(2i/d), so a dot product of a query and a key depends on the difference of their
    positions alone. Tokens stand at offset, offset + 1, ...; or at `positions`, (n,) or (b, n).

    pairing says which features turn together: "interleaved" takes (2i, 2i + 1), as in the paper,
    Meta's Llama code and GGUF files; "half" takes (i, i + d/2), as in Hugging Face. Weights of one
    kind give wrong results with the other: `convert_pairing` moves them.

    It has no parameters and goes into a module as it is, `MultiHeadAttention(..., rotary=rotary)`,
    or with other settings, `rotary=functools.partial(rotary, base=500_000.0, pairing="half")`.

    Raises ValueError for an odd d, positions that do not fit, or an unknown pairing.
    Source: Su et al. 2021, arXiv:2104.09864.
    """
    if x.ndim < 2 or x.shape[-1] % 2 or not x.is_floating_point():
        raise ValueError(
            "x: expected floating-point numbers of shape (..., n, d) with an even d, since "
            f"features turn in pairs, got {tuple(x.shape)}, {x.dtype}; choose an even head size"
        )
    _check_pairing("pairing", pairing)
    n, d = x.shape[-2:]
    wide = x if x.dtype == torch.float64 else x.float()
    neighbours, offset = pairing == "interleaved", whole("offset", offset, 0)
    if positions is not None:
        positions = _fitted(positions, x)
    elif torch.compiler.is_compiling():
        positions = torch.arange(offset, offset + n, device=x.device)
    if positions is None:
        length = 1 << (offset + n).bit_length()  # decoding asks for few tables, not one per token
        turns = _table(length, d, base, wide.dtype, x.device)[offset : offset + n]
        return _turned(wide, turns, neighbours).to(x.dtype)
    cos, sin = _turns(positions, d, base, wide)  # (n, d / 2) or (b, 1, n, d / 2)
    if torch.compiler.is_compiling():
        return _turned_real(wide, cos, sin, neighbours).to(x.dtype)
    return _turned(wide, torch.complex(cos, sin), neighbours).to(x.dtype)


def _turned(x: Tensor, turns: Tensor, neighbours: bool) -> Tensor:
    """Each pair as one complex number, times a complex number of length 1."""
    if not neighbours:
        turned = torch.complex(*x.chunk(2, dim=-1)) * turns
        return torch.cat([turned.real, turned.imag], dim=-1)
    if x.stride(-1) != 1 or x.storage_offset() % 2 or any(step % 2 for step in x.stride()[:-1]):
        x = x.clone(memory_format=torch.contiguous_format)  # neighbours are read as one number
    pairs = torch.view_as_complex(x.view(*x.shape[:-1], x.shape[-1] // 2, 2))
    return torch.view_as_real(pairs * turns).flatten(-2)


def _turned_real(x: Tensor, cos: Tensor, sin: Tensor, neighbours: bool) -> Tensor:
    """The same in real numbers, which compilers fuse; at complex ones they stop."""
    left, right = (x[..., 0::2], x[..., 1::2]) if neighbours else x.chunk(2, dim=-1)
    turned = (left * cos - right * sin, left * sin + right * cos)
    return torch.stack(turned, dim=-1).flatten(-2) if neighbours else torch.cat(turned, dim=-1)


def convert_pairing(weight: Tensor, heads: int, *, to: Pairing) -> Tensor:
    """Reorder a query or key projection made for one rotary pairing so that it fits the other.

    weight: (heads * d, dim), or a bias (heads * d,). Queries and keys get their features in another
    order, both in the same one, so every score stays. Returns a new tensor.

    Raises ValueError unless the rows split into `heads` heads of an even size.
    """
    _check_pairing("to", to)
    heads = whole("heads", heads)
    if weight.ndim == 0 or weight.shape[0] % (2 * heads):
        raise ValueError(
            f"weight: expected rows for {heads} heads of an even size, got {tuple(weight.shape)}; "
            "a key projection of grouped heads takes heads=kv_heads"
        )
    pairs = (heads, -1, 2) if to == "half" else (heads, 2, weight.shape[0] // (2 * heads))
    return weight.reshape(*pairs, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape).clone()


def alibi(heads: int, n: int, m: int | None = None, *, q_offset: int | None = None) -> Tensor:
    """A bias that falls with distance: -slope_h * |i - j|, shape (heads, n, m), float32.

    The slopes of 2^k heads are the powers of 2^(-8/2^k), from steep to flat. For any other number
    the heads above the power of two below it take every second slope of the next power, as in the
    authors' code. Query i stands at i + q_offset: with n != m say it, m - n if the queries are the
    last of the keys, 0 if they are the first.

    Raises ValueError if n != m without q_offset.  Source: Press et al. 2021, arXiv:2108.12409.
    """
    heads, n = whole("heads", heads), whole("n", n, 0)
    m = n if m is None else whole("m", m, 0)
    if q_offset is None and n != m:
        raise ValueError(
            f"q_offset: expected a number where n != m, got None for n = {n}, m = {m}: {m - n} if "
            "the queries are the last of the keys (decoding with a cache), 0 if they are the first"
        )
    i = torch.arange(n) + whole("q_offset", q_offset or 0, None)
    distance = (i[:, None] - torch.arange(m)).abs()
    return -torch.tensor(alibi_slopes(heads))[:, None, None] * distance


def alibi_slopes(heads: int) -> list[float]:
    """The slope of each head in `alibi`, for instance [1/4, 1/16, 1/64, 1/256] for four."""
    power = 1 << (whole("heads", heads).bit_length() - 1)  # the largest power of two <= heads
    slopes = [2.0 ** (-8 * k / power) for k in range(1, power + 1)]
    return slopes + [2.0 ** (-4 * k / power) for k in range(1, 2 * (heads - power), 2)]


def _turns(positions: Tensor, d: int, base: float, like: Tensor) -> tuple[Tensor, Tensor]:
    # angles in float64: at position 100,000 float32 would miss by hundredths of a radian
    positions = positions.to(torch.float32 if like.device.type == "mps" else torch.float64)
    angles = positions[..., None] * _frequencies(d, base, positions)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


@lru_cache(maxsize=16)
def _table(length: int, d: int, base: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    # a table first made under inference_mode must still serve a training step later
    with torch.inference_mode(False):
        like = torch.empty(0, dtype=dtype, device=device)
        return torch.complex(*_turns(torch.arange(length, device=device), d, base, like))


def _frequencies(d: int, base: float, like: Tensor) -> Tensor:
    if not base > 0:
        raise ValueError(f"base: expected a positive number, got {base}; the papers use 10000")
    even = torch.arange(0, d, 2, dtype=like.dtype, device=like.device)
    return base ** (-even / d)


def _fitted(positions: Tensor, x: Tensor) -> Tensor:
    n = x.shape[-2]
    if positions.shape == (n,):
        return positions.to(x.device)
    if x.ndim > 2 and positions.shape == (x.shape[0], n):
        return positions.view(x.shape[0], *[1] * (x.ndim - 3), n).to(x.device)
    raise ValueError(
        f"positions: expected one for each of the {n} tokens, ({n},) or (b, {n}), got "
        f"{tuple(positions.shape)} beside x {tuple(x.shape)}"
    )


def _check_pairing(name: str, pairing: str) -> None:
    if pairing not in ("interleaved", "half"):
        raise ValueError(f"{name}: expected 'interleaved' or 'half', got {pairing!r}")
