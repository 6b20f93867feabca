"""Train the readers of lesson 06 and write data/checkpoints/06_reader.safetensors and _blind.

    python data/make/checkpoints/reader.py

Both learn to answer questions about made-up stories; the blind one has no cross-attention. The
test stories hold facts and plots that no training story has. About a minute on one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _common import DATA

from attn_lib.datasets import shuffled, stories
from attn_lib.reader import Reader
from attn_lib.training import fit

SEED, STEPS, STORIES = 0, 600, 20_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=DATA, help="default: data/")
    folder = parser.parse_args().out / "checkpoints"
    torch.set_num_threads(1)
    split = stories(SEED, STORIES)
    words = {word for story in split.train for word in (*story.words, *story.question.split())}
    for name, asks in (("06_reader", True), ("06_reader_blind", False)):
        reader = Reader(sorted(words), asks=asks, dim=48, seed=SEED)
        feed = shuffled(*reader.encode(split.train), batch=64, seed=SEED)

        def watch(model: torch.nn.Module, reader=reader) -> float:
            right = reader.right(split.validation[:300])
            print(f"{right:.3f}", end=" ", flush=True)
            return right

        fit(
            reader.model, feed, reader.loss, steps=STEPS, seed=SEED, lr=5e-3, every=100,
            validate=watch,
        )  # fmt: skip
        figure = f"{reader.right(split.test):.4f} of {len(split.test)} held-out stories"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.safetensors"
        reader.save(path, steps=STEPS, seed=SEED, figure=figure, stories=STORIES)
        print(name, figure, f"{path.stat().st_size:,} bytes", flush=True)


if __name__ == "__main__":
    main()
