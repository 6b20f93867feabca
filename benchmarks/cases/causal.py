"""Causal attention: the module beside PyTorch's, x-transformers', Llama's and a book's."""

from __future__ import annotations

from functools import partial

import torch

from attn_lib import MultiHeadAttention, causal, rotary
from benchmarks import peers
from benchmarks.calls import agree, timed
from benchmarks.roofline import attention_work, lines, window_pairs

TITLE = "Causal attention: modules on (1, n, 512), 8 heads, float32, eval"
LATE = True
SIZES = (256, 1024, 4096)
WHY = (
    "As for full attention; and along the diagonal the kernel computes whole blocks of which half "
    "is thrown away. llms-from-scratch writes all n × n scores out and throws half of them away. "
    "Beside Llama stands the module with the same rotary positions."
)


def candidates(options, n, grad):
    torch.manual_seed(0)
    mine = MultiHeadAttention(512, 8).eval()
    x = torch.randn(1, n, 512)
    made = {
        "attn_lib": (mine, partial(mine, mask=causal)),
        "torch.nn.MultiheadAttention": peers.torch_module(options, mine, is_causal=True),
        "x-transformers (flash)": peers.x_transformers(options, mine, is_causal=True),
        "llms-from-scratch": peers.llms_from_scratch(options, mine, n),
    }
    return {who: timed(peer[1], peer[0], grad, x) for who, peer in made.items() if peer is not None}


def rotary_candidates(options, n, grad):
    torch.manual_seed(0)
    mine = MultiHeadAttention(512, 8, rotary=partial(rotary, pairing="half")).eval()
    x = torch.randn(1, n, 512)
    made = {
        "attn_lib, rotary": (mine, partial(mine, mask=causal)),
        "Hugging Face Llama (sdpa)": peers.llama(options, mine),
    }
    return {who: timed(peer[1], peer[0], grad, x) for who, peer in made.items() if peer is not None}


def measure(options):
    for grad in (False, True):
        kind = "with gradients" if grad else "forward"
        for n in options.sizes(SIZES):
            work = attention_work(window_pairs(n, n), n, dim=512, grad=grad)
            for make in (candidates, rotary_candidates):
                calls = make(options, n, grad)
                agree(calls)
                times = options.times(calls, 21 if n < 4096 else 5)
                yield from lines(f"n = {n:,}, {kind}", times, work, options.roof)
                if make is candidates:
                    options.draw(f"Causal attention, {kind}", n, times, work)
