"""Oracles for the modules: plain loops in float64 that share no code with the library."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rotate_loops(x: Tensor, positions: list[float], base: float, pairing: str) -> Tensor:
    """Rotary positions by the definition: complex numbers, one pair at a time. x (n, d)."""
    n, d = x.shape
    out = torch.empty(n, d, dtype=torch.float64)
    for t in range(n):
        for i in range(d // 2):
            left, right = (2 * i, 2 * i + 1) if pairing == "interleaved" else (i, i + d // 2)
            number = complex(float(x[t, left]), float(x[t, right]))
            angle = positions[t] * base ** (-2 * i / d)
            number *= complex(math.cos(angle), math.sin(angle))
            out[t, left], out[t, right] = number.real, number.imag
    return out


def heads_loops(
    module: torch.nn.Module, x: Tensor, context: Tensor, allowed: Tensor, turn=None
) -> tuple[Tensor, Tensor]:
    """Multi-head attention, one head, query and key at a time, in float64.

    x (b, n, dim), context (b, m, context_dim), allowed (b, h, n, m) bool -> out, weights.
    `turn(row, position)` is applied to queries and keys.
    """
    state = {name: weight.detach().double() for name, weight in module.state_dict().items()}
    x, context = x.detach().double(), context.detach().double()
    (b, n, _), m = x.shape, context.shape[1]
    h, h_kv, d = module.heads, module.kv_heads, module.head_dim

    def project(name: str, rows: Tensor) -> Tensor:
        out = rows @ state[f"{name}_proj.weight"].T
        return out + state.get(f"{name}_proj.bias", 0.0)

    outs, maps = [], torch.zeros(b, h, n, m, dtype=torch.float64)
    for e in range(b):
        q, k, v = project("q", x[e]), project("k", context[e]), project("v", context[e])
        joined = torch.zeros(n, h * d, dtype=torch.float64)
        for head in range(h):
            shared = head // (h // h_kv)
            for i in range(n):
                q_row = q[i, head * d : (head + 1) * d]
                q_row = turn(q_row, i) if turn else q_row
                exps = []
                for j in range(m):
                    k_row = k[j, shared * d : (shared + 1) * d]
                    k_row = turn(k_row, j) if turn else k_row
                    score = float((q_row * k_row).sum()) / math.sqrt(d)
                    exps.append(math.exp(score) if allowed[e, head, i, j] else 0.0)
                total = sum(exps) or 1.0
                for j in range(m):
                    maps[e, head, i, j] = exps[j] / total
                    joined[i, head * d : (head + 1) * d] += (
                        exps[j] / total * v[j, shared * d : (shared + 1) * d]
                    )
        outs.append(project("o", joined))
    return torch.stack(outs), maps


def chunkings(n: int) -> list[list[int]]:
    """Every way to cut n tokens into chunks, in order: 2^(n-1) lists of sizes."""
    if n == 0:
        return [[]]
    return [[first, *rest] for first in range(1, n + 1) for rest in chunkings(n - first)]
