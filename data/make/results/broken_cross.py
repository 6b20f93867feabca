"""Write results/06_broken.csv: what each common mistake with cross-attention costs on the dates.

Eight encoder-decoders, one right and seven with a fault, are trained alike on dates in fourteen
languages, three seeds. `loss` is the teacher-forced loss on held-out dates, `right` the share of
held-out dates that each writes without a mistake. About eight minutes on one core:

    python data/make/results/broken_cross.py
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _common import output_folder

from attn_lib.faulty import FAULTS, train_faulty

STEPS, SEEDS = 500, 3


def main() -> None:
    torch.set_num_threads(1)
    path = output_folder() / "results" / "06_broken.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    version = torch.__version__.split("+")[0]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fault", "seed", "steps", "loss", "right", "torch"])
        for fault in FAULTS:
            for seed in range(SEEDS):
                loss, right = train_faulty(fault, steps=STEPS, seed=seed)
                writer.writerow([fault, seed, STEPS, f"{loss:.4f}", f"{right:.4f}", version])
                print(fault, seed, f"loss {loss:.3f}, right {right:.3f}", flush=True)


if __name__ == "__main__":
    main()
