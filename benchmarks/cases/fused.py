"""What fused_attention costs over the bare call of PyTorch's kernel."""

from __future__ import annotations

import torch.nn.functional as F

from attn_lib import causal, fused_attention, window
from benchmarks.calls import agree, forward, inputs
from benchmarks.measure import ratio

TITLE = "fused_attention against the bare kernel: (1, 8, n, 64), float32"


def measure(options):
    for n in options.sizes((1024, 4096)):
        q, k, v = inputs(n)
        mask = causal & window(n // 2)
        dense = mask.dense(n).clone()
        kernel = F.scaled_dot_product_attention
        calls = {
            "plain": forward(fused_attention, q, k, v),
            "kernel": forward(kernel, q, k, v),
            "causal": forward(fused_attention, q, k, v, mask=causal),
            "is_causal": forward(kernel, q, k, v, is_causal=True),
            "mask": forward(fused_attention, q, k, v, mask=mask),
            "ready": forward(kernel, q, k, v, attn_mask=dense),
        }
        pairs = (("plain", "kernel"), ("causal", "is_causal"), ("mask", "ready"))
        for mine, other in pairs:
            agree({other: calls[other], mine: calls[mine]})
        t = options.times(calls, 41 if n == 1024 else 21)
        for mine, other in pairs:
            name = f"{mine}, against the kernel's own, n = {n:,}"
            yield ratio(name, t[mine], t[other], ("<=", 1.05))
