"""Write results/04_positions.csv: who learns an order, and who keeps it on longer texts.

One attention layer with each kind of position is trained on texts of 32 tokens, three seeds, on
two tasks: copy the token from 5 places back (causal), and reverse the text (no mask). Copying is
tested to 128 tokens, on the last 8 of them. About five minutes on one core:

    python data/make/results/positions.py
"""

from __future__ import annotations

import csv
import sys
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from _common import output_folder

from attn_lib import MultiHeadAttention, attend_alibi, causal, rotary, sinusoidal

SCHEMES = ("none", "sinusoidal", "learned", "rotary", "rotary half", "alibi")
VOCAB, BACK, TRAINED, LENGTHS, STEPS = 16, 5, 32, (32, 48, 64, 96, 128), 800


class Tagger(nn.Module):
    """Embeddings, one attention layer that knows positions by `scheme`, a linear read-out."""

    def __init__(self, scheme: str, dim: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.scheme, self.embed = scheme, nn.Embedding(VOCAB, dim)
        turn = {"rotary": rotary, "rotary half": partial(rotary, pairing="half")}.get(scheme)
        options = {"attend": attend_alibi} if scheme == "alibi" else {}
        self.attend = MultiHeadAttention(dim, heads, rotary=turn, **options)
        self.table = nn.Parameter(0.5 * torch.randn(max(LENGTHS), dim))
        self.read = nn.Linear(dim, VOCAB)

    def forward(self, tokens: Tensor, mask=None) -> Tensor:
        x = self.embed(tokens)  # (b, n, dim)
        if self.scheme == "sinusoidal":
            x = x + sinusoidal(*x.shape[1:])
        elif self.scheme == "learned":
            x = x + self.table[: x.shape[1]]
        return self.read(self.attend(x, mask=mask))


def draw(task: str, size: int, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random texts (size, n) and what is wanted at each place."""
    tokens = torch.randint(VOCAB, (size, n), generator=generator)
    return tokens, tokens.roll(BACK, 1) if task == "copy" else tokens.flip(1)


def train(task: str, scheme: str, seed: int) -> dict[int, float]:
    """The share of right answers at each length tested."""
    torch.manual_seed(seed)
    model, generator = Tagger(scheme), torch.Generator().manual_seed(seed)
    mask, first = (causal, BACK) if task == "copy" else (None, 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    for _ in range(STEPS):
        tokens, wanted = draw(task, 32, TRAINED, generator)
        logits = model(tokens, mask)[:, first:]
        loss = F.cross_entropy(logits.flatten(0, 1), wanted[:, first:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    right = {}
    with torch.no_grad():
        for n in LENGTHS if task == "copy" else (TRAINED,):
            tokens, wanted = draw(task, 200, n, generator)
            last = slice(-8, None) if task == "copy" else slice(None)
            hits = model(tokens, mask).argmax(-1) == wanted
            right[n] = hits[:, last].float().mean().item()
    return right


def main() -> None:
    torch.set_num_threads(1)
    path = output_folder() / "results" / "04_positions.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["task", "scheme", "seed", "steps", "length", "right", "torch"])
        for task in ("copy", "reverse"):
            for scheme in SCHEMES:
                for seed in range(3):
                    for n, right in train(task, scheme, seed).items():
                        version = torch.__version__.split("+")[0]
                        writer.writerow([task, scheme, seed, STEPS, n, f"{right:.4f}", version])
                    print(task, scheme, seed, flush=True)


if __name__ == "__main__":
    main()
