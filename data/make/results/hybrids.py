"""Write results/08_hybrids.csv: who may see whom, and what that is worth at an equal budget.

Small decoders of eight layers differ only in the scheme of `attn_lib.schemes`: same weights, same
steps, same batches. Two tasks at 64 tokens: name the clue that stands 32 to 62 tokens back (share
right, chance 0.125), and predict the next character of Shakespeare's plays (bits per character on
the play held out for validation, second half of each text). Three seeds. About seven minutes on
one core; rows that the table has already are kept, so the script may be stopped and run again:

    python data/make/results/hybrids.py
"""

from __future__ import annotations

import csv
import math
import sys
from itertools import islice, product
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _common import output_folder

from attn_lib.datasets import Vocabulary, clues, far_clues, shakespeare, text_windows
from attn_lib.schemes import Scheme, schemes
from attn_lib.training import fit

N, BATCH, LAYERS, DIM, HEADS = 64, 16, 8, 32, 2
SEEDS = range(3)
PLACES = range(1, 17)
COPIES = 4
STEPS = {"clue": 120, "text": 150}
RATE = 5e-3
SCHEMES = schemes(N)


def clue(scheme: Scheme, seed: int) -> float:
    """The share of right answers after training on far clues."""
    torch.manual_seed(seed)
    model = scheme.decoder(clues.VOCAB, layers=LAYERS, dim=DIM, heads=HEADS)

    def logits(model, tokens):
        return model(tokens, mask=scheme.mask)[:, -16:]  # (b, 16, vocab): the questions

    def loss(model, batch):
        wanted = batch.answers[:, None].expand(-1, 16)
        return F.cross_entropy(logits(model, batch.tokens).flatten(0, 1), wanted.flatten())

    batches = far_clues(length=N, places=PLACES, batch=BATCH, copies=COPIES, seed=seed)
    fit(model, batches, loss, steps=STEPS["clue"], lr=RATE, seed=seed, progress=False)
    draw = {"length": N, "places": PLACES, "batch": 256, "copies": COPIES}
    test = next(far_clues(**draw, seed=1_000 + seed))
    with torch.no_grad():
        hits = logits(model, test.tokens).argmax(-1) == test.answers[:, None]
    return hits.float().mean().item()


def text(scheme: Scheme, seed: int) -> float:
    """Bits per character on the play held out for validation."""
    plays = shakespeare()
    vocabulary = Vocabulary.of([plays.train])
    torch.manual_seed(seed)
    model = scheme.decoder(len(vocabulary), layers=LAYERS, dim=DIM, heads=HEADS)

    def loss(model, batch, first=0):
        tokens, wanted = batch
        found = model(tokens, mask=scheme.mask)[:, first:]
        return F.cross_entropy(found.flatten(0, 1), wanted[:, first:].flatten())

    batches = text_windows(vocabulary.encode(plays.train), length=N, batch=BATCH, seed=seed)
    fit(model, batches, loss, steps=STEPS["text"], lr=RATE, seed=seed, progress=False)
    held_out = text_windows(vocabulary.encode(plays.validation), length=N, batch=64, seed=1_000)
    with torch.no_grad():
        losses = [loss(model, batch, N // 2).item() for batch in islice(held_out, 4)]
    return sum(losses) / len(losses) / math.log(2)


TASKS = {"clue": clue, "text": text}
HEADER = ["task", "scheme", "seed", "steps", "pairs", "quality", "torch"]


def main() -> None:
    torch.set_num_threads(1)
    path = output_folder() / "results" / "08_hybrids.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
    done = {tuple(row[:3]) for row in rows}
    for seed, task, name in product(SEEDS, TASKS, SCHEMES):
        if (task, name, str(seed)) in done:
            continue
        pairs = SCHEMES[name].pairs(N, LAYERS)
        quality = TASKS[task](SCHEMES[name], seed)
        version = torch.__version__.split("+")[0]
        rows.append([task, name, seed, STEPS[task], pairs, f"{quality:.4f}", version])
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])
        print(*rows[-1], flush=True)


if __name__ == "__main__":
    main()
