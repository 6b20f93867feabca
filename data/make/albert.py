"""The attention model of rxnmapper 0.4.3 in half precision, as safetensors.

    python -m pip install --no-deps rxnmapper==0.4.3      (and torch, safetensors)
    python data/make/albert.py [--out FOLDER]

An ALBERT (one layer used twelve times, eight heads, 877,598 weights) trained on chemical
reactions by Schwaller et al. 2021, Science Advances 7, eabe4166. The package ships a pickle;
it is read with `weights_only=True`, so nothing in it is executed, and written as fp16 tensors.
MIT licence, whose notice is copied beside the weights.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import torch
from _common import output_folder, package, write
from safetensors.torch import save

PICKLE_SHA256 = "8541f3f500dae71abe678d546bd035ca946e2d1c819f6b2cf41a97faedd7e6a2"
KEPT = [
    "embedding_size",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_norm_eps",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "type_vocab_size",
    "vocab_size",
]


def main() -> None:
    folder = output_folder() / "rxn_albert"
    source = package("rxnmapper", "0.4.3")
    model = "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k"
    inside = Path(str(source.locate_file(model)))
    weights = inside / "pytorch_model.bin"
    if sha256(weights.read_bytes()).hexdigest() != PICKLE_SHA256:
        raise SystemExit(f"{weights.name} is not the file of rxnmapper 0.4.3; reinstall it")
    tensors = torch.load(weights, weights_only=True, map_location="cpu")
    half = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    config = json.loads((inside / "config.json").read_text(encoding="utf-8"))
    kept = {key: config[key] for key in KEPT}
    licences = [file for file in source.files or [] if file.name == "LICENSE"]
    # One metadata key only: safetensors writes several in no fixed order.
    about = json.dumps({"source": "rxnmapper 0.4.3", "licence": "MIT", "dtype": "float16"})
    write(folder / "model.safetensors", save(half, metadata={"about": about}))
    write(folder / "config.json", json.dumps(kept, indent=1) + "\n")
    write(folder / "vocab.txt", (inside / "vocab.txt").read_bytes())
    write(folder / "LICENSE", Path(str(licences[0].locate())).read_bytes())


if __name__ == "__main__":
    main()
