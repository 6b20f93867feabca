"""Wild code for sinusoidal, rotary and alibi."""
# ruff: noqa: E501

from __future__ import annotations

import math

import numpy as np
import torch
from einops import rearrange

from ._wild import Correct, Wild

# ------------------------------------------------------------------------- sinusoidal, wrong


def sinusoidal_column_as_pair(n, dim):
    positions = np.arange(n)[:, np.newaxis]
    i = np.arange(dim)[np.newaxis, :]
    angles = positions / np.power(10000, (2 * i) / np.float32(dim))
    angles[:, 0::2] = np.sin(angles[:, 0::2])
    angles[:, 1::2] = np.cos(angles[:, 1::2])
    return angles


def sinusoidal_column_loop(n, dim):
    pe = torch.zeros(n, dim)
    for pos in range(n):
        for i in range(0, dim, 2):
            pe[pos, i] = math.sin(pos / 10000 ** (2 * i / dim))
            pe[pos, i + 1] = math.cos(pos / 10000 ** (2 * (i + 1) / dim))
    return pe


def sinusoidal_column_both_same(n, dim):
    """Even and odd columns share a frequency, but the exponent is 2 * column."""
    pe = torch.zeros(n, dim)
    for pos in range(n):
        for i in range(0, dim, 2):
            pe[pos, i] = math.sin(pos / (10000 ** ((2 * i) / dim)))
            pe[pos, i + 1] = math.cos(pos / (10000 ** ((2 * i) / dim)))
    return pe


def sinusoidal_halves(n, dim):
    inv_freq = 1 / 10000 ** (torch.arange(0, dim, 2) / dim)
    angles = torch.arange(n)[:, None] * inv_freq[None]
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def sinusoidal_precedence(n, dim):
    pair = torch.arange(0, dim, 2).float()
    freq = torch.exp(pair * -math.log(10000.0) / dim // 2)
    pe = torch.zeros(n, dim)
    pe[:, 0::2] = torch.sin(torch.arange(n)[:, None] * freq)
    pe[:, 1::2] = torch.cos(torch.arange(n)[:, None] * freq)
    return pe


def sinusoidal_integer_exponent(n, dim):
    pe = np.zeros((n, dim))
    for p in range(n):
        for c in range(dim):
            angle = p / 10000 ** (2 * (c // 2) // dim)
            pe[p, c] = np.sin(angle) if c % 2 == 0 else np.cos(angle)
    return pe


def sinusoidal_cos_first(n, dim):
    p = torch.arange(n, dtype=torch.float32).unsqueeze(1)
    div = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
    pe = torch.empty(n, dim)
    pe[:, 0::2] = torch.cos(p * div)
    pe[:, 1::2] = torch.sin(p * div)
    return pe


def sinusoidal_only_sin(n, dim):
    c = np.arange(dim)
    return np.sin(np.arange(n)[:, None] / 10000 ** (2 * (c // 2) / dim))


def sinusoidal_from_one(n, dim):
    p = np.arange(1, n + 1)[:, None]
    a = p * 10000 ** (-np.arange(0, dim, 2) / dim)
    return np.stack([np.sin(a), np.cos(a)], -1).reshape(n, dim)


def sinusoidal_base_1000(n, dim):
    a = np.outer(np.arange(n), 1000 ** (-np.arange(0, dim, 2) / dim))
    return np.stack([np.sin(a), np.cos(a)], -1).reshape(n, dim)


def sinusoidal_multiplies(n, dim):
    """Times 10000^(2i/dim) where a division belongs."""
    a = torch.arange(n)[:, None] * 10000 ** (torch.arange(0, dim, 2) / dim)
    return torch.stack([a.sin(), a.cos()], -1).flatten(1)


def sinusoidal_half_exponent(n, dim):
    i = np.arange(dim // 2)
    a = np.arange(n)[:, None] / 10000 ** (i / dim)
    pe = np.zeros((n, dim))
    pe[:, ::2], pe[:, 1::2] = np.sin(a), np.cos(a)
    return pe


def sinusoidal_minus_one(n, dim):
    """The tensor2tensor timing signal: divides by dim // 2 - 1."""
    half = dim // 2
    a = np.arange(n)[:, None] * np.exp(-np.arange(half) * math.log(10000) / max(half - 1, 1))
    return np.concatenate([np.sin(a), np.cos(a)], axis=1)


def sinusoidal_transposed(n, dim):
    a = np.arange(n)[None, :] / 10000 ** (np.arange(0, dim, 2)[:, None] / dim)
    return np.stack([np.sin(a), np.cos(a)], 1).reshape(dim, n)


def sinusoidal_odd_slice(n, dim):
    pe = torch.zeros(n, dim)
    a = torch.arange(n)[:, None] / 10000 ** (torch.arange(dim) / dim)
    pe[:, 0::2] = torch.sin(a)
    pe[:, 1::2] = torch.cos(a)
    return pe


def sinusoidal_batch_axis(n, dim):
    a = torch.arange(n)[:, None] / 10000 ** (torch.arange(0, dim, 2) / dim)
    return torch.stack([a.sin(), a.cos()], -1).flatten(1).unsqueeze(0)


def sinusoidal_degrees(n, dim):
    a = np.arange(n)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    a = np.deg2rad(a)
    return np.stack([np.sin(a), np.cos(a)], -1).reshape(n, dim)


def sinusoidal_two_at_once(n, dim):
    """Halves, and the exponent is doubled."""
    i = np.arange(0, dim, 2)
    a = np.arange(n)[:, None] / 10000 ** (2 * i / dim)
    return np.concatenate([np.sin(a), np.cos(a)], axis=1)


# ------------------------------------------------------------------------- sinusoidal, right


def right_sinusoidal_complex(n, dim):
    z = np.exp(1j * np.outer(np.arange(n), 10000.0 ** (-np.arange(0, dim, 2) / dim)))
    return np.stack([z.imag, z.real], axis=-1).reshape(n, dim)


def right_sinusoidal_phase(n, dim):
    """cos(a) = sin(a + pi/2)."""
    c = torch.arange(dim, dtype=torch.float64)
    a = torch.arange(n, dtype=torch.float64)[:, None] * 10000 ** (-2 * (c // 2) / dim)
    return torch.sin(a + (c % 2) * math.pi / 2)


def right_sinusoidal_nested_list(n, dim):
    f = [10000 ** -((c - c % 2) / dim) for c in range(dim)]
    return torch.tensor(
        [[(math.cos if c % 2 else math.sin)(p * f[c]) for c in range(dim)] for p in range(n)]
    )


def right_sinusoidal_exp_log(n, dim):
    pe = torch.zeros(n, dim)
    position = torch.arange(0, n).unsqueeze(1)
    div_term = torch.exp(torch.arange(0, dim, 2) * -(math.log(10000.0) / dim))
    pe[:, 0::2] = torch.sin(position * div_term)
    pe[:, 1::2] = torch.cos(position * div_term)
    return pe


def right_sinusoidal_where(n, dim):
    pos, col = np.indices((n, dim))
    angle = pos / np.power(10000.0, (col - col % 2) / dim)
    return np.where(col % 2 == 0, np.sin(angle), np.cos(angle))


# ----------------------------------------------------------------------------- rotary, wrong


def _angles(x, positions, base=10000.0):
    d = x.shape[-1]
    return positions[:, None].to(x.dtype) * base ** (-torch.arange(0, d, 2, dtype=x.dtype) / d)


def rotary_half_split(x, positions):
    a = _angles(x, positions)
    cos, sin = torch.cat([a, a], -1).cos(), torch.cat([a, a], -1).sin()
    x1, x2 = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-x2, x1], dim=-1) * sin


def rotary_mixed_pairing(x, positions):
    """Angles interleaved, rotation by halves."""
    a = _angles(x, positions).repeat_interleave(2, dim=-1)
    x1, x2 = x.chunk(2, dim=-1)
    return x * a.cos() + torch.cat((-x2, x1), dim=-1) * a.sin()


def rotary_mixed_pairing_other_way(x, positions):
    """Angles by halves, rotation interleaved."""
    a = _angles(x, positions)
    a = torch.cat([a, a], dim=-1)
    rotated = torch.stack([-x[..., 1::2], x[..., 0::2]], dim=-1).flatten(-2)
    return x * a.cos() + rotated * a.sin()


def rotary_halves_out(x, positions):
    """Pairs are right, but the results are put together by halves."""
    a = _angles(x, positions)
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.cat([even * a.cos() - odd * a.sin(), even * a.sin() + odd * a.cos()], dim=-1)


def rotary_other_direction(x, positions):
    a = _angles(x, positions)
    even, odd = x[..., ::2], x[..., 1::2]
    out = torch.empty_like(x)
    out[..., ::2] = even * a.cos() + odd * a.sin()
    out[..., 1::2] = odd * a.cos() - even * a.sin()
    return out


def rotary_missing_minus(x, positions):
    a = _angles(x, positions)
    x1, x2 = x[..., ::2], x[..., 1::2]
    return torch.stack([x1 * a.cos() + x2 * a.sin(), x1 * a.sin() + x2 * a.cos()], -1).flatten(-2)


def rotary_overwrites_before_use(x, positions):
    a = _angles(x, positions)
    y = x.clone()
    y[..., ::2] = y[..., ::2] * a.cos() - y[..., 1::2] * a.sin()
    y[..., 1::2] = y[..., ::2] * a.sin() + y[..., 1::2] * a.cos()
    return y


def rotary_ignores_positions(x, positions):
    a = _angles(x, torch.arange(x.shape[-2]))
    z = torch.view_as_complex(x.contiguous().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(z * torch.polar(torch.ones_like(a), a)).flatten(-2)


def rotary_positions_from_one(x, positions):
    a = _angles(x, positions + 1)
    z = torch.view_as_complex(x.contiguous().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(z * torch.exp(1j * a)).flatten(-2)


def rotary_pair_index_exponent(x, positions):
    """Exponent i/d instead of 2i/d."""
    d = x.shape[-1]
    i = np.arange(d // 2)
    a = positions[:, None] * 10000.0 ** (-i / d)
    y = np.empty_like(x)
    y[..., 0::2] = x[..., 0::2] * np.cos(a) - x[..., 1::2] * np.sin(a)
    y[..., 1::2] = x[..., 0::2] * np.sin(a) + x[..., 1::2] * np.cos(a)
    return y


def rotary_base_1000(x, positions):
    a = _angles(x, positions, base=1000.0)
    e, o = x[..., ::2], x[..., 1::2]
    return torch.stack([e * a.cos() - o * a.sin(), e * a.sin() + o * a.cos()], -1).flatten(-2)


def rotary_growing_frequency(x, positions):
    d = x.shape[-1]
    a = positions[:, None] * 10000.0 ** (np.arange(0, d, 2) / d)
    e, o = x[..., ::2], x[..., 1::2]
    return np.stack(
        [e * np.cos(a) - o * np.sin(a), e * np.sin(a) + o * np.cos(a)], axis=-1
    ).reshape(x.shape)


def rotary_column_frequencies(x, positions):
    """One frequency per column: the two of a pair turn by different angles."""
    d = x.shape[-1]
    a = positions[:, None].to(x.dtype) * 10000.0 ** (-torch.arange(d, dtype=x.dtype) / d)
    rotated = torch.stack([-x[..., 1::2], x[..., ::2]], -1).reshape(x.shape)
    return x * a.cos() + rotated * a.sin()


def rotary_along_first_axis(x, positions):
    a = _angles(x, positions)
    shape = (-1,) + (1,) * (x.dim() - 2) + (x.shape[-1] // 2,)
    a = a.view(shape)[: x.shape[0]]
    e, o = x[..., ::2], x[..., 1::2]
    return torch.stack([e * a.cos() - o * a.sin(), e * a.sin() + o * a.cos()], -1).flatten(-2)


def rotary_twice(x, positions):
    def turn(t):
        a = _angles(t, positions)
        e, o = t[..., ::2], t[..., 1::2]
        return torch.stack([e * a.cos() - o * a.sin(), e * a.sin() + o * a.cos()], -1).flatten(-2)

    return turn(turn(x))


def rotary_added(x, positions):
    """Adds sines and cosines as absolute positions are added."""
    a = _angles(x, positions)
    return x + torch.stack([a.sin(), a.cos()], -1).flatten(-2)


def rotary_one_angle(x, positions):
    c, s = np.cos(positions)[:, None], np.sin(positions)[:, None]
    e, o = x[..., ::2], x[..., 1::2]
    return np.stack([e * c - o * s, e * s + o * c], -1).reshape(x.shape)


def rotary_first_pair_only(x, positions):
    out = np.array(x)
    for t, p in enumerate(positions):
        for i in range(1):
            theta = p * 10000 ** (-2 * i / x.shape[-1])
            a, b = x[..., t, 2 * i], x[..., t, 2 * i + 1]
            out[..., t, 2 * i] = a * np.cos(theta) - b * np.sin(theta)
            out[..., t, 2 * i + 1] = a * np.sin(theta) + b * np.cos(theta)
    return out


def rotary_only_cosine(x, positions):
    a = _angles(x, positions).repeat_interleave(2, -1)
    return x * a.cos()


def rotary_integer_overwrite(x, positions):
    """empty_like of the integer positions truncates the angles."""
    d = x.shape[-1]
    a = np.zeros((len(positions), d // 2), dtype=positions.dtype)
    for t, p in enumerate(positions):
        a[t] = p / 10000 ** (np.arange(0, d, 2) / d)
    e, o = x[..., ::2], x[..., 1::2]
    return np.stack([e * np.cos(a) - o * np.sin(a), e * np.sin(a) + o * np.cos(a)], -1).reshape(
        x.shape
    )


def rotary_writes_into_x(x, positions):
    a = _angles(x, positions)
    e, o = x[..., ::2].clone(), x[..., 1::2].clone()
    x[..., ::2] = e * a.cos() - o * a.sin()
    x[..., 1::2] = e * a.sin() + o * a.cos()
    return x


def rotary_returns_tables(x, positions):
    a = _angles(x, positions)
    return a.cos(), a.sin()


def rotary_two_at_once(x, positions):
    a = _angles(x, positions, base=1000.0)
    e, o = x[..., ::2], x[..., 1::2]
    return torch.stack([e * a.cos() + o * a.sin(), o * a.cos() - e * a.sin()], -1).flatten(-2)


# ----------------------------------------------------------------------------- rotary, right


def right_rotary_complex(x, positions):
    d = x.shape[-1]
    z = x[..., 0::2] + 1j * x[..., 1::2]
    z = z * np.exp(1j * positions[:, None] * 10000.0 ** (-np.arange(0, d, 2) / d))
    return np.stack([z.real, z.imag], axis=-1).reshape(x.shape)


def right_rotary_matrices(x, positions):
    a = _angles(x, positions)
    m = torch.stack([a.cos(), -a.sin(), a.sin(), a.cos()], -1).unflatten(-1, (2, 2))
    pairs = rearrange(x, "... n (i two) -> ... n i two", two=2)
    return torch.einsum("nirc,...nic->...nir", m, pairs).flatten(-2)


def right_rotary_permuted_halves(x, positions):
    """Sorts columns into halves, rotates by halves, sorts them back."""
    d = x.shape[-1]
    order = torch.cat([torch.arange(0, d, 2), torch.arange(1, d, 2)])
    half = rotary_half_split(x[..., order], positions)
    return half[..., torch.argsort(order)]


def right_rotary_rotate_every_two(x, positions):
    a = _angles(x, positions).repeat_interleave(2, -1)
    minus_odd_even = rearrange([-x[..., 1::2], x[..., ::2]], "two ... i -> ... (i two)")
    return x * torch.cos(a) + minus_odd_even * torch.sin(a)


def right_rotary_block_diagonal(x, positions):
    d = x.shape[-1]
    rows = []
    for t, p in enumerate(positions):
        r = np.zeros((d, d))
        for i in range(d // 2):
            theta = float(p) * 10000 ** (-2 * i / d)
            c, s = math.cos(theta), math.sin(theta)
            r[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[c, -s], [s, c]]
        rows.append(x[..., t, :] @ r.T)
    return np.stack(rows, axis=-2)


# ------------------------------------------------------------------------------ alibi, wrong


def alibi_start_at_one(heads, n):
    slopes = torch.tensor([2 ** (-8 * h / heads) for h in range(heads)])
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return -slopes[:, None, None] * (i - j)


def alibi_plus_sign(heads, n):
    slopes = 2 ** (-8 * np.arange(1, heads + 1) / heads)
    i, j = np.indices((n, n))
    return slopes[:, None, None] * (i - j)


def alibi_one_slope(heads, n):
    dist = torch.arange(n)[:, None] - torch.arange(n)
    return -(2**-8) * dist.float().expand(heads, n, n)


def alibi_fixed_halving(heads, n):
    """1/2, 1/4, 1/8 ...: right for eight heads only."""
    slopes = 0.5 ** np.arange(1, heads + 1)
    return -slopes[:, None, None] * (np.arange(n)[:, None] - np.arange(n))


def alibi_linear_slopes(heads, n):
    slopes = torch.arange(1, heads + 1) / heads
    return -slopes[:, None, None] * (torch.arange(n)[:, None] - torch.arange(n))[None]


def alibi_reversed_heads(heads, n):
    slopes = [2 ** (-8 * (heads - h) / heads) for h in range(heads)]
    out = np.zeros((heads, n, n))
    for h in range(heads):
        for i in range(n):
            for j in range(i + 1):
                out[h, i, j] = -slopes[h] * (i - j)
    return out


def alibi_key_position_only(heads, n):
    """Bias -m * j: the far past is favoured."""
    m = 2 ** (-8 / heads * torch.arange(1, heads + 1))
    return (-m[:, None, None] * torch.arange(n)).expand(heads, n, n)


def alibi_squared_distance(heads, n):
    m = 2.0 ** (-8 * np.arange(1, heads + 1) / heads)
    return -m[:, None, None] * (np.arange(n)[:, None] - np.arange(n)) ** 2


def alibi_exponent_off_by_one(heads, n):
    m = np.array([2.0 ** -(8 / heads * h + 1) for h in range(1, heads + 1)])
    return -m[:, None, None] * (np.arange(n)[:, None] - np.arange(n))


def alibi_divided_by_root(heads, n):
    m = 2 ** (-8 * torch.arange(1, heads + 1) / heads) / math.sqrt(n)
    return -m.view(-1, 1, 1) * (torch.arange(n).view(-1, 1) - torch.arange(n))


def alibi_multiplier(heads, n):
    """exp of the bias, to multiply weights with."""
    m = 2.0 ** (-8 * np.arange(1, heads + 1) / heads)
    return np.exp(-m[:, None, None] * (np.arange(n)[:, None] - np.arange(n)))


def alibi_heads_last(heads, n):
    m = 2.0 ** (-8 * np.arange(1, heads + 1) / heads)
    return -(np.arange(n)[:, None] - np.arange(n))[..., None] * m


def alibi_forgot_slopes(heads, n):
    return -(torch.arange(n)[:, None] - torch.arange(n)).expand(heads, n, n)


def alibi_distance_from_one(heads, n):
    """i - j + 1: softmax cannot see the shift, the numbers differ."""
    m = 2.0 ** (-8 * np.arange(1, heads + 1) / heads)
    return -m[:, None, None] * (np.arange(n)[:, None] - np.arange(n) + 1)


def alibi_two_at_once(heads, n):
    m = 2.0 ** (-8 * np.arange(heads) / heads)
    return m[:, None, None] * (np.arange(n)[:, None] - np.arange(n))


# ------------------------------------------------------------------------------ alibi, right


def right_alibi_absolute(heads, n):
    m = torch.pow(2, -8 * torch.arange(1, heads + 1) / heads)
    return -m[:, None, None] * (torch.arange(n)[:, None] - torch.arange(n)).abs()


def right_alibi_masked(heads, n):
    m = 2.0 ** (-8 * np.arange(1, heads + 1) / heads)
    i, j = np.indices((n, n))
    return np.where(j <= i, -np.einsum("h,ij->hij", m, i - j), -np.inf)


def right_alibi_geometric(heads, n):
    start = 2 ** (-8 / heads)
    slopes = [start * start**h for h in range(heads)]
    return torch.stack(
        [torch.tensor([[s * (j - i) for j in range(n)] for i in range(n)]) for s in slopes]
    )


_S = "sinusoidal"

# fmt: off
WILD = [
    Wild(_S, sinusoidal_column_as_pair, "the column number is used as the pair's number: i = column // 2", "F1", lib="any"),
    Wild(_S, sinusoidal_column_loop, "i runs over columns, and sin and cos of a pair get different frequencies", "F1", lib="any"),
    Wild(_S, sinusoidal_column_both_same, "i is already 2·pair, so 2*i doubles the exponent", "F1", lib="any"),
    Wild(_S, sinusoidal_halves, "all sines first, then all cosines: another convention, here they alternate", "F2", outcome="convention", lib="any"),
    Wild(_S, sinusoidal_precedence, "`/ dim // 2` rounds down after dividing; the exponent became a whole number", "F3", lib="any"),
    Wild(_S, sinusoidal_integer_exponent, "`//` in the exponent makes it 0: every pair has one frequency", "F3", lib="any"),
    Wild(_S, sinusoidal_cos_first, "cos stands in the even columns and sin in the odd ones", ("F2", "other"), outcome="either", lib="any"),
    Wild(_S, sinusoidal_only_sin, "odd columns need cos", "other", lib="any"),
    Wild(_S, sinusoidal_from_one, "positions start at 1 instead of 0", ("other", "F8"), lib="any"),
    Wild(_S, sinusoidal_base_1000, "the base is 1000 instead of 10000", "F8", lib="any"),
    Wild(_S, sinusoidal_multiplies, "multiplied by 10000^(2i/dim) instead of divided", "F8", lib="any"),
    Wild(_S, sinusoidal_half_exponent, "the exponent is i/dim; it must be 2i/dim", ("F8", "F1"), lib="any"),
    Wild(_S, sinusoidal_minus_one, "another convention: halves, and frequencies spread over dim/2 - 1", ("F2", "F8"), outcome="either", lib="any"),
    Wild(_S, sinusoidal_transposed, "the table is (dim, n), not (n, dim)", "other", "shape", lib="any"),
    Wild(_S, sinusoidal_odd_slice, "dim angles do not fit into dim/2 columns", ("F4", "other"), "raises", lib="any"),
    Wild(_S, sinusoidal_batch_axis, "an extra axis of size 1 in front", "other", "shape", outcome="either", lib="any"),
    Wild(_S, sinusoidal_degrees, "the angle is already in radians", "other", lib="any"),
    Wild(_S, sinusoidal_two_at_once, "the exponent is doubled (2·column), and sines and cosines stand in halves", ("F1", "F2"), pair=True, lib="any"),
    Wild("rotary", rotary_half_split, "pairs (i, i + d/2): another convention; here neighbours are paired", ("F6", "F2"), outcome="convention"),
    Wild("rotary", rotary_mixed_pairing, "angles are paired (2i, 2i+1) but the rotation pairs halves", "F6"),
    Wild("rotary", rotary_mixed_pairing_other_way, "angles are laid out by halves but the rotation pairs neighbours", "F6"),
    Wild("rotary", rotary_halves_out, "the rotated pairs are put together by halves instead of interleaved", ("F6", "F2"), outcome="either"),
    Wild("rotary", rotary_other_direction, "turns the other way: the sign of the angle", "F8"),
    Wild("rotary", rotary_missing_minus, "a minus is missing, so this is no rotation and lengths change", ("F8", "other")),
    Wild("rotary", rotary_overwrites_before_use, "the even columns are overwritten before the odd ones read them", "other"),
    Wild("rotary", rotary_ignores_positions, "positions are ignored, 0..n-1 is assumed", ("G1", "other")),
    Wild("rotary", rotary_positions_from_one, "positions are shifted by one; differences stay right", ("other", "F8"), outcome="either"),
    Wild("rotary", rotary_pair_index_exponent, "the exponent is i/d instead of 2i/d", "F8", lib="numpy"),
    Wild("rotary", rotary_base_1000, "the base is 1000", "F8"),
    Wild("rotary", rotary_growing_frequency, "the exponent's sign: frequencies grow instead of shrinking", "F8", lib="numpy"),
    Wild("rotary", rotary_column_frequencies, "the two numbers of a pair turn by different angles", ("F1", "F8", "other")),
    Wild("rotary", rotary_along_first_axis, "positions run along the first axis, not along the tokens", ("F5", "other"), "differs"),
    Wild("rotary", rotary_twice, "rotated twice", "F7"),
    Wild("rotary", rotary_added, "sines are added; rotary turns the vector", "other"),
    Wild("rotary", rotary_one_angle, "every pair turns by the same angle", ("F8", "F3", "other"), lib="numpy"),
    Wild("rotary", rotary_first_pair_only, "only the first pair is rotated", "other", lib="numpy"),
    Wild("rotary", rotary_only_cosine, "the sine part is missing", "other"),
    Wild("rotary", rotary_integer_overwrite, "the angles are stored in an integer array and cut to whole numbers", ("F3", "other"), lib="numpy"),
    Wild("rotary", rotary_writes_into_x, "overwrites the caller's x", "A15", "mutates", "notes"),
    Wild("rotary", rotary_returns_tables, "returns cos and sin, not the rotated x", "other", "type"),
    Wild("rotary", rotary_two_at_once, "the base is 1000, and the rotation goes the other way", "F8", pair=True),
    Wild("alibi", alibi_start_at_one, "slopes start at 2^0: h runs from 0 instead of 1", "F9", lib="any"),
    Wild("alibi", alibi_plus_sign, "the sign: far tokens are favoured", "F10", lib="any"),
    Wild("alibi", alibi_one_slope, "all heads share one slope", "F9", lib="any"),
    Wild("alibi", alibi_fixed_halving, "1/2, 1/4, ... holds for eight heads only", "F9", lib="any"),
    Wild("alibi", alibi_linear_slopes, "slopes are evenly spaced instead of geometric", "F9", lib="any"),
    Wild("alibi", alibi_reversed_heads, "the slopes are in reverse order", "F9", lib="any"),
    Wild("alibi", alibi_key_position_only, "the penalty depends on the key's place, not on the distance", ("F10", "other"), lib="any"),
    Wild("alibi", alibi_squared_distance, "the distance is squared", "other", lib="any"),
    Wild("alibi", alibi_exponent_off_by_one, "every exponent is one too large, so slopes are half of what they should be", "F9", lib="any"),
    Wild("alibi", alibi_divided_by_root, "divided by a root: the bias joins after scaling and is not scaled", ("F10", "F9"), lib="any"),
    Wild("alibi", alibi_multiplier, "exp of the bias; it is added to scores, not multiplied", "other", lib="any"),
    Wild("alibi", alibi_two_at_once, "slopes start at 2^0, and the sign favours far tokens", ("F9", "F10"), pair=True, lib="any"),
    Wild("alibi", alibi_heads_last, "heads stand last; (heads, n, n) is asked", "other", "shape", lib="any"),
    Wild("alibi", alibi_forgot_slopes, "no slopes at all: every head has slope 1", "F9", lib="any"),
    Wild("alibi", alibi_distance_from_one, "the distance counts from 1: softmax cancels the shift, the table differs", ("F10", "other"), outcome="either", lib="any"),
]

CORRECT = [
    Correct(_S, right_sinusoidal_complex, "any", "complex exponential"),
    Correct(_S, right_sinusoidal_phase, "any", "sine with a phase"),
    Correct(_S, right_sinusoidal_nested_list, "any", "nested lists, float32"),
    Correct(_S, right_sinusoidal_exp_log, "any", "exp of log, float32"),
    Correct(_S, right_sinusoidal_where, "any", "np.indices and where"),
    Correct("rotary", right_rotary_complex, "numpy", "complex numbers"),
    Correct("rotary", right_rotary_matrices, "torch", "2x2 matrices, einsum"),
    Correct("rotary", right_rotary_permuted_halves, "torch", "permuted to halves and back"),
    Correct("rotary", right_rotary_rotate_every_two, "torch", "rotate_every_two"),
    Correct("rotary", right_rotary_block_diagonal, "numpy", "block-diagonal matrix per token"),
    Correct("alibi", right_alibi_absolute, "any", "|i - j|"),
    Correct("alibi", right_alibi_masked, "any", "-inf above the diagonal"),
    Correct("alibi", right_alibi_geometric, "any", "geometric series, lists"),
]
# fmt: on
