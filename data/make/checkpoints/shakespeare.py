"""Write checkpoints/shakespeare.safetensors: a character model of eight plays, for lesson 05.

A decoder of 1.8 M weights with rotary positions, 3,000 steps of ten windows of 192 characters,
in bfloat16 on one core: about 12 minutes on a core of its own. A run that was stopped goes on from
the file in --state. The plays for validation and test are only read to be measured; nothing is
chosen on the test play.

    OMP_NUM_THREADS=1 python data/make/checkpoints/shakespeare.py [--state FILE] [--minutes M]
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F

from attn_lib import DecoderLM, TransformerConfig
from attn_lib.checkpoints import save_checkpoint
from attn_lib.datasets import Vocabulary, shakespeare, text_windows
from attn_lib.measure import bits_per_token
from attn_lib.training import schedule

CONFIG = {"dim": 192, "heads": 4, "layers": 4}
LENGTH, BATCH, STEPS, WARMUP, RATE, DECAY, SEED = 192, 10, 3000, 150, 2e-3, 0.1, 0
DATA = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=DATA, help="default: data/")
    parser.add_argument("--state", type=Path, help="where a stopped run goes on")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after, to go on later")
    return parser.parse_args()


def main() -> None:
    options, began = arguments(), time.monotonic()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    plays = shakespeare()
    vocabulary = Vocabulary(plays.train)
    train, validation, test = (vocabulary.encode(text) for text in plays)
    model = DecoderLM(TransformerConfig(vocab=len(vocabulary), **CONFIG))
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}],
        betas=(0.9, 0.99),
    )
    done, seconds = 0, 0.0
    if options.state and options.state.exists():
        state = torch.load(options.state)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        done, seconds = state["done"], state["seconds"]
    batches = islice(text_windows(train, length=LENGTH, batch=BATCH, seed=SEED), done, STEPS)
    for step, (inputs, targets) in enumerate(batches, start=done):
        start = time.process_time()
        for group in optimizer.param_groups:
            group["lr"] = RATE * schedule(step, STEPS, warmup=WARMUP, floor=0.05)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(inputs)
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seconds, done = seconds + time.process_time() - start, step + 1
        if done % 50 == 0:
            print(done, f"{loss.item() / 0.6931:.3f} bits, {seconds:.0f} s", flush=True)
        if done % 250 == 0:
            part = bits_per_token(model, validation[:20_000], length=LENGTH, overlap=LENGTH // 2)
            print(done, f"validation {part:.4f} bits", flush=True)
            if options.state:
                torch.save(
                    {"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                     "done": done, "seconds": seconds}, options.state,
                )  # fmt: skip
            if done < STEPS and time.monotonic() - began > 60 * options.minutes:
                sys.exit(f"stopped after {done} steps; run it again to go on")
    halved = {name: tensor.half().float() for name, tensor in model.state_dict().items()}
    model.load_state_dict(halved)  # measured as it will be read
    held_out = {
        name: bits_per_token(model, ids, length=LENGTH, overlap=LENGTH // 2)
        for name, ids in (("julius-caesar", validation), ("twelfth-night", test))
    }
    path = options.out / "checkpoints" / "shakespeare.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(
        path, model, steps=STEPS, seed=SEED, dtype=torch.float16,
        figure=f"{held_out['twelfth-night']:.3f} bits per character, Twelfth Night",
        bits={name: round(bits, 4) for name, bits in held_out.items()},
        seconds=round(seconds), config=CONFIG, length=LENGTH, batch=BATCH, rate=RATE,
        tokens=STEPS * BATCH * LENGTH, symbols="".join(vocabulary.symbols),
    )  # fmt: skip
    print(f"{path.name}: {path.stat().st_size:,} bytes, {held_out}, {seconds:.0f} s of one core")


if __name__ == "__main__":
    main()
