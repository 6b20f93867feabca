"""Decoding with a cache against reading all tokens again, and beside Hugging Face's Llama."""

from __future__ import annotations

import torch

from attn_lib import DecoderLM
from attn_lib.config import TransformerConfig
from benchmarks import peers
from benchmarks.calls import agree
from benchmarks.measure import ratio
from benchmarks.roofline import Work, lines

TITLE = "Decoding 256 tokens with a cache, greedy, batch 1, float32"
STEPS = 256
WHY = (
    "Each new token reads every weight once and multiplies it by one vector: the memory and the "
    "caches set the pace and not the peak. What is missing to the roof is the time to start some "
    "70 operations for a token, each of a few microseconds' work."
)


def small_llama(layers=4, dim=256, vocab=1000):
    torch.manual_seed(0)
    config = TransformerConfig(
        vocab=vocab, dim=dim, heads=8, layers=layers, hidden=3 * dim, feed_forward="swiglu",
        norm="rms", positions="rotary", pairing="half", tied=False,
    )  # fmt: skip
    return DecoderLM(config).eval()


def candidates(options, model, steps=STEPS):
    prompt = torch.zeros(1, 1, dtype=torch.int64)
    calls = {"attn_lib": lambda: [model.generate(prompt, steps, temperature=0)]}
    if (peer := peers.llama_model(options, model)) is not None:
        calls["Hugging Face Llama"] = lambda: [peer(prompt, steps)]
    return calls


def measure(options):
    model = small_llama()
    weights = sum(p.numel() for p in model.parameters())
    calls = candidates(options, model)
    agree(calls)
    times = options.times(calls, 9)
    work = Work(2.0 * weights * STEPS, 4.0 * weights * STEPS)
    what = f"{weights / 1e6:.1f} million weights, a prompt of 1"
    yield from lines(what, times, work, options.roof)

    # a prompt of one token is the least favourable: a longer one is read again for each new token
    for length in (1,) if options.quick else (1, 256):
        calls = with_and_without(length)
        agree(calls)
        t = options.times(calls, 9)
        yield ratio(
            "times as fast as without a cache", t["with"], t["without"], (">=", 5.0),
            note=f"3.4 million weights: 4 layers, dim 256; a prompt of {length}",
        )  # fmt: skip


def with_and_without(length, steps=STEPS):
    torch.manual_seed(0)
    model = DecoderLM(TransformerConfig(vocab=1000, dim=256, heads=8, layers=4)).eval()
    prompt = torch.randint(model.config.vocab, (1, length))

    def decode(cache):
        return lambda: [model.generate(prompt, steps, temperature=0, cache=cache)]

    return {"with": decode(True), "without": decode(False)}
