"""Correct ways of writing the exercises of lesson 05; each must pass."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce

INF = float("inf")

# --------------------------------------------------------------------------------- masks


def causal_loops(n):
    mask = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for j in range(n):
            mask[i, j] = j <= i
    return mask


def causal_rows(n):
    mask = np.zeros((n, n), dtype=bool)
    for i in range(n):
        mask[i, : i + 1] = True
    return mask


CAUSAL = [
    causal_loops, causal_rows,
    lambda n: torch.ones(n, n).tril().bool(),
    lambda n: torch.tril(torch.ones(n, n, dtype=torch.bool)),
    lambda n: ~torch.triu(torch.ones(n, n, dtype=torch.bool), diagonal=1),
    lambda n: torch.triu(torch.ones(n, n), 1) == 0,
    lambda n: torch.arange(n)[:, None] >= torch.arange(n),
    lambda n: torch.tril(torch.ones(n, n)),
    lambda n: torch.ones(n, n).tril().int(),
    lambda n: np.tril(np.ones((n, n), dtype=bool)),
    lambda n: np.tri(n) == 1,
    lambda n: np.greater_equal.outer(np.arange(n), np.arange(n)),
    lambda n: [[j <= i for j in range(n)] for i in range(n)],
    lambda n: torch.eye(n).cumsum(0) > 0,
    lambda n: torch.nn.Transformer.generate_square_subsequent_mask(n) == 0,
]  # fmt: skip


def padding_loops(lengths, n):
    keep = torch.zeros(len(lengths), n, dtype=torch.bool)
    for b, length in enumerate(lengths):
        keep[b, :length] = True
    return keep


def padding_all_loops(lengths, n):
    return [[t < int(length) for t in range(n)] for length in lengths]


def padding_sequence(lengths, n):
    ones = [torch.ones(int(x)) for x in lengths]
    padded = torch.nn.utils.rnn.pad_sequence(ones, batch_first=True)
    return F.pad(padded, (0, n - padded.shape[1])) == 1


PADDING = [
    padding_loops, padding_all_loops, padding_sequence,
    lambda lengths, n: torch.arange(n) < lengths[:, None],
    lambda lengths, n: torch.arange(n).expand(len(lengths), n) < lengths.unsqueeze(1),
    lambda lengths, n: (torch.arange(n)[None] < lengths.view(-1, 1))[:, None, None, :],
    lambda lengths, n: (torch.arange(n)[None] < lengths.view(-1, 1))[:, None],
    lambda lengths, n: (torch.arange(n)[None] < lengths.view(-1, 1))[:, None].expand(-1, n, -1),
    lambda lengths, n: ~(torch.arange(n) >= lengths[:, None]),
    lambda lengths, n: (lengths[:, None] - torch.arange(n) > 0).float(),
    lambda lengths, n: np.arange(n) < np.asarray(lengths)[:, None],
    lambda lengths, n: np.stack([np.r_[np.ones(k, bool), np.zeros(n - k, bool)] for k in lengths]),
    lambda lengths, n: torch.stack([torch.arange(n) < k for k in lengths]),
    lambda lengths, n: torch.ones(n, n).tril().bool()[lengths - 1],
]  # fmt: skip

# ---------------------------------------------------------------------------------- loss


def loss_cross_entropy(logits, tokens, pad=None):
    guesses, targets = logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()
    return F.cross_entropy(guesses, targets, ignore_index=-100 if pad is None else pad)


def loss_transposed(logits, tokens, pad=None):
    extra = {} if pad is None else {"ignore_index": pad}
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], **extra)


def loss_loops(logits, tokens, pad=None):
    total, count = 0.0, 0
    for b in range(tokens.shape[0]):
        for t in range(tokens.shape[1] - 1):
            target = int(tokens[b, t + 1])
            if target == pad:
                continue
            row = [float(x) for x in logits[b, t]]
            total += math.log(sum(math.exp(x) for x in row)) - row[target]
            count += 1
    return total / count


def loss_gather(logits, tokens, pad=None):
    logp = logits[:, :-1].log_softmax(-1)
    each = -logp.gather(2, tokens[:, 1:, None]).squeeze(-1)
    if pad is None:
        return each.mean()
    real = tokens[:, 1:] != pad
    return (each * real).sum() / real.sum()


def loss_one_hot(logits, tokens, pad=None):
    hot = F.one_hot(tokens[:, 1:], logits.shape[-1])
    each = -(hot * F.log_softmax(logits[:, :-1], dim=-1)).sum(-1)
    return each[tokens[:, 1:] != pad].mean() if pad is not None else each.mean()


def loss_nll(logits, tokens, pad=None):
    logp = F.log_softmax(logits, -1)[:, :-1].reshape(-1, logits.shape[-1])
    return F.nll_loss(logp, tokens[:, 1:].reshape(-1), ignore_index=-1 if pad is None else pad)


def loss_logsumexp(logits, tokens, pad=None):
    logits, targets = logits[:, :-1], tokens[:, 1:]
    picked = torch.take_along_dim(logits, targets.unsqueeze(-1), -1)[..., 0]
    each = logits.logsumexp(-1) - picked
    keep = torch.ones_like(targets, dtype=torch.bool) if pad is None else targets.ne(pad)
    return each.masked_select(keep).mean()


def loss_numpy(logits, tokens, pad=None):
    logits, tokens = np.asarray(logits, dtype=np.float64), np.asarray(tokens)
    x, y = logits[:, :-1], tokens[:, 1:]
    x = x - x.max(-1, keepdims=True)
    logp = x - np.log(np.exp(x).sum(-1, keepdims=True))
    each = -np.take_along_axis(logp, y[..., None], -1)[..., 0]
    return each.mean() if pad is None else each[y != pad].mean()


def loss_numpy_flat(logits, tokens, pad=None):
    x = logits[:, :-1].reshape(-1, logits.shape[-1])
    y = tokens[:, 1:].reshape(-1)
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    each = -np.log(p[np.arange(len(y)), y])
    return float(each[y != pad].mean()) if pad is not None else float(each.mean())


def loss_module(logits, tokens, pad=None):
    loss = torch.nn.CrossEntropyLoss(reduction="none")
    each = loss(rearrange(logits[:, :-1], "b n c -> b c n"), tokens[:, 1:])
    real = (tokens[:, 1:] != (-1 if pad is None else pad)).to(each.dtype)
    return reduce(each * real, "b n -> ", "sum") / real.sum()


def loss_log_of_softmax(logits, tokens, pad=None):
    p = logits.softmax(-1)[:, :-1]
    b, m = tokens[:, 1:].shape
    picked = p[torch.arange(b)[:, None], torch.arange(m), tokens[:, 1:]]
    weights = torch.ones(b, m) if pad is None else (tokens[:, 1:] != pad).float()
    return (-picked.log() * weights).sum() / weights.sum()


def loss_ignored_labels(logits, tokens, pad=None):
    labels = tokens.clone()
    if pad is not None:
        labels[labels == pad] = -100
    return F.cross_entropy(logits[:, :-1].reshape(-1, logits.size(-1)), labels[:, 1:].reshape(-1))


def loss_shifted_labels(logits, tokens, pad=None):
    labels = torch.full_like(tokens, -100)
    labels[:, :-1] = tokens[:, 1:]
    if pad is not None:
        labels = labels.masked_fill(labels == pad, -100)
    return F.cross_entropy(logits.double().flatten(0, 1), labels.flatten())


LOSS = [
    loss_cross_entropy, loss_transposed, loss_loops, loss_gather, loss_one_hot, loss_nll,
    loss_logsumexp, loss_numpy, loss_numpy_flat, loss_module, loss_log_of_softmax,
    loss_ignored_labels, loss_shifted_labels,
]  # fmt: skip

# --------------------------------------------------------------------------------- cache


def plain(q, k, v, mask=None, fill=-INF):
    s = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return (s if mask is None else s.masked_fill(~mask, fill)).softmax(-1) @ v


def step_with(attend):
    def step(q, k, v, cache):
        if cache is not None:
            k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
        return attend(q, k, v), (k, v)

    return step


def step_new_first(q, k, v, cache):
    """Without a mask the order of the keys does not matter to the output."""
    if cache is None:
        return v.clone(), [k, v]
    out = plain(q, torch.cat([k, cache[0]], dim=-2), torch.cat([v, cache[1]], dim=-2))
    return out, [torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)]


def step_sdpa(q, k, v, cache):
    old_k, old_v = (k[:, :, :0], v[:, :, :0]) if cache is None else cache
    k, v = torch.cat((old_k, k), dim=2), torch.cat((old_v, v), dim=2)
    return F.scaled_dot_product_attention(q, k, v), (k, v)


def step_numpy(q, k, v, cache):
    if cache is not None:
        k, v = np.concatenate([cache[0], k], axis=2), np.concatenate([cache[1], v], axis=2)
    s = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    w = np.exp(s - s.max(-1, keepdims=True))
    return w / w.sum(-1, keepdims=True) @ v, (k, v)


def step_einsum(q, k, v, cache):
    if cache:
        k, v = (torch.cat(pair, -2) for pair in zip(cache, (k, v), strict=True))
    w = torch.einsum("bhid,bhjd->bhij", q * q.shape[-1] ** -0.5, k).softmax(-1)
    return torch.einsum("bhij,bhjd->bhid", w, v), (k, v)


def step_loops(q, k, v, cache):
    if cache is not None:
        k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
    out = torch.zeros_like(q)
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            s = [math.exp(float(q[b, h, 0] @ key) / q.shape[-1] ** 0.5) for key in k[b, h]]
            for weight, value in zip(s, v[b, h], strict=True):
                out[b, h, 0] += weight / sum(s) * value
    return out, (k, v)


def step_stacked(q, k, v, cache):
    """The cache is one tensor of keys and values."""
    new = torch.stack([k, v])
    cache = new if cache is None else torch.cat([torch.stack(tuple(cache)), new], 3)
    return plain(q, cache[0], cache[1]), cache.unbind(0)


def step_padded(q, k, v, cache):
    old = (q.new_zeros(*q.shape[:2], 0, q.shape[3]),) * 2 if cache is None else cache
    n = old[0].shape[2]
    room_k, room_v = (F.pad(o, (0, 0, 0, 1)) for o in old)
    room_k[:, :, n], room_v[:, :, n] = k[:, :, 0], v[:, :, 0]
    return plain(q, room_k, room_v), (room_k, room_v)


def step_causal_last_row(q, k, v, cache):
    if cache is not None:
        k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
    return plain(q, k, v, torch.ones(k.shape[2], k.shape[2]).tril().bool()[-1:]), (k, v)


def step_from_sum(q, k, v, cache):
    if cache is None:
        return v, (k, v)
    k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
    w = ((q * k).sum(-1, keepdim=True) / q.shape[-1] ** 0.5).softmax(2)
    return (w * v).sum(2, keepdim=True), (k, v)


def step_float64(q, k, v, cache):
    out, new = step_sdpa(q.double(), k.double(), v.double(), cache)
    return out.to(q.dtype), new


def step_hstack(q, k, v, cache):
    k = k if cache is None else rearrange([*cache[0].unbind(2), k[:, :, 0]], "n b h d -> b h n d")
    v = v if cache is None else rearrange([*cache[1].unbind(2), v[:, :, 0]], "n b h d -> b h n d")
    return plain(q, k, v), (k, v)


CACHE = [
    step_with(plain), step_with(F.scaled_dot_product_attention), step_new_first, step_sdpa,
    step_numpy, step_einsum, step_loops, step_stacked, step_padded, step_causal_last_row,
    step_from_sum, step_float64, step_hstack,
]  # fmt: skip

# ------------------------------------------------------------------------------- repair


def seen(n, keep):
    mask = torch.ones(n, n).tril().bool()
    return mask if keep is None else mask & keep[:, None, :]


def causal_with(fill):
    return lambda q, k, v, keep=None: plain(q, k, v, seen(q.shape[1], keep), fill)


def causal_zeros(q, k, v, keep=None):
    return plain(q, k, v, seen(q.shape[1], keep)).nan_to_num(0.0)


def causal_sdpa(q, k, v, keep=None):
    return F.scaled_dot_product_attention(q, k, v, seen(q.shape[1], keep))


def causal_flag(q, k, v, keep=None):
    if keep is None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return causal_sdpa(q, k, v, keep)


def causal_bias(q, k, v, keep=None):
    n = q.shape[1]
    bias = torch.full((n, n), -INF, dtype=q.dtype).triu(1).expand(len(q), n, n)
    if keep is not None:
        bias = torch.where(keep[:, None], bias, torch.finfo(q.dtype).min)
    return torch.baddbmm(bias, q, k.mT, alpha=q.shape[-1] ** -0.5).softmax(-1) @ v


def causal_after(q, k, v, keep=None):
    w = (q @ k.mT * q.shape[-1] ** -0.5).exp() * seen(q.shape[1], keep)
    return w @ v / w.sum(-1, keepdim=True)


def causal_loops_over_tokens(q, k, v, keep=None):
    out = torch.zeros_like(v)
    for b in range(len(q)):
        for i in range(q.shape[1]):
            real = [j for j in range(i + 1) if keep is None or keep[b, j]]
            if real:
                w = (k[b, real] @ q[b, i] / q.shape[-1] ** 0.5).softmax(0)
                out[b, i] = w @ v[b, real]
    return out


def causal_numpy(q, k, v, keep=None):
    s = q @ np.swapaxes(k, 1, 2) / np.sqrt(q.shape[-1])
    mask = np.tri(q.shape[1], dtype=bool)
    mask = mask if keep is None else mask & keep[:, None, :]
    s = np.where(mask, s, -1e30)
    w = np.exp(s - s.max(-1, keepdims=True))
    return w / w.sum(-1, keepdims=True) @ v


def causal_two_fills(q, k, v, keep=None):
    s = torch.einsum("bid,bjd->bij", q, k) / q.shape[-1] ** 0.5
    s = s.masked_fill(torch.ones_like(s).triu(1).bool(), -1e9)
    if keep is not None:
        s = s.masked_fill(keep.logical_not().unsqueeze(1), -1e9)
    return torch.einsum("bij,bjd->bid", s.softmax(-1), v)


def causal_tuple(q, k, v, keep=None):
    w = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen(q.shape[1], keep), -1e9).softmax(-1)
    return w @ v, w


REPAIR = [
    causal_with(-INF), causal_with(-1e9), causal_with(torch.finfo(torch.float32).min),
    causal_zeros, causal_sdpa, causal_flag, causal_bias, causal_after, causal_loops_over_tokens,
    causal_numpy, causal_two_fills, causal_tuple,
]  # fmt: skip

STYLES = {
    "causal_mask": CAUSAL, "padding_mask": PADDING, "next_token_loss": LOSS,
    "cached_step": CACHE, "repair_causal": REPAIR,
}  # fmt: skip

FAMILIES = {
    "inverted": "B1", "transposed": "B7", "diagonal_hidden": "B8", "one_ahead": "B9",
    "inverted_one_ahead": "B1 B9", "everything_visible": "B6 B10 K3", "bias_not_mask": "B5",
    "one_too_many": "B20", "one_too_few": "B20", "inverted_one_too_many": "B1 B20",
    "padded_left": "G7", "queries_not_keys": "B13", "queries_hidden_too": "B14 B13",
    "axes_swapped": "B19", "lengths_without_axis": "B19",
    "not_shifted": "K1", "cut_but_not_shifted": "K1", "shifted_back": "K1",
    "rolled_the_wrong_way": "K1", "wraps_around": "K1", "shifted_twice": "K2",
    "pads_counted": "K4", "pads_in_the_mean": "K4", "wrong_pad": "K4", "only_pads_count": "K4",
    "padding_by_input": "K4", "softmax_before_cross_entropy": "K5",
    "reshape_for_transpose": "K6 A8", "tokens_transposed": "K6", "mean_of_means": "K7",
    "softmax_over_positions": "A1", "softmax_over_batch": "A2",
    "own_token_missing": "G2", "sees_only_first_key": "G4", "cache_doubled": "G3",
    "own_token_twice": "G3", "stale_cache": "G5", "joined_along_wrong_axis": "G6",
    "newest_first": "G6", "key_among_the_values": "A12",
    "causal_inverted": "B1", "causal_transposed": "B7", "no_causal_mask": "B6 B10 K3",
    "causal_only_with_keep": "B10", "causal_forgotten_with_keep": "B10",
    "causal_or_padding": "B12", "padding_inverted": "B1", "padding_seen": "B13 B6",
    "padding_broadcast_over_batch": "B19",
}  # fmt: skip
