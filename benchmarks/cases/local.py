"""Sliding windows: local_attention against peers, its growth with n, and its memory."""

from __future__ import annotations

import importlib.util
import statistics

import torch
import torch.nn.functional as F

from attn_lib import causal, fused_attention, local_attention, window
from benchmarks.measure import exponent, memory_figure, ratio, rounds

TITLE = "Local attention: (1, 8, n, 64), window 256, float32"
W = 256
SIZES = (2048, 4096, 8192, 16384)


def inputs(n, grad=False):
    torch.manual_seed(0)
    return [torch.randn(1, 8, n, 64, requires_grad=grad) for _ in range(3)]


def forward(call, *args, **options):
    def run():
        with torch.no_grad():
            call(*args, **options)

    return run


def backward(call, q, k, v, **options):
    up = torch.randn_like(q)

    def run():
        q.grad = k.grad = v.grad = None
        call(q, k, v, **options).backward(up)

    return run


def lucidrains(options, causal_=True):
    if importlib.util.find_spec("local_attention") is None:
        options.missing.append("local-attention")
        return None
    from local_attention import LocalAttention

    # it counts w + 1 keys with exact_windowsize; buckets of w and one bucket back
    return LocalAttention(
        dim=64, window_size=W - 1, causal=causal_, exact_windowsize=True, autopad=True,
        use_rotary_pos_emb=False,
    )  # fmt: skip


def flex(n):
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    blocks = create_block_mask(causal & window(W), None, None, n, n, device="cpu")
    compiled = torch.compile(flex_attention)
    return lambda q, k, v: compiled(q, k, v, block_mask=blocks)


def measure(options):
    n = 16384
    q, k, v = inputs(n)
    peer = lucidrains(options)
    calls = {"here": forward(local_attention, q, k, v, window=W)}
    if peer:
        calls["lucidrains"] = forward(peer, q, k, v)
    try:
        compiled = flex(n)
        compiled(q, k, v)
        calls["flex"] = forward(compiled, q, k, v)
    except Exception as error:  # no C++ compiler
        options.missing.append(f"compiled flex_attention ({type(error).__name__})")
    calls["global"] = forward(local_attention, q, k, v, window=W, n_global=4)
    calls["symmetric"] = forward(local_attention, q, k, v, window=W, causal=False)
    t = rounds(calls, options.count(21))
    if peer:
        yield ratio(
            "times as fast as lucidrains, forward, n = 16,384",
            t["here"],
            t["lucidrains"],
            (">=", 5.0),
        )
    if "flex" in t:
        yield ratio(
            "time of compiled flex_attention, forward, n = 16,384",
            t["here"],
            t["flex"],
            ("<=", 1.1),
        )
    yield ratio("with 4 global tokens, against without, forward", t["global"], t["here"])
    yield ratio("symmetric (twice the keys), against causal, forward", t["symmetric"], t["here"])

    q, k, v = inputs(n, grad=True)
    calls = {
        "here": backward(local_attention, q, k, v, window=W),
        "global": backward(local_attention, q, k, v, window=W, n_global=4),
        "symmetric": backward(local_attention, q, k, v, window=W, causal=False),
    }
    if peer:
        calls["lucidrains"] = backward(peer, q, k, v)
    t = rounds(calls, options.count(21))
    if peer:
        yield ratio(
            "times as fast as lucidrains, with gradients, n = 16,384",
            t["here"],
            t["lucidrains"],
            (">=", 2.5),
        )
    yield ratio("with 4 global tokens, against without, with gradients", t["global"], t["here"])
    yield ratio("symmetric, against causal, with gradients", t["symmetric"], t["here"])

    q, k, v = inputs(4096)
    dense = (causal & window(W)).dense(4096)
    calls = {
        "here": forward(local_attention, q, k, v, window=W),
        "dense": forward(fused_attention, q, k, v, mask=dense),
        "full": forward(F.scaled_dot_product_attention, q, k, v, is_causal=True),
        "all": forward(local_attention, q, k, v, window=4096),
    }
    t = rounds(calls, options.count(21))
    yield ratio(
        "times as fast as the dense mask, forward, n = 4,096", t["here"], t["dense"], (">=", 1.0)
    )
    yield ratio(
        "window >= n against full causal attention, n = 4,096", t["all"], t["full"], ("<=", 1.1)
    )

    for kind, wrap, bar in (("forward", forward, 1.15), ("with gradients", backward, 1.2)):
        calls = {}
        for size in SIZES:
            given = inputs(size, grad=wrap is backward)
            calls["local_attention", size] = wrap(local_attention, *given, window=W)
            if peer:
                calls["lucidrains local-attention", size] = wrap(peer, *given)
            if size <= 4096:  # it grows with n²
                full = F.scaled_dot_product_attention
                calls["PyTorch's kernel, all keys", size] = wrap(full, *given, is_causal=True)
        t = rounds(calls, options.count(9))
        own = {size: t["local_attention", size] for size in SIZES}
        yield exponent(f"exponent from 2,048 to 16,384, {kind}", SIZES, own, ("<=", bar))
        curves = options.curves.setdefault(f"Causal, window 256, {kind}", {})
        for (label, size), seconds in t.items():
            curves.setdefault(label, []).append((size, statistics.median(seconds)))

    code = """
import torch
from attn_lib import local_attention
q, k, v = (torch.randn(1, 8, 16384, 64, requires_grad=GRAD) for _ in range(3))
small = [t[:, :, :1024].detach().requires_grad_(GRAD) for t in (q, k, v)]
local_attention(*small, window=64).sum().backward() if GRAD else local_attention(*small, window=64)
up = torch.ones_like(q) if GRAD else None
start()
out = local_attention(q, k, v, window=256, n_global=G)
if GRAD: out.backward(up)
"""
    for name, grad, g, bar in (
        ("memory, forward, n = 16,384", False, 0, ("<=", 100.0)),
        ("memory, forward, 4 global tokens", False, 4, None),
        ("memory, with gradients, n = 16,384", True, 0, None),
    ):
        yield memory_figure(
            name, code.replace("GRAD", str(grad)).replace("n_global=G", f"n_global={g}"), bar,
            count=options.count(3),
        )  # fmt: skip
