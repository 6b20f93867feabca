"""The peers, each with the weights of one `MultiHeadAttention`, so that all outputs are equal.

Every function returns (module, call) or None where the package is not installed; what is missing
is noted in `options.missing`, and `benchmarks/results.md` names it. Biases that a peer cannot do
without are zero.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attn_lib import DecoderLM, MultiHeadAttention, causal, window

Peer = tuple[nn.Module, Callable[..., Tensor]]


def find(options: Any, package: str, module: str) -> Any:
    """The module, or None with a note that `package` is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        note = package if error.name == module.split(".")[0] else f"{package} ({error})"
        if note not in options.missing:
            options.missing.append(note)
        return None


@torch.no_grad()
def copy(theirs: list[nn.Linear], mine: MultiHeadAttention) -> None:
    """The weights of `mine` into q, k, v and perhaps o of a peer; biases become zero."""
    for layer, own in zip(
        theirs, (mine.q_proj, mine.k_proj, mine.v_proj, mine.o_proj), strict=False
    ):
        layer.weight.copy_(own.weight)
        if layer.bias is not None:
            layer.bias.zero_()


def torch_module(options: Any, mine: MultiHeadAttention, is_causal: bool = False) -> Peer:
    """torch.nn.MultiheadAttention, without weights, as its fast path asks."""
    module = nn.MultiheadAttention(mine.dim, mine.heads, batch_first=True).eval()
    with torch.no_grad():
        own = [mine.q_proj.weight, mine.k_proj.weight, mine.v_proj.weight]
        module.in_proj_weight.copy_(torch.cat(own))  # its biases begin as zeros
        module.out_proj.weight.copy_(mine.o_proj.weight)

    def call(x: Tensor, context: Tensor | None = None) -> Tensor:
        keys = x if context is None else context
        mask = causal.dense(x.shape[1])[0, 0] if is_causal else None
        seen = None if mask is None else ~mask  # True means "may not" there
        return module(x, keys, keys, need_weights=False, attn_mask=seen, is_causal=is_causal)[0]

    return module, call


def x_transformers(options: Any, mine: MultiHeadAttention, is_causal: bool = False) -> Peer | None:
    """x-transformers on PyTorch's fused kernel ("flash")."""
    if (theirs := find(options, "x-transformers", "x_transformers")) is None:
        return None
    module = theirs.Attention(
        dim=mine.dim, dim_head=mine.head_dim, heads=mine.heads, flash=True, causal=is_causal
    ).eval()
    copy([module.to_q, module.to_k, module.to_v, module.to_out], mine)
    return module, lambda x, context=None: module(x, context=context)


def bert(options: Any, mine: MultiHeadAttention) -> Peer | None:
    """Hugging Face's BERT self-attention on the fused kernel, and its output projection."""
    if (theirs := find(options, "transformers", "transformers.models.bert.modeling_bert")) is None:
        return None
    config = theirs.BertConfig(
        hidden_size=mine.dim, num_attention_heads=mine.heads, attention_probs_dropout_prob=0.0,
        attn_implementation="sdpa",
    )  # fmt: skip
    module = theirs.BertSelfAttention(config).eval()
    copy([module.query, module.key, module.value], mine)
    return module, lambda x: mine.o_proj(module(x)[0])


def bert_cross(options: Any, mine: MultiHeadAttention) -> Peer | None:
    """The same for its cross-attention, where this version of transformers has one."""
    theirs = find(options, "transformers", "transformers.models.bert.modeling_bert")
    if theirs is None or not hasattr(theirs, "BertCrossAttention"):
        return None
    config = theirs.BertConfig(
        hidden_size=mine.dim, num_attention_heads=mine.heads, attention_probs_dropout_prob=0.0,
        attn_implementation="sdpa",
    )  # fmt: skip
    module = theirs.BertCrossAttention(config).eval()
    copy([module.query, module.key, module.value], mine)
    return module, lambda x, context: mine.o_proj(module(x, encoder_hidden_states=context)[0])


def llama(options: Any, mine: MultiHeadAttention) -> Peer | None:
    """Hugging Face's Llama attention on the fused kernel: causal, rotary, pairs by halves."""
    theirs = find(options, "transformers", "transformers.models.llama.modeling_llama")
    if theirs is None:
        return None
    config = theirs.LlamaConfig(
        hidden_size=mine.dim, num_attention_heads=mine.heads, num_key_value_heads=mine.kv_heads,
        max_position_embeddings=2**16, attn_implementation="sdpa",
    )  # fmt: skip
    module = theirs.LlamaAttention(config, layer_idx=0).eval()
    copy([module.q_proj, module.k_proj, module.v_proj, module.o_proj], mine)
    turn = theirs.LlamaRotaryEmbedding(config)

    def call(x: Tensor) -> Tensor:
        places = turn(x, torch.arange(x.shape[1])[None])
        return module(x, position_embeddings=places, attention_mask=None)[0]

    return module, call


@torch.no_grad()
def llama_model(options: Any, mine: DecoderLM) -> Callable[[Tensor, int], Tensor] | None:
    """Hugging Face's whole Llama with the weights of `mine`, as a greedy writer with its cache."""
    theirs = find(options, "transformers", "transformers.models.llama.modeling_llama")
    caches = find(options, "transformers", "transformers.cache_utils")
    if theirs is None or caches is None:
        return None
    sizes = mine.config
    config = theirs.LlamaConfig(
        vocab_size=sizes.vocab, hidden_size=sizes.dim, num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.heads, intermediate_size=sizes.hidden,
        num_hidden_layers=sizes.layers, rms_norm_eps=sizes.norm_eps,
        attn_implementation="sdpa",
    )  # fmt: skip
    model = theirs.LlamaForCausalLM(config).eval()
    copied = [(model.model.embed_tokens, mine.embedding.tokens), (model.lm_head, mine.head)]
    copied.append((model.model.norm, mine.stack.norm))
    for layer, block in zip(model.model.layers, mine.stack.blocks, strict=True):
        copy([getattr(layer.self_attn, f"{name}_proj") for name in "qkvo"], block.attention)
        copied += [
            (layer.input_layernorm, block.attention_norm),
            (layer.post_attention_layernorm, block.feed_forward_norm),
            *((getattr(layer.mlp, f"{name}_proj"), getattr(block.feed_forward, name))
              for name in ("gate", "up", "down")),
        ]  # fmt: skip
    for there, here in copied:
        there.weight.copy_(here.weight)

    @torch.no_grad()
    def write(tokens: Tensor, steps: int) -> Tensor:
        new, cache = tokens, caches.DynamicCache(config=config)
        for _ in range(steps):
            new = model(new, cache=cache, use_cache=True).logits[:, -1:].argmax(-1)
            tokens = torch.cat([tokens, new], dim=1)
        return tokens

    return write


def llms_from_scratch(options: Any, mine: MultiHeadAttention, n: int) -> Peer | None:
    """The causal module of "Build a Large Language Model (From Scratch)": scores written out."""
    if (theirs := find(options, "llms-from-scratch", "llms_from_scratch.ch03")) is None:
        return None
    module = theirs.MultiHeadAttention(mine.dim, mine.dim, n, 0.0, mine.heads).eval()
    copy([module.W_query, module.W_key, module.W_value, module.out_proj], mine)
    return module, module


def longformer(options: Any, mine: MultiHeadAttention, side: int, n_global: int) -> Peer | None:
    """Hugging Face's Longformer: `side` keys on either side and the first tokens global."""
    module_name = "transformers.models.longformer.modeling_longformer"
    if (theirs := find(options, "transformers", module_name)) is None:
        return None
    config = theirs.LongformerConfig(
        hidden_size=mine.dim, num_attention_heads=mine.heads, attention_window=[2 * side],
        attention_probs_dropout_prob=0.0, num_hidden_layers=1,
    )  # fmt: skip
    module = theirs.LongformerSelfAttention(config, layer_id=0).eval()
    copy([module.query, module.key, module.value], mine)
    copy([module.query_global, module.key_global, module.value_global], mine)

    def call(x: Tensor) -> Tensor:
        marks = x.new_zeros(x.shape[:2])
        marks[:, :n_global] = 10_000  # what its model makes of "this token is global"
        out = module(
            x, attention_mask=marks, is_index_masked=marks < 0, is_index_global_attn=marks > 0,
            is_global_attn=n_global > 0,
        )[0]  # fmt: skip
        return mine.o_proj(out)

    return module, call


def lucidrains(options: Any, w: int) -> nn.Module | None:
    """lucidrains' local-attention, causal: buckets of w and one back; it counts w + 1 keys."""
    if (theirs := find(options, "local-attention", "local_attention")) is None:
        return None
    return theirs.LocalAttention(
        dim=64, window_size=w - 1, causal=True, exact_windowsize=True, autopad=True,
        use_rotary_pos_emb=False,
    )  # fmt: skip


def flex(options: Any, n: int, w: int) -> Callable[..., Tensor] | None:
    """flex_attention with a causal window, compiled unless `options.compiled` is False."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    blocks = create_block_mask(causal & window(w), None, None, n, n, device="cpu")
    if options.compiled:
        torch.compiler.reset()  # too many sizes in one process would fall back to all scores
    call = torch.compile(flex_attention, dynamic=False) if options.compiled else flex_attention
    one = torch.zeros(1, 8, n, 64)
    try:
        with torch.no_grad():
            call(one, one, one, block_mask=blocks)
    except Exception as error:  # no C++ compiler
        options.missing.append(f"compiled flex_attention ({type(error).__name__})")
        return None
    return lambda q, k, v: call(q, k, v, block_mask=blocks)
