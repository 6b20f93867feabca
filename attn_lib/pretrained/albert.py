"""rxnmapper's ALBERT: one small layer used twelve times, that learned chemistry by filling gaps."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import TransformerConfig
from ..datasets.files import data_path
from ..transformer import Encoder
from .tokenizer import Tokenizer, load_tokenizers
from .weights import filled, read_safetensors, renamed

CONFIG = TransformerConfig(
    vocab=591, dim=256, heads=8, layers=12, hidden=512, norm_first=False, norm_eps=1e-12, bias=True,
    positions="learned", max_length=512, token_types=2, embedding_norm=True, embedding_dim=128,
    shared=True,
)  # fmt: skip

# (name in the file, name in this library), replaced in this order
NAMES = (
    ("albert.embeddings.word_embeddings", "encoder.embedding.tokens"),
    ("albert.embeddings.position_embeddings", "encoder.embedding.positions"),
    ("albert.embeddings.token_type_embeddings", "encoder.embedding.types"),
    ("albert.embeddings.LayerNorm", "encoder.embedding.norm"),
    ("albert.encoder.embedding_hidden_mapping_in", "encoder.embedding.widen"),
    ("albert.encoder.albert_layer_groups.0.albert_layers.0", "encoder.stack.blocks.0"),
    ("attention.LayerNorm", "attention_norm"),
    ("attention.query", "attention.q_proj"),
    ("attention.key", "attention.k_proj"),
    ("attention.value", "attention.v_proj"),
    ("attention.dense", "attention.o_proj"),
    ("ffn_output", "feed_forward.down"),
    ("ffn", "feed_forward.up"),
    ("full_layer_layer_norm", "feed_forward_norm"),
    ("predictions.dense", "narrow"),
    ("predictions.LayerNorm", "norm"),
    ("predictions.bias", "bias"),
)
_ONE, _ALL = "encoder.stack.blocks.0.", "encoder.stack.blocks.{}."

# A bracketed atom, a two-letter element, a two-digit ring, the arrow, or one character. A molecule
# is written atom by atom: CC(=O)O is acetic acid, c1ccccc1 benzene.
_SMILES = r"\[[^\]]+\]|Br|Cl|%[0-9]{2}|>>|."


class MaskedLM(nn.Module):
    """An encoder that says for each token what could stand there: logits (b, n, vocab).

    The read-out brings each vector to the width of the embedding and compares it with the tokens'
    own rows there.

    Source: Devlin et al. 2018, arXiv:1810.04805; Lan et al. 2019, arXiv:1909.11942.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config, self.encoder = config, Encoder(config)
        width = config.dim if config.embedding_dim is None else config.embedding_dim
        self.narrow = nn.Linear(config.dim, width)
        self.norm = config.make_norm(width)
        self.bias = nn.Parameter(torch.zeros(config.vocab))

    def forward(self, tokens: Tensor, types: Tensor | None = None, **options: Any) -> Any:
        """Logits (b, n, vocab), then `Maps` if asked; the options are those of `Encoder`."""
        out = self.encoder(tokens, types, **options)
        x, *maps = out if isinstance(out, tuple) else (out,)
        x = self.norm(F.gelu(self.narrow(x)))
        logits = F.linear(x, self.encoder.embedding.tokens.weight, self.bias)
        return (logits, *maps) if maps else logits


def albert() -> tuple[MaskedLM, Tokenizer]:
    """rxnmapper's ALBERT (12 passes of one layer, 8 heads, 256 features) and its tokenizer.

        model, tokenizer = albert()
        ids, keep = tokenizer.encode("CC(=O)O.OCC>>CC(=O)OCC")
        logits, maps = model(ids, keep=keep, return_weights=True)

    Tokens are atoms and signs of SMILES, "reactants>>products".  maps.weights[layer] (b, 8, n, n);
    maps.hidden[layer] (b, n, 256), 0 the embeddings and 12 the last pass.  To ask what stands in a
    gap, put tokenizer.token("[MASK]") there. Weights: shipped in half precision, float32 here, no
    gradient. The file is in `data/` (MIT, notice beside it) and needs no other package than
    safetensors and tokenizers; it reaches 512 tokens.

    Raises FileNotFoundError or ValueError with the command that mends it (see `data_path`).
    Source: Schwaller et al. 2021, Science Advances 7, eabe4166.
    """
    package = load_tokenizers()
    names = data_path("rxn_albert/vocab.txt").read_text(encoding="utf-8").split("\n")
    vocab = {name: i for i, name in enumerate(names) if name}
    inner = package.Tokenizer(package.models.WordLevel(vocab, unk_token="[UNK]"))
    inner.pre_tokenizer = package.pre_tokenizers.Split(package.Regex(_SMILES), "isolated")
    inner.decoder = package.decoders.Fuse()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    inner.add_special_tokens(special)
    inner.post_processor = package.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, vocab[name]) for name in special[2:4]]
    )
    return filled(lambda: MaskedLM(CONFIG), _weights()), Tokenizer(inner, pad=vocab["[PAD]"])


def _weights() -> dict[str, Tensor]:
    half = read_safetensors(data_path("rxn_albert/model.safetensors"))
    tensors = renamed(half, NAMES, drop=("albert.pooler", "predictions.decoder"))  # tied, as above
    out = {name: tensor.float() for name, tensor in tensors.items()}
    for name in [name for name in out if name.startswith(_ONE)]:
        for i in range(1, CONFIG.layers):
            out[_ALL.format(i) + name.removeprefix(_ONE)] = out[name]
    return out
