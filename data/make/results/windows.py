"""Write results/07_windows.csv: bits per character of Shakespeare against the attention window.

A decoder of two layers, both with a causal window of w keys, reads characters of eight plays in
pieces of 128 and is tested on Twelfth Night, on characters that have at least 64 before them.
Three seeds. Beside it Kneser-Ney, which counts, looking back as far as the layers do,
1 + 2 (w - 1) characters; its discounts are tuned on Julius Caesar. The column `size` is w, or the
order of Kneser-Ney, which is one more than its reach.

Rows that the file already has are kept, so that it can be stopped and started again. Five
minutes on one idle core:

    python data/make/results/windows.py
"""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _common import output_folder

from attn_lib import DecoderLM, TransformerConfig
from attn_lib.baselines import KneserNey
from attn_lib.datasets import Vocabulary, shakespeare, text_windows
from attn_lib.training import fit

WINDOWS, LENGTH, STEPS, SEEDS = (2, 4, 8, 16, 32, 128), 128, 600, 3
ORDERS = (2, 4, 8)  # the next character from 1, 3 and 7 before it
HEADER = ["model", "size", "reach", "steps", "seed", "bits", "torch"]


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy of the next character, in nats."""
    inputs, targets = batch
    return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())


@torch.no_grad()
def bits(model: nn.Module, ids: Tensor) -> float:
    """Bits per character: pieces overlap by half, and the second half of each is scored."""
    pieces, half = ids.unfold(0, LENGTH + 1, LENGTH // 2), LENGTH // 2
    logits = torch.cat([model(part[:, :-1])[:, half:] for part in pieces.split(64)])
    nats = F.cross_entropy(logits.flatten(0, 1), pieces[:, half + 1 :].flatten())
    return nats.item() / math.log(2)


def trained(window: int, steps: int, seed: int, ids: Tensor, vocab: int) -> DecoderLM:
    """A decoder of two layers that see `window` keys, trained on the characters `ids`."""
    torch.manual_seed(seed)
    kind = ("sliding_attention",)
    config = TransformerConfig(vocab, 64, heads=4, layers=2, layer_pattern=kind, window=window)
    model = DecoderLM(config)
    batches = text_windows(ids, length=LENGTH, batch=8, seed=seed)
    fit(model, batches, loss, steps=steps, lr=0.01, seed=seed, progress=False)
    return model


def counted(order: int, train: Tensor, tune: Tensor, test: Tensor, vocab: int) -> float:
    """Bits per character of Kneser-Ney on the characters that `bits` scores."""
    model = KneserNey(order, vocab).fit(train.numpy()).tune(tune.numpy())
    half = LENGTH // 2
    scored = len(test.unfold(0, LENGTH + 1, half)) * half
    p = model.probabilities(test.numpy())[half + 1 : half + 1 + scored]
    return float(-np.log2(p).mean())


def trials() -> list[tuple[str, int, int, int, int]]:
    """Model, size, reach, steps and seed of every row."""
    found = [("counting", order, order - 1, 0, 0) for order in ORDERS]
    for seed in range(SEEDS):
        found += [("attention", w, min(2 * w - 1, LENGTH), STEPS, seed) for w in WINDOWS]
    return found


def known(path: Path) -> set[tuple[str, ...]]:
    """The trials that the file has already."""
    with path.open(encoding="utf-8") as file:
        return {tuple(row[:5]) for row in csv.reader(file)}


def main() -> None:
    torch.set_num_threads(1)
    path = output_folder() / "results" / "07_windows.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(",".join(HEADER) + "\n", encoding="utf-8")
    plays, version = shakespeare(), torch.__version__.split("+")[0]
    vocab = Vocabulary.of([plays.train])
    train, tune, test = (vocab.encode(play) for play in plays)
    for trial in trials():
        if tuple(map(str, trial)) in known(path):
            continue
        kind, size, _, steps, seed = trial
        if kind == "counting":
            found = counted(size, train, tune, test, len(vocab))
        else:
            found = bits(trained(size, steps, seed, train, len(vocab)), test)
        with path.open("a", newline="", encoding="utf-8") as file:
            row = [*trial, f"{found:.4f}", version]
            csv.writer(file, lineterminator="\n").writerow(row)
        print(*row, flush=True)
    with path.open(encoding="utf-8") as file:
        rows = {tuple(row[:5]): row for row in csv.reader(file)}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([HEADER, *(rows[tuple(map(str, trial))] for trial in trials())])


if __name__ == "__main__":
    main()
