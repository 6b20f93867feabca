"""Correct ways of writing the exercises of lesson 04; each must pass."""

import math

import numpy as np
import torch
from einops import rearrange, repeat

# ---------------------------------------------------------------------------- sinusoidal


def sin_loops(n, dim):
    table = torch.zeros(n, dim)
    for p in range(n):
        for i in range(0, dim, 2):
            table[p, i] = math.sin(p / 10000 ** (i / dim))
            table[p, i + 1] = math.cos(p / 10000 ** (i / dim))
    return table


def sin_exp_log(n, dim):
    table = torch.zeros(n, dim)
    position = torch.arange(n).unsqueeze(1)
    div = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
    table[:, 0::2] = torch.sin(position * div)
    table[:, 1::2] = torch.cos(position * div)
    return table


def sin_stack(n, dim):
    angle = torch.arange(n)[:, None] / 10000 ** (torch.arange(0, dim, 2) / dim)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


def sin_numpy(n, dim):
    column = np.arange(dim)
    angle = np.arange(n)[:, None] / 10000 ** (2 * (column // 2) / dim)
    return np.where(column % 2 == 0, np.sin(angle), np.cos(angle))


def sin_get_angles(n, dim):
    pos, i = np.arange(n)[:, np.newaxis], np.arange(dim)[np.newaxis, :]
    angles = pos * (1 / np.power(10000, (2 * (i // 2)) / np.float32(dim)))
    angles[:, 0::2] = np.sin(angles[:, 0::2])
    angles[:, 1::2] = np.cos(angles[:, 1::2])
    return torch.tensor(angles, dtype=torch.float32)


def sin_nested_lists(n, dim):
    return [
        [(math.cos if c % 2 else math.sin)(p / 10000 ** ((c - c % 2) / dim)) for c in range(dim)]
        for p in range(n)
    ]


def sin_outer(n, dim):
    freq = 1.0 / (10000 ** (torch.arange(0, dim, 2).double() / dim))
    angle = torch.outer(torch.arange(n).double(), freq)
    return rearrange([angle.sin(), angle.cos()], "two n i -> n (i two)")


def sin_einsum(n, dim):
    freq = torch.logspace(0, -4 * (dim - 2) / dim, dim // 2, dtype=torch.float64)
    angle = torch.einsum("p,i->pi", torch.arange(n).double(), freq)
    out = torch.empty(n, dim)
    out[:, ::2], out[:, 1::2] = angle.sin(), angle.cos()
    return out


def sin_shifted(n, dim):
    """A cosine is a sine a quarter later."""
    column = torch.arange(dim)
    angle = torch.arange(n)[:, None] / 10000 ** ((column - column % 2) / dim)
    return torch.sin(angle + (column % 2) * math.pi / 2)


def sin_complex(n, dim):
    angle = np.arange(n)[:, None] * 10000.0 ** (-np.arange(0, dim, 2) / dim)
    turned = np.exp(1j * angle)
    return np.stack([turned.imag, turned.real], -1).reshape(n, dim)


def sin_repeat(n, dim):
    freq = repeat(10000 ** (-torch.arange(0, dim, 2) / dim), "i -> (i two)", two=2)
    angle = torch.arange(n)[:, None] * freq
    return torch.where(torch.arange(dim) % 2 == 0, angle.sin(), angle.cos())


def sin_halves_then_interleaved(n, dim):
    angle = torch.arange(n)[:, None] * 10000 ** (-torch.arange(0, dim, 2) / dim)
    halves = torch.cat([angle.sin(), angle.cos()], -1)
    return halves.view(n, 2, -1).transpose(1, 2).reshape(n, dim)


def sin_odd_too(n, dim):
    angle = torch.arange(n)[:, None] / 10000 ** (torch.arange(0, dim, 2) / dim)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :dim]


SINUSOIDAL = [
    sin_loops, sin_exp_log, sin_stack, sin_numpy, sin_get_angles, sin_nested_lists, sin_outer,
    sin_einsum, sin_shifted, sin_complex, sin_repeat, sin_halves_then_interleaved, sin_odd_too,
]  # fmt: skip

# -------------------------------------------------------------------------------- rotary


def turns(x, positions):
    d = x.shape[-1]
    angle = positions[:, None] / 10000 ** (torch.arange(0, d, 2) / d)
    return angle.cos().to(x.dtype), angle.sin().to(x.dtype)


def rot_stack(x, positions):
    cos, sin = turns(x, positions)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


def rot_written_into(x, positions):
    cos, sin = turns(x, positions)
    out = torch.empty_like(x)
    out[..., ::2] = x[..., ::2] * cos - x[..., 1::2] * sin
    out[..., 1::2] = x[..., 1::2] * cos + x[..., ::2] * sin
    return out


def rot_every_two(x, positions):
    cos, sin = (t.repeat_interleave(2, -1) for t in turns(x, positions))
    other = torch.stack([-x[..., 1::2], x[..., ::2]], -1).reshape(x.shape)
    return x * cos + other * sin


def rot_complex(x, positions):
    d = x.shape[-1]
    angle = positions.double()[:, None] * 10000.0 ** (-torch.arange(0, d, 2).double() / d)
    z = torch.view_as_complex(x.double().reshape(*x.shape[:-1], -1, 2))
    turn = torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(z * turn).flatten(-2).to(x.dtype)


def rot_loops(x, positions):
    out = torch.zeros_like(x)
    d = x.shape[-1]
    for t, p in enumerate(positions.tolist()):
        for i in range(d // 2):
            c, s = math.cos(p / 10000 ** (2 * i / d)), math.sin(p / 10000 ** (2 * i / d))
            a, b = x[..., t, 2 * i], x[..., t, 2 * i + 1]
            out[..., t, 2 * i], out[..., t, 2 * i + 1] = c * a - s * b, s * a + c * b
    return out


def rot_all_loops(x, positions):
    out = np.array(x, dtype=float)
    d = out.shape[-1]
    for at in np.ndindex(*out.shape[:-1]):
        for i in range(0, d, 2):
            angle = float(positions[at[-1]]) * 10000 ** (-i / d)
            pair = np.array(x[at])[i : i + 2]
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            out[at][i : i + 2] = turn @ pair
    return out


def rot_matrices(x, positions):
    cos, sin = turns(x, positions)
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    pairs = rearrange(x, "... (i two) -> ... i two", two=2)
    return torch.einsum("nioc,bhnic->bhnio", turn, pairs).flatten(-2)


def rot_block_diagonal(x, positions):
    cos, sin = turns(x, positions)
    rows = []
    for t in range(x.shape[-2]):
        blocks = [torch.stack([torch.stack([c, -s]), torch.stack([s, c])])
                  for c, s in zip(cos[t], sin[t], strict=True)]  # fmt: skip
        rows.append(x[..., t, :] @ torch.block_diag(*blocks).T)
    return torch.stack(rows, -2)


def rot_numpy(x, positions):
    d = x.shape[-1]
    angle = np.asarray(positions)[:, None] / np.power(10000.0, np.arange(0, d, 2) / d)
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * np.cos(angle) - x[..., 1::2] * np.sin(angle)
    out[..., 1::2] = x[..., 0::2] * np.sin(angle) + x[..., 1::2] * np.cos(angle)
    return out


def rot_numpy_complex(x, positions):
    x = np.asarray(x, dtype=np.float64)
    d = x.shape[-1]
    angle = np.outer(positions, 10000.0 ** (-np.arange(0, d, 2) / d))
    z = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * angle)
    return np.stack((z.real, z.imag), axis=-1).reshape(x.shape)


def rot_by_halves(x, positions):
    """Half-split rotation between two permutations that move partners to halves and back."""
    cos, sin = (torch.cat([t, t], -1) for t in turns(x, positions))
    h = torch.cat([x[..., ::2], x[..., 1::2]], -1)
    a, b = h.chunk(2, -1)
    h = h * cos + torch.cat([-b, a], -1) * sin
    return h.unflatten(-1, (2, -1)).transpose(-1, -2).flatten(-2)


def rot_unbind(x, positions):
    cos, sin = turns(x, positions)
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return rearrange([cos * a - sin * b, sin * a + cos * b], "two ... i -> ... (i two)")


def rot_table(x, positions):
    """A table for all positions up to the largest, then a look-up."""
    d = x.shape[-1]
    freq = torch.exp(-math.log(10000.0) * torch.arange(0, d, 2) / d)
    table = torch.outer(torch.arange(int(positions.max()) + 1), freq)[positions]
    out = x.clone()
    out[..., ::2] = x[..., ::2] * table.cos() - x[..., 1::2] * table.sin()
    out[..., 1::2] = x[..., ::2] * table.sin() + x[..., 1::2] * table.cos()
    return out


ROTARY = [
    rot_stack, rot_written_into, rot_every_two, rot_complex, rot_loops, rot_all_loops,
    rot_matrices, rot_block_diagonal, rot_numpy, rot_numpy_complex, rot_by_halves, rot_unbind,
    rot_table,
]  # fmt: skip


def scores_from(rotate):
    def fn(q, k, positions):
        return rotate(q, positions) @ rotate(k, positions).T

    return fn


def rot_flat_matrices(x, positions):
    return rot_matrices(x[None, None], positions)[0, 0]


def scores_by_difference(q, k, positions):
    """Only the key is turned, by the distance to the query."""
    return torch.stack([
        torch.stack([q[i] @ rot_stack(k[j : j + 1], positions[j : j + 1] - positions[i])[0]
                     for j in range(len(k))]) for i in range(len(q))
    ])  # fmt: skip


def rot_half_split(x, positions):
    """Scores do not see which order both have: an order of pairs' firsts, then seconds."""
    cos, sin = turns(x, positions)
    a, b = x[..., ::2], x[..., 1::2]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def scores_loops(q, k, positions):
    q, k = rot_stack(q, positions), rot_stack(k, positions)
    return [[sum(float(a) * float(b) for a, b in zip(qi, kj, strict=True)) for kj in k] for qi in q]


def scores_complex(q, k, positions):
    d = q.shape[-1]
    angle = np.outer(np.asarray(positions), 10000.0 ** (-np.arange(0, d, 2) / d))
    qz, kz = ((np.asarray(t)[:, ::2] + 1j * np.asarray(t)[:, 1::2]) * np.exp(1j * angle)
              for t in (q, k))  # fmt: skip
    return np.real(qz @ kz.conj().T)


SCORES = [
    *(scores_from(f) for f in (rot_stack, rot_written_into, rot_every_two, rot_complex, rot_loops,
                               rot_numpy, rot_numpy_complex, rot_flat_matrices, rot_half_split)),
    scores_by_difference, scores_loops, scores_complex,
]  # fmt: skip

# --------------------------------------------------------------------------------- ALiBi


def alibi_loops(heads, n):
    out = torch.zeros(heads, n, n)
    for h in range(1, heads + 1):
        for i in range(n):
            for j in range(i + 1):
                out[h - 1, i, j] = -(2 ** (-8 * h / heads)) * (i - j)
    return out


def alibi_minus_inf(heads, n):
    slopes = torch.tensor([2 ** (-8 * h / heads) for h in range(1, heads + 1)])
    place = torch.arange(n)
    bias = (place[None] - place[:, None]) * slopes[:, None, None]
    return bias.masked_fill(place[None] > place[:, None], -torch.inf)


def alibi_numpy(heads, n):
    slopes = 2.0 ** (-8.0 * np.arange(1, heads + 1) / heads)
    return -slopes[:, None, None] * np.abs(np.arange(n)[:, None] - np.arange(n)[None])


def alibi_start_ratio(heads, n):
    """The authors' way: the first slope is also the ratio."""
    start = 2 ** (-(2 ** -(math.log2(heads) - 3)))
    slopes = torch.tensor([start * start**h for h in range(heads)])
    place = torch.arange(n)
    return slopes.view(-1, 1, 1) * (place[None, :] - place[:, None]).clamp(max=0)


def alibi_numpy_minus_inf(heads, n):
    i, j = np.indices((n, n))
    slopes = np.logspace(-8 / heads, -8, heads, base=2)
    return np.where(j <= i, (j - i) * slopes.reshape(-1, 1, 1), -np.inf)


def alibi_lists(heads, n):
    return [[[-(2 ** (-8 * (h + 1) / heads)) * abs(i - j) for j in range(n)] for i in range(n)]
            for h in range(heads)]  # fmt: skip


ALIBI = [
    alibi_loops, alibi_minus_inf, alibi_numpy, alibi_start_ratio, alibi_numpy_minus_inf,
    alibi_lists,
    lambda heads, n: torch.einsum(
        "h,ij->hij", 2 ** (-8 * torch.arange(1, heads + 1) / heads),
        -(torch.arange(n)[:, None] - torch.arange(n)).abs().float()),
    lambda heads, n: alibi_numpy(heads, n)[None],
    lambda heads, n: torch.from_numpy(alibi_numpy(heads, n)).tril(),
    lambda heads, n: torch.from_numpy(alibi_numpy(heads, n)).float() + 0.0,
    lambda heads, n: -torch.exp2(-8 * torch.arange(1, heads + 1) / heads)[:, None, None]
    * torch.ones(n, n).tril(-1).cumsum(0).tril(),
    lambda heads, n: torch.stack([
        -(0.5 ** (8 * h / heads)) * torch.cdist(*[torch.arange(n).double()[:, None]] * 2, p=1)
        for h in range(1, heads + 1)]),
    lambda heads, n: rearrange(
        np.subtract.outer(np.arange(n), np.arange(n))[..., None]
        * -np.cumprod(np.full(heads, 2 ** (-8 / heads))), "i j h -> h i j"),
]  # fmt: skip

STYLES = {
    "sinusoidal": SINUSOIDAL, "rotary": ROTARY, "rotary_scores": SCORES, "alibi": ALIBI,
}  # fmt: skip

FAMILIES = {
    "column_for_pair": "F1", "own_wave_for_each_column": "F1", "exponent_doubled": "F1",
    "own_angle_for_each_column": "F1 F8", "exponent_not_doubled": "F8 F1",
    "brackets_missing": "F3", "one_angle_for_all_pairs": "F3 F8", "angles_cut": "F3",
    "halves": "F2", "cosine_first": "F2", "waves_to_the_end": "F8", "pairs_from_one": "F8",
    "exponent_from_one": "F8", "exponent_sign": "F8", "wrong_base": "F8", "degrees": "F8",
    "positions_from_one": "F8", "half_split": "F6 F2", "pairs_regrouped": "F6 F2",
    "halves_turned_by_neighbours": "F6", "neighbours_turned_by_halves": "F6",
    "turned_backwards": "F8", "minus_missing": "F8", "positions_ignored": "G1",
    "positions_over_heads": "F5", "positions_over_batch": "F5", "first_position_for_all": "F5",
    "turned_twice": "F7", "only_queries_turned": "F7", "only_keys_turned": "F7",
    "slopes_from_one": "F9", "one_slope_for_all": "F9", "no_slope": "F9",
    "slopes_for_eight_heads": "F9", "eight_missing": "F9", "base_e": "F9",
    "slopes_one_over_head": "F9", "slopes_linear": "F9", "slopes_grow": "F9",
    "heads_reversed": "F9", "sign_flipped": "F10", "bias_by_key_only": "F10",
    "bias_by_query_only": "F10", "distance_off_by_one": "F10", "distance_squared": "F10",
    "distance_over_length": "F10",
}  # fmt: skip
