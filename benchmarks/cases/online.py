"""online_attention against the fused kernel: time and memory."""

from __future__ import annotations

import torch.nn.functional as F

from attn_lib import causal, online_attention
from benchmarks.cases.local import backward, forward, inputs
from benchmarks.measure import memory_figure, ratio, rounds

TITLE = "Running softmax in plain PyTorch: (1, 8, n, 64), float32"


def measure(options):
    q, k, v = inputs(4096)
    calls = {
        "here": forward(online_attention, q, k, v),
        "fused": forward(F.scaled_dot_product_attention, q, k, v),
        "causal": forward(online_attention, q, k, v, mask=causal),
        "fused causal": forward(F.scaled_dot_product_attention, q, k, v, is_causal=True),
    }
    t = rounds(calls, options.count(21))
    yield ratio("time of the fused kernel, forward, n = 4,096", t["here"], t["fused"], ("<=", 1.6))
    yield ratio("the same under a causal mask", t["causal"], t["fused causal"], ("<=", 1.6))
    q, k, v = inputs(4096, grad=True)
    calls = {
        "here": backward(online_attention, q, k, v),
        "fused": backward(F.scaled_dot_product_attention, q, k, v),
    }
    t = rounds(calls, options.count(5))
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

    yield memory_figure("memory, forward, n = 4,096", fill(4096, False, "None"), ("<=", 60.0))
    yield memory_figure(
        "memory, forward, causal, n = 4,096", fill(4096, False, "causal"), ("<=", 60.0)
    )
    near = memory_figure("memory, with gradients, n = 2,048", fill(2048, True, "causal"))
    far = memory_figure(
        "memory, with gradients, n = 8,192 (linear: at most four times)",
        fill(8192, True, "causal"),
        ("<=", 4 * near.value),
    )
    yield near
    yield far
