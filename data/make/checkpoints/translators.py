"""Train the translators of lesson 06 and write data/checkpoints/06_*.safetensors.

    python data/make/checkpoints/translators.py dates numbers weather

Dates in fourteen languages to ISO 8601 (about 2 minutes on one core), number words in German,
English and French up to 99,999 to digits (a minute), weeks of rain to a sentence (2 minutes).
Nothing of the validation and test parts is trained on; the figure in each checkpoint is of the
test part.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _common import DATA

from attn_lib.datasets import dates, invented_weeks, number_words, shuffled, weather_weeks
from attn_lib.datasets.dates import LANGUAGES
from attn_lib.training import fit
from attn_lib.translator import Translator

SEED = 0
PLANS = {  # task: cut, layers, steps, batch, what the figure is measured on
    "dates": ("pieces", 1, 2500, 64, "held-out dates in fourteen languages"),
    "numbers": ("numbers", 1, 1500, 64, "held-out numbers in three languages"),
    "weather": ("weather", 1, 2500, 64, "the weeks of 2015"),
}


def parts(task: str) -> tuple[list, list, list]:
    """What to train on, to watch, and to test on."""
    if task == "weather":
        weeks = weather_weeks()
        return invented_weeks(60_000, seed=SEED) + weeks.train * 10, weeks.validation, weeks.test
    split = dates(languages=LANGUAGES) if task == "dates" else number_words(40_000)
    return split.train, split.validation, split.test


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tasks", nargs="*", default=list(PLANS))
    parser.add_argument("--out", type=Path, default=DATA, help="default: data/")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for task in given.tasks:
        cut, layers, steps, batch, what = PLANS[task]
        train, validation, test = parts(task)
        translator = Translator(train, cut=cut, layers=layers, seed=SEED)
        feed = shuffled(*translator.encode_pairs(train), batch=batch, seed=SEED)

        def watch(model: torch.nn.Module, translator=translator, watched=validation) -> float:
            right = translator.exact_match(watched[:500])
            print(f"{right:.3f}", end=" ", flush=True)
            return right

        fit(
            translator.model, feed, translator.loss, steps=steps, seed=SEED, lr=2e-3,
            validate=watch, every=500,
        )  # fmt: skip
        figure = f"{translator.exact_match(test):.4f} exact match, {what}"
        path = given.out / "checkpoints" / f"06_{task}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        translator.save(path, steps=steps, seed=SEED, figure=figure, batch=batch)
        print(task, figure, f"{path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
