"""MultiHeadAttention against PyTorch's module and x-transformers, with the same weights."""

from __future__ import annotations

import torch
from torch import nn

from attn_lib import MultiHeadAttention
from attn_lib.interop import from_torch
from benchmarks import peers
from benchmarks.calls import agree, timed
from benchmarks.measure import ratio
from benchmarks.roofline import attention_work, lines

TITLE = "Multi-head attention: (4, 512, 512), 8 heads, float32, eval"
DIM, HEADS = 512, 8
WHY = (
    "The softmax inside the kernel: its maxima, exponentials and sums are not counted as useful. "
    "The projections and the products, thin as a head's are, come near the peak."
)


def candidates(options, grad, batch=4, n=512):
    """Ours and PyTorch's with biases; ours and x-transformers' without."""
    torch.manual_seed(0)
    torchs = nn.MultiheadAttention(DIM, HEADS, batch_first=True).eval()
    nn.init.normal_(torchs.in_proj_bias)
    mine = from_torch(torchs).eval()
    plain = MultiHeadAttention(DIM, HEADS).eval()
    made = {
        "here": (mine, mine),
        "torch": (torchs, lambda x: torchs(x, x, x, need_weights=False)[0]),
        "here, no bias": (plain, plain),
        "x-transformers": peers.x_transformers(options, plain),
    }
    x = torch.randn(batch, n, DIM)
    calls = {
        who: timed(peer[1], peer[0], grad, x) for who, peer in made.items() if peer is not None
    }
    return calls, [("here", "torch"), ("here, no bias", "x-transformers")][: len(calls) - 2]


def measure(options):
    bars = {("torch", False): 0.85, ("torch", True): 1.0}
    named = {"torch": "torch.nn.MultiheadAttention", "x-transformers": "x-transformers (flash)"}
    for grad in (False, True):
        calls, pairs = candidates(options, grad)
        for mine, other in pairs:
            agree({mine: calls[mine], other: calls[other]})
        times = options.times(calls, 41)
        kind = "with gradients" if grad else "forward"
        work = attention_work(4 * 512 * 512, 4 * 512, dim=DIM, grad=grad)
        for mine, other in pairs:
            name, bar = f"time of {named[other]}, {kind}", bars.get((other, grad), 1.1)
            yield ratio(name, times[mine], times[other], ("<=", bar))
            both = {mine.replace("here", "attn_lib"): times[mine], named[other]: times[other]}
            yield from lines(kind, both, work, options.roof)
