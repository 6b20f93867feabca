"""Multi-head attention: project, let each head attend on its own, join the heads.

One module is self-, cross-, causal and grouped-query attention by its arguments, and hosts any
way to compute it (`attend=`). `hosted.py` fits the other forms of this library to that argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ._mask import Mask, whole
from .attention import fused_attention
from .cache import KVCache


class MultiHeadAttention(nn.Module):
    """Every token asks `heads` questions at once; each answer is a weighted mean of values.

    x (b, n, dim) -> (b, n, dim). Queries come from x; keys and values from x too, or from `context`
    (b, m, context_dim) in cross-attention. Each head works on `head_dim` features, dim / heads
    unless given. With `kv_heads` < heads each key head serves heads / kv_heads query heads in a
    row (grouped-query; 1 is multi-query).

    bias: whether the four projections have one.  dropout: on the weights, in training alone.
    rotary: `rotary(x, offset=...) -> x`, called on queries and keys: `attn_lib.rotary` or a
    `functools.partial` of it.  attend: `attend(q, k, v, *, mask, bias, dropout, return_weights)`.

    The keys of its `state_dict` are stable: q_proj, k_proj, v_proj, o_proj, each with `.weight` and
    perhaps `.bias`. Raises ValueError where sizes do not divide or fit.
    Source: Vaswani et al. 2017, arXiv:1706.03762; Ainslie et al. 2023, arXiv:2305.13245.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        kv_heads: int | None = None,
        head_dim: int | None = None,
        context_dim: int | None = None,
        bias: bool = False,
        dropout: float = 0.0,
        rotary: Callable[..., Tensor] | None = None,
        attend: Callable[..., Any] = fused_attention,
    ) -> None:
        super().__init__()
        self.dim, self.heads = whole("dim", dim), whole("heads", heads)
        self.kv_heads = whole("kv_heads", heads if kv_heads is None else kv_heads)
        self.context_dim = whole("context_dim", dim if context_dim is None else context_dim)
        if heads % self.kv_heads:
            raise ValueError(
                f"kv_heads: expected a divisor of the {heads} heads, so that each key head serves "
                f"the same number of them, got {kv_heads}"
            )
        if head_dim is None and dim % heads:
            raise ValueError(
                f"heads: expected a divisor of dim = {dim}, got {heads}; or give head_dim, and "
                "heads * head_dim need not be dim"
            )
        self.head_dim = whole("head_dim", dim // heads if head_dim is None else head_dim)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a probability, 0 <= dropout < 1, got {dropout}")
        for name, function in (("attend", attend), ("rotary", rotary)):
            if function is not None and not callable(function):
                raise TypeError(f"{name}: expected a function, got {function!r}")
        if rotary is not None and self.head_dim % 2:
            raise ValueError(
                "head_dim: expected an even number beside rotary, which turns features in pairs, "
                f"got {self.head_dim}"
            )
        self.dropout, self.rotary, self.attend = dropout, rotary, attend

        inner, inner_kv = heads * self.head_dim, self.kv_heads * self.head_dim
        self.q_proj = nn.Linear(dim, inner, bias=bias)
        self.k_proj = nn.Linear(self.context_dim, inner_kv, bias=bias)
        self.v_proj = nn.Linear(self.context_dim, inner_kv, bias=bias)
        self.o_proj = nn.Linear(inner, dim, bias=bias)

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        mask: Mask | Tensor | None = None,
        cache: KVCache | None = None,
        return_weights: bool = False,
    ) -> Any:
        """x (b, n, dim), context (b, m, context_dim) -> (b, n, dim), then weights if asked.

        mask: a `Mask`, or a bool tensor (n, m) or (b, h, n, m) by broadcasting; True = may attend.
        cache: x continues the tokens in it; write the mask as if all were given at once, it is
        shifted here. With a context the cache keeps the context's keys from the first call, and
        later calls use those. Returned weights are (b, heads, n, m), before dropout.
        """
        self._check(x, context, cache)
        q = self._split(self.q_proj(x))  # (b, h, n, d)
        if context is None:
            k, v = self._split(self.k_proj(x)), self._split(self.v_proj(x))  # (b, h_kv, n, d)
            if self.rotary is not None:
                offset = 0 if cache is None else cache.length
                q, k = self.rotary(q, offset=offset), self.rotary(k, offset=offset)
            if cache is not None:
                k, v = cache.append(k, v)  # (b, h_kv, m, d)
                mask = cache.align(mask, q.shape[2], k.shape[2])
        elif cache is not None and cache.keys is not None and cache.values is not None:
            k, v = cache.keys, cache.values
        else:
            k, v = self._split(self.k_proj(context)), self._split(self.v_proj(context))
            if cache is not None:
                k, v = cache.append(k, v)
        dropout = self.dropout if self.training else 0.0
        result = self.attend(
            q, k, v, mask=mask, bias=None, dropout=dropout, return_weights=return_weights
        )
        out, *weights = result if return_weights else (result,)
        out = self.o_proj(out.transpose(1, 2).flatten(2))  # heads side by side, then (b, n, dim)
        return (out, *weights) if return_weights else out

    def extra_repr(self) -> str:
        sizes = f"dim={self.dim}, heads={self.heads}, kv_heads={self.kv_heads}"
        return f"{sizes}, head_dim={self.head_dim}"

    def _split(self, x: Tensor) -> Tensor:
        b, n, inner = x.shape
        return x.view(b, n, inner // self.head_dim, self.head_dim).transpose(1, 2)  # (b, h, n, d)

    def _check(self, x: Tensor, context: Tensor | None, cache: KVCache | None) -> None:
        for name, tensor, size in (("x", x, self.dim), ("context", context, self.context_dim)):
            if tensor is None and name == "context":
                continue
            if not isinstance(tensor, Tensor):
                got = type(tensor).__name__
                raise TypeError(f"{name}: expected a torch tensor, got {got}; use torch.as_tensor")
            if tensor.ndim != 3 or tensor.shape[-1] != size:
                raise ValueError(
                    f"{name}: expected (b, tokens, {size}), got {tuple(tensor.shape)}; use "
                    f"{name}.unsqueeze(0) for one example, or build the module for this size"
                )
        if cache is not None and not isinstance(cache, KVCache):
            raise TypeError(f"cache: expected a KVCache, got {type(cache).__name__}; use KVCache()")
        if context is None:
            if self.context_dim != self.dim:
                raise ValueError(
                    f"context: expected (b, tokens, {self.context_dim}), got None; this module was "
                    "built for cross-attention by context_dim"
                )
            return
        if self.rotary is not None:
            raise ValueError(
                "context: expected None beside rotary, since positions in two sequences have no "
                "difference, got a context; build cross-attention without rotary"
            )
        if context.shape[0] != x.shape[0]:
            raise ValueError(
                f"context: expected the batch of x, {x.shape[0]}, got {context.shape[0]}; use "
                "context.expand(b, -1, -1) to share one"
            )
        if cache is not None and (cache.window or cache.length not in (0, context.shape[1])):
            raise ValueError(
                f"cache: expected one without a window that holds this context's "
                f"{context.shape[1]} tokens or nothing, got {cache}; reset() it for a new context"
            )
