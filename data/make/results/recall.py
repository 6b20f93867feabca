"""Write results/01_recall.csv: who still knows the value of a key, and from how far back.

A text is 2 to 32 tokens, each a key and a value together; then tokens ask for keys. Recurrent
networks (RNN, LSTM, GRU) and one attention layer, with and without position codes, have equally
many weights, equal steps and the same search of the learning rate (seed 0, validation texts, up
and down a ladder until both neighbours of the best are worse); the best then trains three seeds.
In the setting "gap" a text has two pairs, and all other tokens are empty. LSTM and GRU are
trained four times longer too. Eight minutes on one busy core:

    python data/make/results/recall.py
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _common import output_folder

from attn_lib import MultiHeadAttention, sinusoidal

DIM, BATCH, STEPS, SEEDS = 64, 64, 600, 3
LADDER = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)  # of learning rates
LENGTHS = (2, 4, 8, 16, 32)
# setting: keys, values, and how many pairs a text holds at most; the rest of it is empty
SETTINGS = {"small": (32, 8, 32), "large": (64, 32, 32), "gap": (32, 8, 2)}
# hidden sizes that give each recurrent layer as many weights as the attention layer, 4 * DIM**2
LAYERS = {"RNN": (nn.RNN, 99), "LSTM": (nn.LSTM, 39), "GRU": (nn.GRU, 48)}
MODELS = (*LAYERS, "attention", "attention + positions")


class Recall(nn.Module):
    """Embeddings, one layer that reads the text, a linear read-out."""

    def __init__(self, kind: str, keys: int, values: int) -> None:
        super().__init__()
        self.kind = kind
        self.key = nn.Embedding(keys + 1, DIM)  # the last stands for an empty token
        self.value = nn.Embedding(values + 1, DIM)  # the last stands for the question
        if kind in LAYERS:
            layer, hidden = LAYERS[kind]
            self.layer = layer(DIM, hidden, batch_first=True)
            start(self.layer)
        else:
            hidden = DIM
            self.layer = MultiHeadAttention(DIM, 1)
        self.read = nn.Linear(hidden, values)

    def forward(self, keys: Tensor, values: Tensor) -> Tensor:
        x = self.key(keys) + self.value(values)  # (b, n, DIM)
        if self.kind == "attention + positions":
            x = x + sinusoidal(*x.shape[1:])
        out = self.layer(x)
        out = out[0] if self.kind in LAYERS else out  # (b, n, hidden)
        return self.read(out)  # (b, n, values)


def start(layer: nn.RNNBase) -> None:
    """What helps recurrent networks to remember: orthogonal matrices, LSTM forget bias 1."""
    hidden = layer.hidden_size
    for block in layer.weight_hh_l0.detach().split(hidden):
        nn.init.orthogonal_(block)
    nn.init.zeros_(layer.bias_ih_l0)
    nn.init.zeros_(layer.bias_hh_l0)
    if isinstance(layer, nn.LSTM):
        layer.bias_ih_l0.data[hidden : 2 * hidden] = 1.0


def draw(setting: str, n: int, size: int, first: bool, generator: torch.Generator) -> list[Tensor]:
    """Texts of n tokens and the questions after them, (size, n + questions), and the answers.

    No key stands twice in a text. Up to 8 different pairs are asked for, or only the first one.
    """
    keys, values, most = SETTINGS[setting]
    pairs = min(n, most)
    key = torch.rand(size, keys, generator=generator).argsort(-1)[:, :pairs]
    value = torch.randint(values, (size, pairs), generator=generator)
    order = torch.rand(size, pairs, generator=generator).argsort(-1)[:, :8]
    asked = torch.zeros(size, 1, dtype=torch.long) if first else order
    question, answer = key.gather(1, asked), value.gather(1, asked)
    empty = torch.full((size, n - pairs), keys), torch.full((size, n - pairs), values)
    key = torch.cat([key, empty[0], question], 1)
    value = torch.cat([value, empty[1], torch.full_like(answer, values)], 1)
    return [key, value, answer]


def train(kind: str, setting: str, rate: float, seed: int, steps: int) -> Recall:
    """One model, trained with Adam, one cycle of the rate and gradients clipped at 1."""
    torch.manual_seed(seed)
    model = Recall(kind, *SETTINGS[setting][:2])
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for _ in range(steps):
        n = LENGTHS[int(torch.randint(len(LENGTHS), (), generator=generator))]
        keys, values, answer = draw(setting, n, BATCH, False, generator)
        logits = model(keys, values)[:, n:]
        loss = F.cross_entropy(logits.flatten(0, 1), answer.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        cycle.step()
    return model


@torch.no_grad()
def test(model: Recall, setting: str, seed: int, size: int = 1000) -> list[float]:
    """The share of right answers for the first pair of a text, for each of LENGTHS."""
    generator, right = torch.Generator().manual_seed(seed), []
    for n in LENGTHS:
        keys, values, answer = draw(setting, n, size, True, generator)
        hits = model(keys, values)[:, n:].argmax(-1) == answer
        right.append(hits.float().mean().item())
    return right


def rows() -> Iterator[list[object]]:
    """The table, row by row: the search, three seeds at the best rate, and the longer training."""
    for setting, kind in product(SETTINGS, MODELS):
        found: dict[int, tuple[float, Recall]] = {}
        todo = [2, 3, 4]  # the search begins in the middle and goes on while an end is best
        while todo:
            for step in todo:
                model = train(kind, setting, LADDER[step], 0, STEPS)
                right = test(model, setting, 1_000)
                found[step] = sum(right), model
                yield from lines("search", setting, model, LADDER[step], 0, STEPS, right)
            top = max(found, key=lambda step: found[step][0])
            todo = [s for s in (top - 1, top + 1) if s not in found and s in range(len(LADDER))]
        rate, best = LADDER[top], found[top][1]
        for seed in range(SEEDS):
            model = train(kind, setting, rate, seed, STEPS) if seed else best
            right = test(model, setting, 2_000)
            yield from lines("result", setting, model, rate, seed, STEPS, right)
        if setting == "small" and kind in ("LSTM", "GRU"):
            right = test(model := train(kind, setting, rate, 0, 4 * STEPS), setting, 2_000)
            yield from lines("longer", setting, model, rate, 0, 4 * STEPS, right)


def lines(
    part: str, setting: str, model: Recall, rate: float, seed: int, steps: int, right: list[float]
) -> Iterator[list[object]]:
    """One row for each length."""
    weights = sum(p.numel() for p in model.layer.parameters())
    print(part, setting, model.kind, rate, seed, steps, [round(r, 3) for r in right], flush=True)
    for n, share in zip(LENGTHS, right, strict=True):
        version = torch.__version__.split("+")[0]
        yield [part, setting, model.kind, weights, rate, seed, steps, n, f"{share:.3f}", version]


HEADER = "part,setting,model,weights,rate,seed,steps,length,right,torch".split(",")


def main() -> None:
    torch.set_num_threads(1)
    table = [HEADER, *rows()]
    path = output_folder() / "results" / "01_recall.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(table)


if __name__ == "__main__":
    main()
