"""MultiHeadAttention against PyTorch's module and x-transformers, with the same weights."""

from __future__ import annotations

import importlib.util

import torch
from torch import nn

from attn_lib import MultiHeadAttention
from attn_lib.interop import from_torch
from benchmarks.measure import ratio, rounds

TITLE = "Multi-head attention: (4, 512, 512), 8 heads, float32, eval"
DIM, HEADS = 512, 8


def x_transformers(options, mine):
    """Its attention on PyTorch's fused kernel, without biases, with the weights of `mine`."""
    if importlib.util.find_spec("x_transformers") is None:
        options.missing.append("x-transformers")
        return None
    from x_transformers import Attention

    peer = Attention(dim=DIM, dim_head=DIM // HEADS, heads=HEADS, flash=True).eval()
    with torch.no_grad():
        for theirs, own in (
            (peer.to_q, mine.q_proj), (peer.to_k, mine.k_proj),
            (peer.to_v, mine.v_proj), (peer.to_out, mine.o_proj),
        ):  # fmt: skip
            theirs.weight.copy_(own.weight)
    return peer


def forward(call, x):
    def run():
        with torch.no_grad():
            return call(x)

    return run


def backward(call, module, x):
    up = torch.randn_like(x)

    def run():
        x.grad = None
        module.zero_grad(set_to_none=True)
        call(x).backward(up)

    return run


def measure(options):
    torch.manual_seed(0)
    torchs = nn.MultiheadAttention(DIM, HEADS, batch_first=True).eval()
    mine = from_torch(torchs).eval()  # with biases, as PyTorch's has them
    plain = MultiHeadAttention(DIM, HEADS).eval()  # without, as x-transformers
    peer = x_transformers(options, plain)

    modules = {
        "here": (mine, mine),
        "torch": (torchs, lambda x: torchs(x, x, x, need_weights=False)[0]),
        "here, no bias": (plain, plain),
    }
    if peer is not None:
        modules["x-transformers"] = (peer, peer)

    x = torch.randn(4, 512, DIM)
    calls = {name: forward(call, x) for name, (_, call) in modules.items()}
    results = {name: call() for name, call in calls.items()}
    torch.testing.assert_close(results["here"], results["torch"])
    t = rounds(calls, options.count(41))
    yield ratio("time of torch.nn.MultiheadAttention, forward", t["here"], t["torch"], ("<=", 0.85))
    if peer is not None:
        torch.testing.assert_close(results["here, no bias"], results["x-transformers"])
        yield ratio(
            "time of x-transformers (flash), forward",
            t["here, no bias"], t["x-transformers"], ("<=", 1.1),
        )  # fmt: skip

    x.requires_grad_()
    t = rounds(
        {name: backward(call, module, x) for name, (module, call) in modules.items()},
        options.count(41),
    )
    yield ratio(
        "time of torch.nn.MultiheadAttention, with gradients", t["here"], t["torch"], ("<=", 1.0)
    )
    if peer is not None:
        yield ratio(
            "time of x-transformers (flash), with gradients",
            t["here, no bias"], t["x-transformers"], ("<=", 1.1),
        )  # fmt: skip
