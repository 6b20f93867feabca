"""Decoding with a cache against reading all tokens again for each new one."""

from __future__ import annotations

import torch

from attn_lib import DecoderLM
from attn_lib.config import TransformerConfig
from benchmarks.measure import ratio, rounds

TITLE = "Decoding 256 tokens, greedy, float32"
STEPS = 256


def measure(options):
    torch.manual_seed(0)
    config = TransformerConfig(vocab=1000, dim=256, heads=8, layers=4)
    model = DecoderLM(config).eval()
    weights = sum(p.numel() for p in model.parameters()) / 1e6
    prompt = torch.randint(config.vocab, (1, 1))

    def decode(cache):
        return lambda: model.generate(prompt, STEPS, temperature=0, cache=cache)

    calls = {"cache": decode(True), "again": decode(False)}
    assert torch.equal(*(call() for call in calls.values()))
    t = rounds(calls, options.count(9))
    yield ratio(
        "times as fast as without a cache", t["cache"], t["again"], (">=", 5.0),
        note=f"batch 1, {weights:.1f} million weights: {config.layers} layers, dim {config.dim}",
    )  # fmt: skip
