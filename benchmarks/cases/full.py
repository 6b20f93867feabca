"""Full attention: the module beside those of PyTorch, x-transformers and Hugging Face's BERT."""

from __future__ import annotations

import torch

from attn_lib import MultiHeadAttention
from benchmarks import peers
from benchmarks.calls import agree, timed
from benchmarks.roofline import attention_work, lines

TITLE = "Full attention: modules on (1, n, 512), 8 heads, float32, eval"
LATE = True
SIZES = (256, 1024, 4096)
WHY = (
    "The softmax: its maxima, exponentials and sums are not counted as useful, and with few tokens "
    "the time to start each operation. The products, thin as a head's are, come near the peak."
)


def candidates(options, n, grad):
    torch.manual_seed(0)
    mine = MultiHeadAttention(512, 8).eval()
    x = torch.randn(1, n, 512)
    made = {
        "attn_lib": (mine, mine),
        "torch.nn.MultiheadAttention": peers.torch_module(options, mine),
        "x-transformers (flash)": peers.x_transformers(options, mine),
        "Hugging Face BERT (sdpa)": peers.bert(options, mine),
    }
    return {who: timed(peer[1], peer[0], grad, x) for who, peer in made.items() if peer is not None}


def measure(options):
    for grad in (False, True):
        kind = "with gradients" if grad else "forward"
        for n in options.sizes(SIZES):
            calls = candidates(options, n, grad)
            agree(calls)
            times = options.times(calls, 21 if n < 4096 else 5)
            work = attention_work(n * n, n, dim=512, grad=grad)
            yield from lines(f"n = {n:,}, {kind}", times, work, options.roof)
            options.draw(f"Full attention, {kind}", n, times, work)
