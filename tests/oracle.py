"""Attention as the definition says it, in plain loops over Python floats: the tests' own judge.

It shares no line and no tensor operation with `attn_lib`: sums, exponentials and who may see whom
are written out, one number at a time, in double precision.
"""

import math

import torch


def attend(q, k, v, sees=None, bias=None, scale=None, sink=None):
    """out, weights, lse (float64) for q (b, h, n, d) and k, v (b, h_kv, m, ...).

    sees(b, h, i, j) -> bool; bias (b, h, n, m); sink: one float for each head.
    """
    (b, h, n, d), (h_kv, m, d_v) = q.shape, v.shape[1:]
    scale = 1 / math.sqrt(d) if scale is None else scale
    queries, keys, values = (t.detach().double().tolist() for t in (q, k, v))
    out = torch.zeros(b, h, n, d_v, dtype=torch.float64)
    weights = torch.zeros(b, h, n, m, dtype=torch.float64)
    lse = torch.full((b, h, n), -math.inf, dtype=torch.float64)
    for e in range(b):
        for x in range(h):
            shared = x // (h // h_kv)  # heads in a row share a key head
            for i in range(n):
                row = {}
                for j in range(m):
                    if sees is None or sees(e, x, i, j):
                        dot = sum(
                            a * b for a, b in zip(queries[e][x][i], keys[e][shared][j], strict=True)
                        )
                        row[j] = scale * dot + (0.0 if bias is None else float(bias[e][x][i][j]))
                if not row:
                    continue
                top = max(row.values())
                total = sum(math.exp(score - top) for score in row.values())
                lse[e, x, i] = top + math.log(total)
                if sink is not None:
                    total += math.exp(float(sink[x]) - top)
                for j, score in row.items():
                    weights[e, x, i, j] = math.exp(score - top) / total
                    for c in range(d_v):
                        out[e, x, i, c] += math.exp(score - top) / total * values[e][shared][j][c]
    return out, weights, lse


def local(w, causal, n_global, keep=None):
    """Who sees whom in local attention, for one pair of tokens."""

    def sees(b, h, i, j):
        if keep is not None and not keep[b][j]:
            return False
        if causal and j > i:
            return False
        return abs(i - j) < w or i < n_global or j < n_global

    return sees


def table(sees, n, m, b=1, h=1):
    """sees as a bool tensor (b, h, n, m), one call for each entry."""
    entries = [
        bool(sees(e, x, i, j))
        for e in range(b)
        for x in range(h)
        for i in range(n)
        for j in range(m)
    ]
    return torch.tensor(entries, dtype=torch.bool).reshape(b, h, n, m)


def naive(q, k, v, allowed=None):
    """The textbook formula in the type of q: what half types are measured against."""
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
    return torch.softmax(scores, dim=-1) @ v


def numbers(*shape, dtype=torch.float64, seed=0, grad=False):
    """Normal numbers that depend on the shape and the seed alone."""
    generator = torch.Generator().manual_seed(seed + 1000 * sum(shape))
    drawn = torch.randn(*shape, dtype=torch.float64, generator=generator).to(dtype)
    return drawn.requires_grad_(grad)


def qkv(b, h, n, d, m=None, h_kv=None, d_v=None, dtype=torch.float64, grad=False):
    """q (b, h, n, d), k (b, h_kv, m, d), v (b, h_kv, m, d_v)."""
    m, h_kv, d_v = m or n, h_kv or h, d_v or d
    shapes = ((b, h, n, d), (b, h_kv, m, d), (b, h_kv, m, d_v))
    return [numbers(*s, dtype=dtype, seed=i, grad=grad) for i, s in enumerate(shapes)]
