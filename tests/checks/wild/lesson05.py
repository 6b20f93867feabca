"""Wild code for causal_mask, padding_mask, next_token_loss and cached_step."""
# ruff: noqa: E501

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange

from ._wild import Correct, Wild

# ------------------------------------------------------------------------ causal_mask, wrong


def causal_upper(n):
    return torch.triu(torch.ones(n, n)).bool()


def causal_hidden_set(n):
    """True = hidden, as in many tutorials."""
    return torch.triu(torch.ones(n, n), diagonal=1).bool()


def causal_without_diagonal(n):
    return np.tril(np.ones((n, n), dtype=bool), k=-1)


def causal_one_ahead(n):
    return torch.ones(n, n).tril(diagonal=1) > 0


def causal_additive(n):
    return torch.full((n, n), float("-inf")).triu(diagonal=1)


def causal_loop_swapped(n):
    mask = np.zeros((n, n), dtype=bool)
    for i in range(n):
        for j in range(n):
            if i <= j:
                mask[i][j] = True
    return mask


def causal_loop_range(n):
    mask = np.zeros((n, n), dtype=bool)
    for i in range(n):
        for j in range(i):
            mask[i, j] = True
    return mask


def causal_all_true(n):
    return torch.ones(n, n, dtype=torch.bool)


def causal_only_self(n):
    return torch.eye(n).bool()


def causal_flat(n):
    return torch.arange(n) <= n


def causal_aliased_rows(n):
    rows = [[False] * n] * n
    for i in range(n):
        for j in range(i + 1):
            rows[i][j] = True
    return np.array(rows)


def causal_anti_diagonal(n):
    return np.fliplr(np.tril(np.ones((n, n)))).astype(bool)


def causal_masks_in_place_none(n):
    m = torch.ones(n, n, dtype=torch.bool)
    return m.tril_() if n < 0 else print(m.tril_())


def causal_float(n):
    return np.tril(np.ones((n, n)))


def causal_four_axes(n):
    return torch.tril(torch.ones(n, n)).view(1, 1, n, n).bool()


def right_causal_outer(n):
    return np.less_equal.outer(np.arange(n), np.arange(n)).T


def right_causal_cumulative(n):
    return torch.eye(n).cumsum(0).bool()


def right_causal_not_triu(n):
    return ~torch.triu(torch.ones(n, n, dtype=torch.bool), diagonal=1)


def right_causal_sort(n):
    r = torch.arange(n)
    return rearrange(r, "i -> i 1") >= rearrange(r, "j -> 1 j")


def right_causal_indices(n):
    mask = np.zeros((n, n), bool)
    mask[np.tril_indices(n)] = True
    return mask


# ----------------------------------------------------------------------- padding_mask, wrong


def padding_inclusive(lengths, n):
    return torch.arange(n)[None] <= torch.as_tensor(lengths)[:, None]


def padding_inverted(lengths, n):
    return torch.arange(n)[None] >= torch.as_tensor(lengths)[:, None]


def padding_left(lengths, n):
    """Real tokens at the right end."""
    lengths = np.asarray(lengths)
    return np.arange(n)[None, :] >= n - lengths[:, None]


def padding_last_real_lost(lengths, n):
    mask = np.zeros((len(lengths), n), dtype=bool)
    for b, length in enumerate(lengths):
        mask[b, : int(length) - 1] = True
    return mask


def padding_pads_counted(lengths, n):
    """Marks `length` pads."""
    mask = np.ones((len(lengths), n), dtype=bool)
    for b, length in enumerate(lengths):
        mask[b, -int(length) :] = False
    return mask


def padding_wrong_axis(lengths, n):
    lengths = torch.as_tensor(lengths)
    return torch.arange(n)[:, None] < lengths[None, :]


def padding_broadcast_accident(lengths, n):
    return np.arange(n) < np.asarray(lengths)


def padding_last_example_only(lengths, n):
    for length in lengths:
        mask = torch.zeros(len(lengths), n, dtype=torch.bool)
        mask[:, : int(length)] = True
    return mask


def padding_shortest(lengths, n):
    return torch.arange(n).expand(len(lengths), n) < min(lengths)


def padding_only_last_real(lengths, n):
    lengths = torch.as_tensor(lengths)
    mask = torch.zeros(len(lengths), n, dtype=torch.bool)
    mask[torch.arange(len(lengths)), lengths - 1] = True
    return mask


def padding_pairwise(lengths, n):
    keep = torch.arange(n) < torch.as_tensor(lengths)[:, None]
    return keep[:, :, None] & keep[:, None, :]


def padding_four_axes_queries(lengths, n):
    keep = torch.arange(n) < torch.as_tensor(lengths)[:, None]
    return keep[:, None, :, None]


def padding_ragged(lengths, n):
    return [[True] * int(length) for length in lengths]


def padding_additive(lengths, n):
    keep = np.arange(n)[None] < np.asarray(lengths)[:, None]
    return np.where(keep, 0.0, -np.inf)


def padding_from_zero_tokens(lengths, n):
    """Zero means padding, so look for zeros in what was given."""
    return np.asarray(lengths)[:, None] * np.ones((1, n)) != 0


def right_padding_lists(lengths, n):
    return np.array([[True] * int(a) + [False] * (n - int(a)) for a in lengths])


def right_padding_cumsum(lengths, n):
    lengths = torch.as_tensor(lengths)
    return (torch.ones(len(lengths), n, dtype=torch.long).cumsum(1) - lengths[:, None]) <= 0


def right_padding_tril_rows(lengths, n):
    """A row of length L is row L-1 of the causal mask."""
    return np.tril(np.ones((n, n), bool))[np.asarray(lengths) - 1]


def right_padding_one_hot(lengths, n):
    rows = [torch.arange(n).lt(int(length)) for length in lengths]
    return torch.stack(rows)


# ------------------------------------------------------------------- next_token_loss, wrong


def _ce(logits, labels, **kw):
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), **kw)


def _ignore(pad):
    return {} if pad is None else {"ignore_index": pad}


def loss_no_shift(logits, tokens, pad=None):
    B, T, C = logits.shape
    return F.cross_entropy(logits.view(B * T, C), tokens.view(B * T), **_ignore(pad))


def loss_shift_backwards(logits, tokens, pad=None):
    return _ce(logits[:, 1:], tokens[:, :-1], **_ignore(pad))


def loss_shift_twice(logits, tokens, pad=None):
    logits, labels = logits[:, :-1], tokens[:, 1:]
    shift_logits, shift_labels = logits[:, :-1], labels[:, 1:]
    return _ce(shift_logits, shift_labels, **_ignore(pad))


def loss_rolled(logits, tokens, pad=None):
    """roll brings the first token to the end, and it is predicted too."""
    return _ce(logits, tokens.roll(-1, dims=1), **_ignore(pad))


def loss_counts_pads(logits, tokens, pad=None):
    return _ce(logits[:, :-1], tokens[:, 1:])


def loss_default_ignore(logits, tokens, pad=None):
    return _ce(logits[:, :-1], tokens[:, 1:], ignore_index=-100)


def loss_zeroed_but_averaged(logits, tokens, pad=None):
    losses = _ce(logits[:, :-1], tokens[:, 1:], reduction="none")
    if pad is not None:
        losses = losses * (tokens[:, 1:].reshape(-1) != pad)
    return losses.mean()


def loss_only_pads(logits, tokens, pad=None):
    losses = _ce(logits[:, :-1], tokens[:, 1:], reduction="none")
    if pad is None:
        return losses.mean()
    return losses[tokens[:, 1:].reshape(-1) == pad].mean()


def loss_pad_of_inputs(logits, tokens, pad=None):
    """Drops places where the input is pad, not where the label is."""
    losses = _ce(logits[:, :-1], tokens[:, 1:], reduction="none")
    if pad is not None:
        losses = losses[(tokens[:, :-1] != pad).reshape(-1)]
    return losses.mean()


def loss_softmax_first(logits, tokens, pad=None):
    probabilities = torch.softmax(logits, dim=-1)
    return _ce(probabilities[:, :-1], tokens[:, 1:], **_ignore(pad))


def loss_reshape_for_ce(logits, tokens, pad=None):
    b, n, vocab = logits[:, :-1].shape
    return F.cross_entropy(logits[:, :-1].reshape(b, vocab, n), tokens[:, 1:], **_ignore(pad))


def loss_class_axis_missing(logits, tokens, pad=None):
    return F.cross_entropy(logits[:, :-1], tokens[:, 1:])


def loss_mean_of_means(logits, tokens, pad=None):
    means = []
    for row, ids in zip(logits, tokens, strict=True):
        means.append(F.cross_entropy(row[:-1], ids[1:], **_ignore(pad)))
    return sum(means) / len(means)


def loss_summed(logits, tokens, pad=None):
    return _ce(logits[:, :-1], tokens[:, 1:], reduction="sum", **_ignore(pad))


def loss_divided_by_batch(logits, tokens, pad=None):
    total = _ce(logits[:, :-1], tokens[:, 1:], reduction="sum", **_ignore(pad))
    return total / logits.shape[0]


def loss_missing_minus(logits, tokens, pad=None):
    logp = torch.log_softmax(logits[:, :-1], -1)
    picked = logp.gather(-1, tokens[:, 1:, None])[..., 0]
    if pad is not None:
        picked = picked[tokens[:, 1:] != pad]
    return picked.mean()


def loss_no_log(logits, tokens, pad=None):
    p = torch.softmax(logits[:, :-1], -1).gather(-1, tokens[:, 1:, None])[..., 0]
    if pad is not None:
        p = p[tokens[:, 1:] != pad]
    return 1 - p.mean()


def loss_bits(logits, tokens, pad=None):
    """log2 instead of the natural logarithm."""
    z = logits[:, :-1] - logits[:, :-1].max(-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(-1, keepdims=True))
    picked = np.take_along_axis(logp, tokens[:, 1:, None], -1)[..., 0] / np.log(2)
    return -(picked.mean() if pad is None else picked[tokens[:, 1:] != pad].mean())


def loss_no_logsumexp(logits, tokens, pad=None):
    picked = np.take_along_axis(logits[:, :-1], tokens[:, 1:, None], -1)[..., 0]
    return -(picked.mean() if pad is None else picked[tokens[:, 1:] != pad].mean())


def loss_perplexity(logits, tokens, pad=None):
    return _ce(logits[:, :-1], tokens[:, 1:], **_ignore(pad)).exp()


def loss_softmax_over_time(logits, tokens, pad=None):
    logp = F.log_softmax(logits[:, :-1], dim=1)
    return F.nll_loss(logp.flatten(0, 1), tokens[:, 1:].flatten(), **_ignore(pad))


def loss_item(logits, tokens, pad=None):
    return _ce(logits[:, :-1], tokens[:, 1:], **_ignore(pad)).item()


def loss_per_token(logits, tokens, pad=None):
    return _ce(logits[:, :-1], tokens[:, 1:], reduction="none", **_ignore(pad))


def loss_last_position(logits, tokens, pad=None):
    """Only the last prediction counts."""
    return F.cross_entropy(logits[:, -2], tokens[:, -1])


def loss_double_log_softmax_shift(logits, tokens, pad=None):
    return _ce(logits.softmax(-1), tokens, **_ignore(pad))


def loss_label_smoothing(logits, tokens, pad=None):
    return _ce(logits[:, :-1], tokens[:, 1:], label_smoothing=0.1, **_ignore(pad))


def loss_naive_log(logits, tokens, pad=None):
    """log of a softmax that underflows: right here, -inf for large logits."""
    e = np.exp(logits[:, :-1])
    p = np.take_along_axis(e / e.sum(-1, keepdims=True), tokens[:, 1:, None], -1)[..., 0]
    keep = np.ones(p.shape, bool) if pad is None else tokens[:, 1:] != pad
    return -np.log(p[keep]).mean()


def loss_two_at_once(logits, tokens, pad=None):
    return _ce(logits, tokens)


def loss_two_at_once_again(logits, tokens, pad=None):
    return _ce(logits[:, :-1].softmax(-1), tokens[:, 1:])


def right_loss_transposed(logits, tokens, pad=None):
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], **_ignore(pad))


def right_loss_loops(logits, tokens, pad=None):
    total, count = 0.0, 0
    for row, ids in zip(logits, tokens, strict=True):
        for z, label in zip(row[:-1], ids[1:], strict=True):
            if pad is None or label != pad:
                top = max(z)
                total += top + math.log(sum(math.exp(a - top) for a in z)) - z[label]
                count += 1
    return total / count


def right_loss_one_hot(logits, tokens, pad=None):
    hot = F.one_hot(tokens[:, 1:], logits.shape[-1]).to(logits.dtype)
    nll = logits[:, :-1].logsumexp(-1) - (logits[:, :-1] * hot).sum(-1)
    keep = torch.ones_like(nll) if pad is None else (tokens[:, 1:] != pad).to(nll.dtype)
    return (nll * keep).sum() / keep.sum()


def right_loss_labels_replaced(logits, tokens, pad=None):
    labels = tokens[:, 1:].clone()
    if pad is not None:
        labels[labels == pad] = -100
    return F.cross_entropy(rearrange(logits[:, :-1], "b n c -> (b n) c"), labels.flatten())


def right_loss_numpy(logits, tokens, pad=None):
    z = logits[:, :-1] - logits[:, :-1].max(axis=-1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(-1, keepdims=True))
    b, t = np.indices(tokens[:, 1:].shape)
    nll = -logp[b, t, tokens[:, 1:]]
    return nll.mean() if pad is None else nll[tokens[:, 1:] != pad].mean()


def right_loss_last_label_ignored(logits, tokens, pad=None):
    """All positions are kept; the last label is one to be ignored."""
    labels = torch.full_like(tokens, -100)
    labels[:, :-1] = tokens[:, 1:]
    if pad is not None:
        labels = labels.masked_fill(labels == pad, -100)
    return _ce(logits, labels)


# ------------------------------------------------------------------------ cached_step, wrong


def cached_attends_before_append(q, k, v, cache):
    if cache is None:
        return v, (k, v)
    k_old, v_old = cache
    out = F.scaled_dot_product_attention(q, k_old, v_old)
    return out, (torch.cat([k_old, k], dim=2), torch.cat([v_old, v], dim=2))


def cached_is_causal(q, k, v, cache):
    if cache is not None:
        k = torch.cat([cache[0], k], dim=2)
        v = torch.cat([cache[1], v], dim=2)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True), (k, v)


def cached_cat_dim_zero(q, k, v, cache):
    if cache is not None:
        k, v = torch.cat([cache[0], k]), torch.cat([cache[1], v])
    s = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return s.softmax(-1) @ v, (k, v)


def cached_cat_heads(q, k, v, cache):
    if cache is not None:
        k = np.concatenate([cache[0], k], axis=1)
        v = np.concatenate([cache[1], v], axis=1)
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v, (k, v)


def cached_cat_features(q, k, v, cache):
    if cache is not None:
        k, v = torch.cat([cache[0], k], -1), torch.cat([cache[1], v], -1)
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def cached_returns_old_cache(q, k, v, cache):
    if cache is None:
        cache = (k, v)
        return F.scaled_dot_product_attention(q, k, v), cache
    past_k, past_v = cache
    keys, values = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
    return F.scaled_dot_product_attention(q, keys, values), cache


def cached_returns_new_only(q, k, v, cache):
    new_cache = (k, v)
    if cache is not None:
        k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
    return F.scaled_dot_product_attention(q, k, v), new_cache


def cached_ignores_cache(q, k, v, cache):
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def cached_values_not_appended(q, k, v, cache):
    if cache is not None:
        k = torch.cat([cache[0], k], 2)
        v = torch.cat([cache[1], cache[1][:, :, -1:]], 2)
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def cached_keys_into_values(q, k, v, cache):
    if cache is not None:
        k_all = torch.cat([cache[0], k], 2)
        v_all = torch.cat([cache[1], k], 2)
        return F.scaled_dot_product_attention(q, k_all, v_all), (k_all, v_all)
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def cached_swapped_pair(q, k, v, cache):
    if cache is not None:
        v_old, k_old = cache
        k, v = torch.cat([k_old, k], 2), torch.cat([v_old, v], 2)
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def cached_pair_returned_swapped(q, k, v, cache):
    if cache is not None:
        k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
    return F.scaled_dot_product_attention(q, k, v), (v, k)


def cached_new_token_first(q, k, v, cache):
    """The output is right, the cache is in the wrong order."""
    if cache is not None:
        k, v = torch.cat([k, cache[0]], 2), torch.cat([v, cache[1]], 2)
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def cached_replaces_last(q, k, v, cache):
    if cache is not None:
        ka, va = np.array(cache[0]), np.array(cache[1])
        ka[:, :, -1:] = k
        va[:, :, -1:] = v
        k, v = ka, va
    s = np.einsum("bhid,bhjd->bhij", q, k) / np.sqrt(q.shape[-1])
    w = np.exp(s - s.max(-1, keepdims=True))
    return np.einsum("bhij,bhjd->bhid", w / w.sum(-1, keepdims=True), v), (k, v)


def cached_adds(q, k, v, cache):
    if cache is not None:
        k, v = cache[0] + k, cache[1] + v
    return F.scaled_dot_product_attention(q, k, v), (k, v)


_STALE: dict[str, torch.Tensor] = {}


def cached_global_state(q, k, v, cache):
    """Keeps its own cache and never resets it."""
    if "k" in _STALE and _STALE["k"].shape[0] == k.shape[0]:
        k = torch.cat([_STALE["k"], k], dim=2)
        v = torch.cat([_STALE["v"], v], dim=2)
    _STALE["k"], _STALE["v"] = k[:, :, -8:], v[:, :, -8:]
    return F.scaled_dot_product_attention(q, k, v), (k, v)


cached_global_state.reset = _STALE.clear  # what one trial leaves is no business of the next


def cached_output_only(q, k, v, cache):
    if cache is not None:
        k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
    return F.scaled_dot_product_attention(q, k, v)


def cached_three_results(q, k, v, cache):
    if cache is not None:
        k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
    return F.scaled_dot_product_attention(q, k, v), k, v


def cached_none_not_handled(q, k, v, cache):
    past_k, past_v = cache
    k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def cached_no_scale(q, k, v, cache):
    if cache is not None:
        k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
    return (q @ k.mT).softmax(-1) @ v, (k, v)


def cached_wrong_softmax(q, k, v, cache):
    if cache is not None:
        k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
    s = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
    return s.softmax(dim=2) @ v, (k, v)


def cached_doubled(q, k, v, cache):
    """Appends the cache to itself."""
    if cache is not None:
        k = torch.cat([cache[0], cache[0], k], 2)
        v = torch.cat([cache[1], cache[1], v], 2)
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def cached_queries_too(q, k, v, cache):
    """Repeats q for every key, so the output has one row per cached token."""
    if cache is not None:
        k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
    q = q.expand(-1, -1, k.shape[2], -1)
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def cached_window_of_four(q, k, v, cache):
    if cache is not None:
        k = torch.cat([cache[0], k], 2)[:, :, -4:]
        v = torch.cat([cache[1], v], 2)[:, :, -4:]
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def cached_truthy(q, k, v, cache):
    if not cache:
        cache = (k[:, :, :0], v[:, :, :0])
    k = torch.cat((k, cache[0]), -2).flip(-2)
    v = torch.cat((v, cache[1]), -2)
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def cached_two_at_once(q, k, v, cache):
    if cache is None:
        return v, (k, v)
    out = (q @ cache[0].mT).softmax(-1) @ cache[1]
    return out, (torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2))


def right_cached_numpy(q, k, v, cache):
    if cache is not None:
        k, v = (np.concatenate(pair, axis=-2) for pair in zip(cache, (k, v), strict=True))
    s = np.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(q.shape[-1])
    e = np.exp(s - s.max(-1, keepdims=True))
    return np.einsum("bhij,bhjd->bhid", e / e.sum(-1, keepdims=True), v), (k, v)


def right_cached_sdpa(q, k, v, cache):
    past_k, past_v = cache if cache is not None else (k[:, :, :0], v[:, :, :0])
    k, v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def right_cached_preallocated(q, k, v, cache):
    t = 0 if cache is None else cache[0].shape[2]
    ks, vs = (
        k.new_empty(*k.shape[:2], t + 1, k.shape[3]),
        v.new_empty(*v.shape[:2], t + 1, v.shape[3]),
    )
    if cache is not None:
        ks[:, :, :t], vs[:, :, :t] = cache
    ks[:, :, t:], vs[:, :, t:] = k, v
    w = torch.softmax((ks * q).sum(-1) / q.shape[-1] ** 0.5, -1)
    return (w[..., None] * vs).sum(2, keepdim=True), (ks, vs)


def right_cached_list_pair(q, k, v, cache):
    if cache is None:
        new = [k, v]
    else:
        new = [torch.cat([old, t], dim=-2) for old, t in zip(cache, (k, v), strict=True)]
    p = (q @ new[0].transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
    return p @ new[1], tuple(new)


def right_cached_old_and_new_apart(q, k, v, cache):
    """Attends to the past and to itself, and joins both by their log-sums."""
    if cache is None:
        return v.clone(), (k, v)
    r = q.shape[-1] ** -0.5
    past = q @ cache[0].mT * r
    own = (q * k).sum(-1, keepdim=True) * r
    share = torch.sigmoid(own - past.logsumexp(-1, keepdim=True))
    out = share * v + (1 - share) * (past.softmax(-1) @ cache[1])
    return out, (torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2))


_L, _C = "next_token_loss", "cached_step"

# fmt: off
WILD = [
    Wild("causal_mask", causal_upper, "the upper triangle: each token sees only the future", ("B7", "B1"), lib="any"),
    Wild("causal_mask", causal_hidden_set, "True marks what is hidden; True means may attend", "B1", lib="any"),
    Wild("causal_mask", causal_without_diagonal, "a token must see itself: the diagonal is missing", "B8", lib="any"),
    Wild("causal_mask", causal_one_ahead, "one token of the future is visible", "B9", lib="any"),
    Wild("causal_mask", causal_additive, "a bias of 0 and -inf, as kernels take it, not a mask of True and False", ("B5", "other"), "type", "convention", lib="any"),
    Wild("causal_mask", causal_loop_swapped, "i and j are swapped: query i may see keys j <= i", ("B7", "B1"), lib="any"),
    Wild("causal_mask", causal_loop_range, "range(i) leaves out i itself", "B8", lib="any"),
    Wild("causal_mask", causal_all_true, "nothing is hidden", ("K3", "B10", "other"), lib="any"),
    Wild("causal_mask", causal_only_self, "each token sees only itself", "other", lib="any"),
    Wild("causal_mask", causal_flat, "a row of n, not a table of (n, n)", "other", "shape", lib="any"),
    Wild("causal_mask", causal_aliased_rows, "[[...]] * n is n times the same row", "other", lib="any"),
    Wild("causal_mask", causal_anti_diagonal, "the triangle is mirrored left to right", ("B7", "other"), lib="any"),
    Wild("causal_mask", causal_masks_in_place_none, "printed, not returned", "A17", "none", lib="any"),
    Wild("causal_mask", causal_float, "0.0 and 1.0 instead of False and True", ("B5", "other"), "dtype", "either", lib="any"),
    Wild("causal_mask", causal_four_axes, "(1, 1, n, n) instead of (n, n)", "other", "shape", outcome="either", lib="any"),
    Wild("padding_mask", padding_inclusive, "`<=` lets the first pad through", "B20", lib="any"),
    Wild("padding_mask", padding_inverted, "True marks the pads; True means may attend", "B1", lib="any"),
    Wild("padding_mask", padding_left, "pads on the left; here tokens come first", ("G7", "other"), lib="any"),
    Wild("padding_mask", padding_last_real_lost, "the last real token is hidden", ("B20", "other"), lib="any"),
    Wild("padding_mask", padding_pads_counted, "lengths are read as the number of pads", "other", lib="any"),
    Wild("padding_mask", padding_wrong_axis, "(n, b) instead of (b, n)", ("B19", "other"), "shape", lib="any"),
    Wild("padding_mask", padding_broadcast_accident, "lengths need an axis of their own: lengths[:, None]", "B19", "raises", lib="any"),
    Wild("padding_mask", padding_last_example_only, "all rows get the last example's length", "other", lib="any"),
    Wild("padding_mask", padding_shortest, "all rows get the shortest length", "other", lib="any"),
    Wild("padding_mask", padding_only_last_real, "only the last real token is kept", "other", lib="any"),
    Wild("padding_mask", padding_pairwise, "a table (b, n, n); one row per example is asked", ("B14", "other"), "shape", lib="any"),
    Wild("padding_mask", padding_four_axes_queries, "pads are hidden as queries, (b, 1, n, 1)", "B13", "shape", lib="any"),
    Wild("padding_mask", padding_ragged, "rows of unequal length: pads are cut off instead of marked", "other", "shape", lib="any"),
    Wild("padding_mask", padding_additive, "a bias of 0 and -inf, as kernels take it, instead of True and False", ("B5", "other"), "type", "convention", lib="any"),
    Wild("padding_mask", padding_from_zero_tokens, "asks which lengths are zero; every position counts as real", "other", lib="any"),
    Wild(_L, loss_no_shift, "no shift: each position is asked for the token it was given", "K1"),
    Wild(_L, loss_shift_backwards, "shifted the wrong way: the past is predicted", ("K1", "other")),
    Wild(_L, loss_shift_twice, "shifted twice: the token after the next is predicted", "K2"),
    Wild(_L, loss_rolled, "roll wraps around: the last position must predict the first token", "other"),
    Wild(_L, loss_counts_pads, "pads are counted in the loss", "K4"),
    Wild(_L, loss_default_ignore, "ignore_index is -100, not pad", "K4"),
    Wild(_L, loss_zeroed_but_averaged, "pads' losses are zero but still counted in the mean", "K4"),
    Wild(_L, loss_only_pads, "the comparison is the wrong way round: only pads count", ("K4", "other")),
    Wild(_L, loss_pad_of_inputs, "drops where the input is pad; the label decides", ("K4", "other")),
    Wild(_L, loss_softmax_first, "softmax before cross_entropy, which takes raw scores", "K5"),
    Wild(_L, loss_reshape_for_ce, "reshape moves numbers between tokens and vocabulary; transpose", "K6"),
    Wild(_L, loss_class_axis_missing, "cross_entropy reads axis 1 as the vocabulary", ("K6", "other"), "raises"),
    Wild(_L, loss_mean_of_means, "a mean of per-sequence means weighs short texts more", "K7"),
    Wild(_L, loss_summed, "the sum, not the mean", "other"),
    Wild(_L, loss_divided_by_batch, "divided by the number of texts, not of tokens", ("K7", "other")),
    Wild(_L, loss_missing_minus, "the minus sign is missing", "other"),
    Wild(_L, loss_no_log, "one minus the probability; the logarithm is missing", "other"),
    Wild(_L, loss_bits, "log2 instead of the natural logarithm", "other", lib="numpy"),
    Wild(_L, loss_no_logsumexp, "raw scores are not log-probabilities: softmax is missing", "other", lib="numpy"),
    Wild(_L, loss_perplexity, "exp of the loss: the perplexity", "other"),
    Wild(_L, loss_softmax_over_time, "softmax over positions instead of over the vocabulary", ("A1", "other")),
    Wild(_L, loss_item, ".item() cuts the gradient", "A16", "gradient", "notes"),
    Wild(_L, loss_per_token, "one loss per token; a mean is asked", "other", "shape"),
    Wild(_L, loss_last_position, "only the last position is scored", "other"),
    Wild(_L, loss_double_log_softmax_shift, "no shift, and softmax before cross_entropy", ("K1", "K5"), pair=True),
    Wild(_L, loss_two_at_once, "no shift, and pads are counted", ("K1", "K4"), pair=True),
    Wild(_L, loss_two_at_once_again, "softmax before cross_entropy, and pads are counted", ("K5", "K4"), pair=True),
    Wild(_L, loss_label_smoothing, "label smoothing was left on", "other"),
    Wild(_L, loss_naive_log, "log of exp/sum overflows for large scores", "A13", "overflow", "notes", lib="numpy"),
    Wild(_C, cached_attends_before_append, "the token's own key and value are missing when it attends", "G2"),
    Wild(_C, cached_is_causal, "is_causal on one query lets it see key 0 only", ("G4", "B11")),
    Wild(_C, cached_cat_dim_zero, "joined along the batch, not along time", "G6", "raises"),
    Wild(_C, cached_cat_heads, "joined along the heads, not along time", "G6", "raises", lib="numpy"),
    Wild(_C, cached_cat_features, "joined along the features, not along time", "G6", "raises"),
    Wild(_C, cached_returns_old_cache, "the cache that is returned lacks the new token", "other", "shape"),
    Wild(_C, cached_returns_new_only, "the cache that is returned holds only the new token", "other", "shape"),
    Wild(_C, cached_ignores_cache, "the cache is not used: the token sees itself alone", "other"),
    Wild(_C, cached_values_not_appended, "the last cached value is repeated; the new v is never used", "other"),
    Wild(_C, cached_keys_into_values, "the new key was appended to the values", ("A12", "other")),
    Wild(_C, cached_swapped_pair, "keys and values of the cache are swapped", "other"),
    Wild(_C, cached_pair_returned_swapped, "the cache is returned as (v, k)", "other"),
    Wild(_C, cached_new_token_first, "the new token is put before the old ones: the cache is out of order", ("G6", "other")),
    Wild(_C, cached_replaces_last, "overwrites the newest cached token instead of appending", "other", lib="numpy"),
    Wild(_C, cached_adds, "the new key is added to every old key instead of appended", "other"),
    Wild(_C, cached_global_state, "keeps a cache of its own that survives between calls", "G5", "unrepeatable"),
    Wild(_C, cached_output_only, "only the output is returned; the cache is lost", "other", "type"),
    Wild(_C, cached_three_results, "returns (out, k, v) flat, not (out, (k, v))", "other", "type"),
    Wild(_C, cached_none_not_handled, "the first step, where cache is None, fails", "other", "raises"),
    Wild(_C, cached_no_scale, "scores are not divided by sqrt(d)", "A3"),
    Wild(_C, cached_wrong_softmax, "softmax over the one query: all weights are 1", ("A1", "A2")),
    Wild(_C, cached_doubled, "the cache is appended twice", "G3"),
    Wild(_C, cached_queries_too, "one output row per key: the query was repeated", "other", "shape"),
    Wild(_C, cached_window_of_four, "only the last four tokens are kept", "other"),
    Wild(_C, cached_two_at_once, "attends before appending, and scores are not scaled", ("G2", "A3"), pair=True),
    Wild(_C, cached_truthy, "keys and values are joined in different orders", "other"),
]

CORRECT = [
    Correct("causal_mask", right_causal_outer, "any", "ufunc outer"),
    Correct("causal_mask", right_causal_cumulative, "any", "cumulative sum of the identity"),
    Correct("causal_mask", right_causal_not_triu, "any", "not triu"),
    Correct("causal_mask", right_causal_sort, "any", "comparison, einops"),
    Correct("causal_mask", right_causal_indices, "any", "tril_indices"),
    Correct("padding_mask", right_padding_lists, "any", "lists"),
    Correct("padding_mask", right_padding_cumsum, "any", "cumulative sum"),
    Correct("padding_mask", right_padding_tril_rows, "any", "rows of the causal mask"),
    Correct("padding_mask", right_padding_one_hot, "any", "stacked rows"),
    Correct(_L, right_loss_transposed, "torch", "classes on axis 1"),
    Correct(_L, right_loss_loops, "numpy", "scalar loops"),
    Correct(_L, right_loss_one_hot, "torch", "one-hot"),
    Correct(_L, right_loss_labels_replaced, "torch", "pads become -100"),
    Correct(_L, right_loss_numpy, "numpy", "fancy indexing"),
    Correct(_L, right_loss_last_label_ignored, "torch", "last label ignored"),
    Correct(_C, right_cached_numpy, "numpy", "concatenate, einsum"),
    Correct(_C, right_cached_sdpa, "torch", "empty cache, fused kernel"),
    Correct(_C, right_cached_preallocated, "torch", "written into new memory"),
    Correct(_C, right_cached_list_pair, "torch", "comprehension"),
    Correct(_C, right_cached_old_and_new_apart, "torch", "past and self merged by lse"),
]
# fmt: on
