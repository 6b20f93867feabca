"""Correct ways of writing the exercises of lesson 02; each must pass."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce
from torch import nn

INF = float("inf")

# --------------------------------------------------------------------------------- softmax


def softmax_amax(s):
    e = torch.exp(s - s.amax(dim=-1, keepdim=True))
    return e / e.sum(dim=-1, keepdim=True)


def softmax_max_values(s):
    e = (s - s.max(-1).values[..., None]).exp()
    return e / e.sum(-1)[..., None]


def softmax_numpy(s):
    e = np.exp(s - np.max(s, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def softmax_torch_loops(s):
    rows = s.reshape(-1, s.shape[-1])
    out = torch.zeros_like(rows)
    for i, row in enumerate(rows):
        top = max(row.tolist())
        total = 0.0
        for x in row:
            total += math.exp(x.item() - top)
        for j, x in enumerate(row):
            out[i, j] = math.exp(x.item() - top) / total
    return out.reshape(s.shape)


def softmax_numpy_loops(s):
    out = np.empty_like(s)
    for index in np.ndindex(*s.shape[:-1]):
        shifted = [math.exp(x - max(s[index])) for x in s[index]]
        out[index] = [x / sum(shifted) for x in shifted]
    return out


def softmax_lists(s):
    if isinstance(s[0], np.ndarray) or (torch.is_tensor(s) and s.ndim > 1):
        return [softmax_lists(row) for row in s]
    shifted = [math.exp(float(x) - float(max(s))) for x in s]
    return [x / sum(shifted) for x in shifted]


def softmax_online(s):
    top = torch.full(s.shape[:-1], -INF)
    total = torch.zeros(s.shape[:-1])
    for j in range(s.shape[-1]):
        new = torch.maximum(top, s[..., j])
        total = total * (top - new).exp() + (s[..., j] - new).exp()
        top = new
    return (s - top[..., None]).exp() / total[..., None]


def softmax_in_place_on_a_copy(s):
    s = s.clone()
    s -= s.amax(-1, keepdim=True)
    s.exp_()
    s /= s.sum(-1, keepdim=True)
    return s


def softmax_differences(s):
    return 1 / (s[..., None, :] - s[..., :, None]).exp().sum(-1)


def softmax_einops(s):
    e = (s - reduce(s, "... m -> ... 1", "max")).exp()
    return e / reduce(e, "... m -> ... 1", "sum")


def softmax_float64(s):
    return torch.softmax(s.double(), -1).to(s.dtype)


SOFTMAX = [
    lambda s: torch.softmax(s, dim=-1),
    lambda s: F.softmax(s, dim=s.ndim - 1),
    nn.Softmax(dim=-1),
    lambda s: s.log_softmax(-1).exp(),
    lambda s: (s - s.logsumexp(-1, keepdim=True)).exp(),
    lambda s: np.apply_along_axis(lambda r: np.exp(r - r.max()) / np.exp(r - r.max()).sum(), -1, s),
    lambda s: torch.softmax(s.transpose(-1, -2), -2).transpose(-1, -2),
    softmax_amax, softmax_max_values, softmax_numpy, softmax_torch_loops, softmax_numpy_loops,
    softmax_lists, softmax_online, softmax_in_place_on_a_copy, softmax_differences,
    softmax_einops, softmax_float64,
]  # fmt: skip

# --------------------------------------------------------------------------- attention


def weights_of(q, k, mask, fill=-INF):
    s = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return (s if mask is None else s.masked_fill(~mask, fill)).softmax(-1)


def sdpa_matmul(q, k, v, mask=None):
    return weights_of(q, k, mask) @ v


def sdpa_tuple(q, k, v, mask=None):
    w = weights_of(q, k, mask)
    return w @ v, w


def sdpa_list(q, k, v, mask=None):
    w = weights_of(q, k, mask)
    return [w @ v, w]


def sdpa_billion(q, k, v, mask=None):
    return weights_of(q, k, mask, -1e9) @ v


def sdpa_finfo(q, k, v, mask=None):
    return weights_of(q, k, mask, torch.finfo(q.dtype).min) @ v


def sdpa_einsum(q, k, v, mask=None):
    s = torch.einsum("...id,...jd->...ij", q, k) * q.shape[-1] ** -0.5
    if mask is not None:
        s = torch.where(mask, s, torch.tensor(-INF))
    return torch.einsum("...ij,...jd->...id", torch.softmax(s, -1), v)


def sdpa_bmm(q, k, v, mask=None):
    s = torch.bmm(q, k.transpose(1, 2)).div(q.size(2) ** 0.5)
    if mask is not None:
        s.masked_fill_(mask.logical_not(), -INF)
    return torch.bmm(F.softmax(s, dim=2), v)


def sdpa_baddbmm(q, k, v, mask=None):
    n, m = q.shape[1], k.shape[1]
    bias = torch.zeros(n, m, dtype=q.dtype)
    if mask is not None:
        bias[~mask] = -INF
    s = torch.baddbmm(bias.expand(q.shape[0], n, m), q, k.mT, alpha=q.shape[-1] ** -0.5)
    return s.softmax(-1) @ v


def sdpa_einops(q, k, v, mask=None):
    s = einsum(q, k, "b i d, b j d -> b i j") / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~rearrange(mask, "i j -> 1 i j"), -INF)
    return einsum(s.softmax(-1), v, "b i j, b j d -> b i d")


def sdpa_numpy(q, k, v, mask=None):
    s = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    if mask is not None:
        s = np.where(mask, s, -np.inf)
    return softmax_numpy(s) @ v


def sdpa_numpy_swapaxes(q, k, v, mask=None):
    s = np.einsum("bid,bjd->bij", q, k) / q.shape[-1] ** 0.5
    s[:, ~(np.ones_like(s[0], bool) if mask is None else mask)] = -1e9
    e = np.exp(s)
    return np.matmul(e / e.sum(-1, keepdims=True), v)


def sdpa_loops(q, k, v, mask=None):
    out = torch.zeros(q.shape[0], q.shape[1], v.shape[2])
    for b in range(q.shape[0]):
        for i in range(q.shape[1]):
            seen = [j for j in range(k.shape[1]) if mask is None or mask[i, j]]
            e = [math.exp(float(q[b, i] @ k[b, j]) / math.sqrt(q.shape[2])) for j in seen]
            for x, j in zip(e, seen, strict=True):
                out[b, i] += x / sum(e) * v[b, j]
    return out


def sdpa_numpy_loops(q, k, v, mask=None):
    out = np.zeros((*q.shape[:-1], v.shape[-1]))
    for b, i in np.ndindex(*q.shape[:2]):
        top, low = np.zeros(v.shape[-1]), 0.0
        for j in range(k.shape[1]):
            if mask is not None and not mask[i, j]:
                continue
            e = np.exp(np.dot(q[b, i], k[b, j]) / np.sqrt(q.shape[2]))
            top, low = top + e * v[b, j], low + e
        out[b, i] = top / low
    return out


def sdpa_prescaled(q, k, v, mask=None):
    q = q / q.shape[-1] ** 0.5
    s = q @ k.mT
    return (s if mask is None else s.masked_fill(~mask, -INF)).softmax(-1) @ v


def sdpa_fourth_root(q, k, v, mask=None):
    root = q.shape[-1] ** 0.25
    s = (q / root) @ (k / root).mT
    return (s if mask is None else s.masked_fill(mask == 0, -INF)).softmax(-1) @ v


def sdpa_renormalised(q, k, v, mask=None):
    w = weights_of(q, k, None)
    if mask is not None:
        w = w * mask
        w = w / w.sum(-1, keepdim=True)
    return w @ v


def sdpa_masked_exponentials(q, k, v, mask=None):
    e = (q @ k.mT / q.shape[-1] ** 0.5).exp()
    e = e if mask is None else e * mask
    return (e @ v) / e.sum(-1, keepdim=True)


def sdpa_bias(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    return (s if mask is None else s + (1.0 - mask.float()) * -1e9).softmax(-1) @ v


def sdpa_log_mask(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    return (s if mask is None else s + mask.to(s.dtype).log()).softmax(-1) @ v


def sdpa_float64(q, k, v, mask=None):
    return sdpa_matmul(q.double(), k.double(), v.double(), mask).float()


def sdpa_kernel(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def sdpa_per_example(query, key, value, attn_mask=None):
    rows = [weights_of(*qk, attn_mask) for qk in zip(query, key, strict=True)]
    return torch.stack([w @ x for w, x in zip(rows, value, strict=True)])


class Attend(nn.Module):
    def forward(self, q, k, v, mask=None):
        return sdpa_logsumexp(q, k, v, mask)


def sdpa_logsumexp(q, k, v, mask=None):
    s = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        s = s.masked_fill(~mask, -INF)
    return (s - s.logsumexp(-1, keepdim=True)).exp() @ v


ATTENTION = [
    sdpa_matmul, sdpa_tuple, sdpa_list, sdpa_billion, sdpa_finfo, sdpa_einsum, sdpa_bmm,
    sdpa_baddbmm, sdpa_einops, sdpa_numpy, sdpa_numpy_swapaxes, sdpa_loops, sdpa_numpy_loops,
    sdpa_prescaled, sdpa_fourth_root, sdpa_renormalised, sdpa_masked_exponentials, sdpa_bias,
    sdpa_log_mask, sdpa_float64, sdpa_kernel, sdpa_per_example, sdpa_logsumexp, Attend(),
]  # fmt: skip

# ---------------------------------------------------------------------- self-attention


def projected(attend):
    return lambda x, w_q, w_k, w_v: attend(x @ w_q, x @ w_k, x @ w_v)


def self_fused_projection(x, w_q, w_k, w_v):
    sizes = [w_q.shape[1], w_k.shape[1], w_v.shape[1]]
    q, k, v = (x @ torch.cat([w_q, w_k, w_v], 1)).split(sizes, -1)
    return sdpa_matmul(q, k, v)


def self_linear(x, w_q, w_k, w_v):
    return sdpa_matmul(F.linear(x, w_q.T), F.linear(x, w_k.T), F.linear(x, w_v.T))


def self_joint_matrix(x, w_q, w_k, w_v):
    s = x @ (w_q @ w_k.T) @ x.mT / w_q.shape[1] ** 0.5
    return s.softmax(-1) @ x @ w_v


def self_einsum(x, w_q, w_k, w_v):
    q, k, v = (torch.einsum("bnc,cd->bnd", x, w) for w in (w_q, w_k, w_v))
    return sdpa_einsum(q, k, v)


SELF_ATTENTION = [
    *(projected(f) for f in ATTENTION[:14] if f is not sdpa_numpy_swapaxes),
    self_fused_projection, self_linear, self_joint_matrix, self_einsum,
]  # fmt: skip

STYLES = {
    "softmax": SOFTMAX,
    "scaled_dot_product_attention": ATTENTION,
    "self_attention": SELF_ATTENTION,
}

# Which entries of the catalogue of mistakes a name stands for (for `test_wild.py`).
FAMILIES = {
    "softmax_over_queries": "A1", "softmax_over_batch": "A2 A1", "axis_from_the_front": "A1",
    "sum_over_everything": "A2", "softmax_over_heads": "A2", "batch_flattened": "A2",
    "no_scale": "A3", "scale_by_d": "A4", "scale_multiplied": "A5", "scale_sqrt_queries": "A6",
    "scale_sqrt_keys": "A6", "scale_sqrt_values": "A6", "scale_hard_coded": "A6",
    "scale_sqrt_model": "A6 C6", "key_not_transposed": "A7", "single_sequence_only": "A7 A8",
    "reshape_for_transpose": "A8", "scores_transposed": "A9", "query_and_key_swapped": "A9",
    "no_softmax": "A10", "no_division": "A10", "no_exponential": "A10", "sigmoid": "A10",
    "relu_for_softmax": "A10", "softmax_twice": "A11", "log_softmax": "A11",
    "values_are_keys": "A12", "values_are_queries": "A12", "weights_transposed": "A12",
    "returns_the_weights": "A12", "key_as_value": "A12", "query_as_value": "A12",
    "value_not_projected": "A12", "unstable": "A13", "shifted_by_mean": "A13",
    "shifted_by_global_maximum": "A13", "shifted_on_one_side": "A13",
    "scale_after_softmax": "A14", "returns_none": "A17", "mask_inverted": "B1",
    "mask_filled_with_zero": "B2 B3", "mask_filled_with_minus_one": "B2",
    "mask_after_softmax": "B4", "fill_after_softmax": "B4", "mask_added": "B5",
    "mask_ignored": "B6", "mask_transposed": "B7", "zero_times_infinity": "B16",
    "one_projection_for_query_and_key": "C11", "one_projection_for_all": "C11",
    "projection_transposed": "C9", "not_repeatable": "G8",
}  # fmt: skip
