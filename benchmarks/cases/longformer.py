"""A symmetric window with global tokens: the module beside Longformer's and a dense mask."""

from __future__ import annotations

from functools import partial

import torch

from attn_lib import MultiHeadAttention, global_tokens, window
from attn_lib.hosted import attend_local
from benchmarks import peers
from benchmarks.calls import agree, timed
from benchmarks.roofline import attention_work, lines, window_pairs

TITLE = "Window and global tokens: modules on (1, n, 512), 8 heads, float32, eval"
LATE = True
SIDE = 128  # keys on either side, as Longformer counts: 257 with the token itself
SIZES = (1024, 4096, 8192)
WHY = (
    "A chunk of 64 queries computes 320 scores each where 257 are asked for; with global tokens "
    "the keys are copied into one piece for every chunk. The softmax is not counted as useful."
)


def candidates(options, n, grad, n_global, side=SIDE):
    torch.manual_seed(0)
    near = partial(attend_local, window=side + 1, causal=False, n_global=n_global)
    mine = MultiHeadAttention(512, 8, attend=near).eval()
    plain = MultiHeadAttention(512, 8).eval()
    plain.load_state_dict(mine.state_dict())
    x = torch.randn(1, n, 512)
    mask = window(side + 1) | global_tokens(n_global)
    made = {
        "attn_lib": (mine, mine),
        "Hugging Face Longformer": peers.longformer(options, mine, side, n_global),
        "PyTorch's kernel, dense mask": (plain, partial(plain, mask=mask)) if n <= 4096 else None,
    }
    return {who: timed(peer[1], peer[0], grad, x) for who, peer in made.items() if peer is not None}


def measure(options):
    for grad in (False, True):
        kind = "with gradients" if grad else "forward"
        for n in options.sizes(SIZES):
            for n_global in (0, 4) if n <= 4096 else (4,):
                calls = candidates(options, n, grad, n_global)
                agree(calls)
                times = options.times(calls, 5)
                pairs = 2 * window_pairs(n, SIDE + 1) - n + 2 * n_global * max(0, n - SIDE)
                work = attention_work(pairs, n, dim=512, grad=grad)
                what = f"n = {n:,}, {n_global} global tokens, {kind}"
                yield from lines(what, times, work, options.roof)
