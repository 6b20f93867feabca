"""A causal window: local_attention beside its peers, its growth with n, and its memory."""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F

from attn_lib import causal, local_attention, window
from benchmarks import peers
from benchmarks.calls import agree, backward, forward, inputs
from benchmarks.measure import exponent, memory_figure, ratio
from benchmarks.roofline import attention_work, lines, window_pairs

TITLE = "Sliding window: (1, 8, n, 64), causal, window 256, float32"
W = 256
SIZES = (1024, 2048, 4096, 8192, 16384)
GROWTH = SIZES[1:]
WHY = (
    "A chunk of 64 queries shares one stretch of 319 keys, of which each query asks for 256: a "
    "fifth of the products is computed and thrown away. The rest is the softmax (maxima, "
    "exponentials and sums are not counted as useful), and backward the scores computed again and "
    "the gradients of overlapping stretches added up."
)


def candidates(options, n, grad, w=W):
    q, k, v = inputs(n)
    wrap = backward if grad else forward
    calls = {"attn_lib": wrap(local_attention, q, k, v, window=w)}
    if (peer := peers.lucidrains(options, w)) is not None:
        calls["lucidrains local-attention"] = wrap(peer, q, k, v)
    compiling = not grad and (n > 1024 or not options.quick)  # no gradients on a CPU
    if compiling and (peer := peers.flex(options, n, w)) is not None:
        calls["flex_attention, compiled"] = wrap(peer, q, k, v)
    if n <= 4096:
        calls["PyTorch's kernel, dense mask"] = dense(n, wrap, q, k, v, w)
    return calls


def dense(n, wrap, q, k, v, w=W):
    mask = (causal & window(w)).dense(n)
    return wrap(F.scaled_dot_product_attention, q, k, v, attn_mask=mask)


def all_keys(n, grad):
    full = F.scaled_dot_product_attention
    return (backward if grad else forward)(full, *inputs(n), is_causal=True)


BARS = {  # (n, with gradients, peer): what the ratio is called, and its bar
    (16384, False, "lucidrains local-attention"): ("times as fast as lucidrains", (">=", 5.0)),
    (16384, True, "lucidrains local-attention"): ("times as fast as lucidrains", (">=", 2.5)),
    (16384, False, "flex_attention, compiled"): ("time of compiled flex_attention", ("<=", 1.1)),
    (4096, False, "PyTorch's kernel, dense mask"): ("times as fast as the dense mask", (">=", 8.0)),
}


def measure(options):
    for grad in (False, True):
        kind = "with gradients" if grad else "forward"
        for n in options.sizes(SIZES, keep=16384):
            calls = candidates(options, n, grad)
            agree(calls)
            if n <= 4096:  # other outputs: it sees every key, and its time grows with n²
                calls["PyTorch's kernel, all keys"] = all_keys(n, grad)
            times = options.times(calls, 21 if n == 16384 and not grad else 9)
            work = attention_work(window_pairs(n, W), n, grad=grad)
            yield from lines(f"n = {n:,}, {kind}", times, work, options.roof)
            options.draw(f"Causal window of 256, {kind}", n, times, work)
            for who, seconds in times.items():
                if (bar := BARS.get((n, grad, who))) is not None:
                    name = f"{bar[0]}, {kind}, n = {n:,}"
                    yield ratio(name, times["attn_lib"], seconds, bar[1])
    yield from at_the_ends(options)
    yield from growth(options)
    yield from global_tokens_and_symmetry(options)
    yield from memory(options)


def at_the_ends(options):
    """The dense mask where it is dearest, and a window that hides nothing."""
    if not options.quick and free_memory() < 6 * 2**30:
        options.missing.append("the dense mask at n = 16,384 (it wants 6 GiB of free memory)")
    elif not options.quick:
        q, k, v = inputs(16384)
        calls = {
            "attn_lib": forward(local_attention, q, k, v, window=W),
            "dense": dense(16384, forward, q, k, v),
        }
        agree(calls)
        times = options.times(calls, 5)
        yield ratio(
            "times as fast as the dense mask, forward, n = 16,384",
            times["attn_lib"], times["dense"], (">=", 50.0),
        )  # fmt: skip
    q, k, v = inputs(4096)
    calls = {"full": all_keys(4096, False), "all": forward(local_attention, q, k, v, window=4096)}
    agree(calls)
    times = options.times(calls, 21)
    yield ratio(
        "window >= n against full causal attention, n = 4,096", times["all"], times["full"],
        ("<=", 1.1),
    )  # fmt: skip


def free_memory():
    """Bytes that programs may still ask for; no limit where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    return 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])


def growth(options):
    for kind, wrap, bar in (("forward", forward, 1.15), ("with gradients", backward, 1.2)):
        calls = {n: wrap(local_attention, *inputs(n), window=W) for n in GROWTH}
        name = f"exponent from 2,048 to 16,384, {kind}"
        yield exponent(name, GROWTH, options.times(calls, 9), ("<=", bar))


def global_tokens_and_symmetry(options):
    given = inputs(16384)
    kinds = (("forward", forward), ("with gradients", backward))
    for kind, wrap in kinds[:1] if options.quick else kinds:
        calls = {
            "plain": wrap(local_attention, *given, window=W),
            "global": wrap(local_attention, *given, window=W, n_global=4),
            "symmetric": wrap(local_attention, *given, window=W, causal=False),
        }
        t = options.times(calls, 7)
        yield ratio(f"with 4 global tokens, against without, {kind}", t["global"], t["plain"])
        yield ratio(
            f"symmetric (twice the keys), against causal, {kind}", t["symmetric"], t["plain"]
        )


CODE = """
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


def memory(options):
    for name, grad, g, bar in (
        ("memory, forward, n = 16,384", False, 0, ("<=", 100.0)),
        ("memory, forward, 4 global tokens, n = 16,384", False, 4, None),
        ("memory, with gradients, n = 16,384", True, 0, None),
    ):
        code = CODE.replace("GRAD", str(grad)).replace("n_global=G", f"n_global={g}")
        yield memory_figure(name, code, bar, count=options.once(3))
