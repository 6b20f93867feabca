"""Cross-attention: the module beside PyTorch's, x-transformers' and BERT's."""

from __future__ import annotations

import torch

from attn_lib import MultiHeadAttention
from benchmarks import peers
from benchmarks.calls import agree, timed
from benchmarks.roofline import attention_work, lines

TITLE = "Cross-attention: modules on x (1, n, 512) and context (1, 2n, 512), 8 heads, float32, eval"
LATE = True
SIZES = (512, 1024)
WHY = "As for full attention."


def candidates(options, n, grad):
    torch.manual_seed(0)
    mine = MultiHeadAttention(512, 8).eval()
    x, context = torch.randn(1, n, 512), torch.randn(1, 2 * n, 512)
    made = {
        "attn_lib": (mine, mine),
        "torch.nn.MultiheadAttention": peers.torch_module(options, mine),
        "x-transformers (flash)": peers.x_transformers(options, mine),
        "Hugging Face BERT (sdpa)": peers.bert_cross(options, mine),
    }
    return {
        who: timed(peer[1], peer[0], grad, x, context)
        for who, peer in made.items()
        if peer is not None
    }


def measure(options):
    for grad in (False, True):
        kind = "with gradients" if grad else "forward"
        for n in SIZES:
            calls = candidates(options, n, grad)
            agree(calls)
            times = options.times(calls, 21)
            work = attention_work(2 * n * n, n, 2 * n, dim=512, grad=grad)
            yield from lines(f"n = {n:,}, {kind}", times, work, options.roof)
