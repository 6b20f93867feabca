"""Weights to and from `torch.nn.MultiheadAttention`, both ways with the same outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import attention, fused_attention
from .multihead import MultiHeadAttention


def from_torch(module: nn.MultiheadAttention) -> MultiHeadAttention:
    """A `MultiHeadAttention` with copies of the weights, and the outputs, of PyTorch's module.

    `module(x, x, x)[0]` becomes `ours(x)`, and `module(x, c, c)[0]` becomes `ours(x, c)`, the batch
    first whatever `batch_first` was. A bool mask of PyTorch's module says True for "hidden": give
    `mask=~attn_mask` for it, and `mask=padding(~key_padding_mask)`.

    Raises ValueError for what has no counterpart here: kdim other than vdim, add_bias_kv,
    add_zero_attn.
    """
    if module.kdim != module.vdim:
        raise ValueError(
            "module: expected kdim == vdim, since keys and values come from one context, got "
            f"kdim = {module.kdim} and vdim = {module.vdim}; give both projections one input"
        )
    if module.bias_k is not None or module.add_zero_attn:
        raise ValueError(
            "module: expected add_bias_kv=False and add_zero_attn=False, got "
            f"{module.bias_k is not None} and {module.add_zero_attn}; their extra key has no "
            "counterpart (a sink= of attention is the nearest thing)"
        )
    bias = module.in_proj_bias is not None
    ours = MultiHeadAttention(
        module.embed_dim, module.num_heads, context_dim=module.kdim, bias=bias,
        dropout=module.dropout,
    )  # fmt: skip
    if module.in_proj_weight is not None:
        weights = module.in_proj_weight.chunk(3)
    else:
        weights = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    state = {"o_proj.weight": module.out_proj.weight}
    for name, weight in zip("qkv", weights, strict=True):
        state[f"{name}_proj.weight"] = weight
    if bias:
        state["o_proj.bias"] = module.out_proj.bias
        for name, part in zip("qkv", module.in_proj_bias.chunk(3), strict=True):
            state[f"{name}_proj.bias"] = part
    ours.to(module.out_proj.weight).load_state_dict(state)
    return ours.train(module.training)


def to_torch(module: MultiHeadAttention) -> nn.MultiheadAttention:
    """PyTorch's module, `batch_first=True`, with copies of the weights, and the outputs, of ours.

    Grouped key heads are repeated, so that each query head has its own.

    Raises ValueError for what PyTorch's module lacks: rotary, another `attend`, and heads *
    head_dim other than dim.
    """
    if module.rotary is not None or module.attend not in (attention, fused_attention):
        raise ValueError(
            "module: expected rotary=None and attend=fused_attention, since PyTorch's module has "
            f"neither argument, got rotary={module.rotary} and attend={module.attend}"
        )
    if module.heads * module.head_dim != module.dim:
        raise ValueError(
            "module: expected heads * head_dim == dim, the only layout of PyTorch's module, got "
            f"{module.heads} * {module.head_dim} and dim = {module.dim}"
        )
    bias = module.o_proj.bias is not None
    own_width = module.context_dim != module.dim
    theirs = nn.MultiheadAttention(
        module.dim, module.heads, dropout=module.dropout, bias=bias, batch_first=True,
        kdim=module.context_dim, vdim=module.context_dim,
    )  # fmt: skip
    k, v = _for_each_head(module, module.k_proj), _for_each_head(module, module.v_proj)
    weights = [module.q_proj.weight, k["weight"], v["weight"]]
    state = {"out_proj.weight": module.o_proj.weight}
    if own_width:
        for name, weight in zip("qkv", weights, strict=True):
            state[f"{name}_proj_weight"] = weight
    else:
        state["in_proj_weight"] = torch.cat(weights)
    if bias:
        state["in_proj_bias"] = torch.cat([module.q_proj.bias, k["bias"], v["bias"]])
        state["out_proj.bias"] = module.o_proj.bias
    theirs.to(module.o_proj.weight).load_state_dict(state)
    return theirs.train(module.training)


def _for_each_head(module: MultiHeadAttention, projection: nn.Linear) -> dict[str, Tensor]:
    """The rows of a key or value projection, repeated for the query heads that share them."""
    times, repeated = module.heads // module.kv_heads, {}
    for name, rows in projection.named_parameters():
        by_head = rows.reshape(module.kv_heads, module.head_dim, *rows.shape[1:])
        repeated[name] = by_head.repeat_interleave(times, dim=0).flatten(0, 1)
    return repeated
