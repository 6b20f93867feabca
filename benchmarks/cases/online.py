"""online_attention against the fused kernel: time and memory."""

from __future__ import annotations

import torch.nn.functional as F

from attn_lib import causal, online_attention
from benchmarks.calls import agree, backward, forward, inputs
from benchmarks.measure import memory_figure, ratio
from benchmarks.roofline import attention_work, lines, window_pairs

TITLE = "Running softmax in plain PyTorch: (1, 8, n, 64), float32"
WHY = (
    "Each block of scores goes through memory for every plain operation on it: the product writes "
    "it, the mask, the maximum, the softmax and the second product read it. The kernel keeps a "
    "block in the fastest cache for all of them."
)


def measure(options):
    q, k, v = inputs(4096)
    calls = {
        "here": forward(online_attention, q, k, v),
        "fused": forward(F.scaled_dot_product_attention, q, k, v),
        "causal": forward(online_attention, q, k, v, mask=causal),
        "fused causal": forward(F.scaled_dot_product_attention, q, k, v, is_causal=True),
    }
    for mine, other in (("here", "fused"), ("causal", "fused causal")):
        agree({other: calls[other], mine: calls[mine]})
    t = options.times(calls, 21)
    yield ratio("time of the fused kernel, forward, n = 4,096", t["here"], t["fused"], ("<=", 1.6))
    yield ratio("the same under a causal mask", t["causal"], t["fused causal"], ("<=", 1.6))
    for what, mine, other, pairs in (
        ("all keys, forward", "here", "fused", 4096**2),
        ("causal, forward", "causal", "fused causal", window_pairs(4096, 4096)),
    ):
        both = {"online_attention": t[mine], "PyTorch's kernel": t[other]}
        yield from lines(what, both, attention_work(pairs, 4096), options.roof)
    calls = {
        "here": backward(online_attention, q, k, v),
        "fused": backward(F.scaled_dot_product_attention, q, k, v),
    }
    agree(calls)
    t = options.times(calls, 5)
    yield ratio("time of the fused kernel, with gradients, n = 4,096", t["here"], t["fused"])

    code = """
import torch
from attn_lib import causal, online_attention
q, k, v = (torch.randn(1, 8, N, 64, requires_grad=GRAD) for _ in range(3))
small = [t[:, :, :512].detach().requires_grad_(GRAD) for t in (q, k, v)]
warm = online_attention(*small, mask=MASK)
if GRAD: warm.sum().backward()
up = torch.ones_like(q) if GRAD else None
start()
out = online_attention(q, k, v, mask=MASK)
if GRAD: out.backward(up)
"""

    def fill(n, grad, mask):
        return code.replace("GRAD", str(grad)).replace("MASK", mask).replace("N,", f"{n},")

    count = options.once(3)
    yield memory_figure(
        "memory, forward, n = 4,096", fill(4096, False, "None"), ("<=", 60.0), count
    )
    yield memory_figure(
        "memory, forward, causal, n = 4,096", fill(4096, False, "causal"), ("<=", 60.0), count
    )
    if options.quick:
        return
    near = memory_figure(
        "memory, with gradients, n = 2,048", fill(2048, True, "causal"), count=count
    )
    far = memory_figure(
        "memory, with gradients, n = 8,192 (linear: at most four times)",
        fill(8192, True, "causal"),
        ("<=", 4 * near.value),
        count,
    )
    yield near
    yield far
