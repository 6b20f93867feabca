"""Write results/07_copying.csv: from how far back one, two and three windowed layers can copy.

A small decoder, every layer a causal window of 8 keys, learns to give back the token that stood
k places before. The receptive field is 1 + L (w - 1) tokens for L layers, so k can be at most 7,
14 and 21. Three seeds; where three layers fail within reach, they train eight times longer too.
About five minutes on one core:

    python data/make/results/copying.py
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _common import output_folder

from attn_lib import DecoderLM, TransformerConfig
from attn_lib.training import fit

VOCAB, LENGTH, WINDOW, STEPS, SEEDS = 16, 32, 8, 200, 3
BACK = (2, 5, 7, 8, 11, 14, 15, 18, 21, 22)
LONGER = [(3, back, 8 * STEPS) for back in (18, 21)]


def copier(layers: int, seed: int) -> DecoderLM:
    """A decoder whose layers all see a window of 8 keys."""
    torch.manual_seed(seed)
    kind = ("sliding_attention",)
    config = TransformerConfig(
        VOCAB, 64, heads=2, layers=layers, hidden=64, layer_pattern=kind, window=WINDOW
    )
    return DecoderLM(config)


def texts(seed: int, size: int = 16) -> Iterator[Tensor]:
    """Endless batches (size, 32) of random tokens."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randint(VOCAB, (size, LENGTH), generator=generator)


def right(layers: int, back: int, steps: int, seed: int) -> float:
    """Train a copier; the share of tokens that it gets right in 300 new texts."""

    def loss(model: nn.Module, tokens: Tensor) -> Tensor:
        logits = model(tokens)[:, back:]
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, :-back].flatten())

    model = copier(layers, seed)
    fit(model, texts(seed), loss, steps=steps, lr=0.01, seed=seed, progress=False)
    tokens = next(texts(seed=1000, size=300))
    with torch.no_grad():
        hits = model(tokens)[:, back:].argmax(-1) == tokens[:, :-back]
    return hits.float().mean().item()


def main() -> None:
    torch.set_num_threads(1)
    trials = [(layers, back, STEPS) for layers in (1, 2, 3) for back in BACK] + LONGER
    path = output_folder() / "results" / "07_copying.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["window", "layers", "back", "steps", "seed", "right", "torch"])
        version = torch.__version__.split("+")[0]
        for layers, back, steps in trials:
            for seed in range(SEEDS):
                share = f"{right(layers, back, steps, seed):.4f}"
                writer.writerow([WINDOW, layers, back, steps, seed, share, version])
                print(layers, back, steps, seed, share, flush=True)


if __name__ == "__main__":
    main()
