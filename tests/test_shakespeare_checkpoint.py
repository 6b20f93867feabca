"""The character model that the course ships: it loads, it does not peek, it beats counting."""

from __future__ import annotations

import pytest
import torch

from attn_lib import DecoderLM, TransformerConfig
from attn_lib.baselines import KneserNey
from attn_lib.checkpoints import load_checkpoint
from attn_lib.datasets import Vocabulary, data_path, shakespeare
from attn_lib.measure import bits_per_token

NAME = "checkpoints/shakespeare.safetensors"


@pytest.fixture(scope="module")
def shipped():
    letters = Vocabulary(shakespeare().train)
    model = DecoderLM(TransformerConfig(vocab=len(letters), dim=192, heads=4, layers=4))
    note = load_checkpoint(data_path(NAME), model)
    return model.eval(), note, letters


def test_its_note_says_how_it_was_made(shipped):
    _, note, letters = shipped
    assert note["config"] == {"dim": 192, "heads": 4, "layers": 4}
    assert note["symbols"] == "".join(letters.symbols)
    assert {"seed", "steps", "seconds", "tokens", "torch", "figure", "length"} <= set(note)
    assert data_path(NAME).stat().st_size <= 4_000_000


def test_it_beats_the_five_gram_on_the_unseen_play(shipped):
    model, note, letters = shipped
    train, validation, test = (letters.encode(text) for text in shakespeare())
    five = KneserNey(5, len(letters)).fit(train.numpy()).tune(validation.numpy())
    assert note["bits"]["twelfth-night"] < five.bits_per_token(test.numpy()) - 0.02
    part = test[70_000:90_000]  # a slice of its own, not the lesson's
    bits = bits_per_token(model, part, length=note["length"], overlap=note["length"] // 2)
    assert bits < five.bits_per_token(part.numpy())


@torch.no_grad()
def test_no_token_sees_ahead(shipped):
    model, _, letters = shipped
    tokens = letters.encode(shakespeare().test[1000:1040])[None]
    before = model(tokens)
    for t in (1, 20, 39):
        changed = tokens.clone()
        changed[0, t] = (changed[0, t] + 1) % len(letters)
        moved = (model(changed) - before).abs().amax((0, 2))
        assert moved[:t].max() < 1e-4 < 1e-2 < moved[t]


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7, "top_k": 8}, {"temperature": 0}])
def test_the_cache_does_not_change_what_it_writes(shipped, options):
    model, _, letters = shipped
    prompt = letters.encode("VIOLA:\n")[None]
    texts = [
        model.generate(
            prompt, 60, cache=cache, generator=torch.Generator().manual_seed(3), **options
        )
        for cache in (True, False)
    ]
    assert torch.equal(*texts)
