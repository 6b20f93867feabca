"""KVCache: however the tokens are cut, the result is that of one call."""

from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attn_lib import (
    KVCache,
    MultiHeadAttention,
    alibi,
    attention,
    causal,
    chunks,
    documents,
    full,
    global_tokens,
    padding,
    per_head,
    prefix,
    rotary,
    window,
)
from tests.oracle_modules import chunkings


def module(**kwargs):
    torch.manual_seed(0)
    sizes = {"kv_heads": 2, "head_dim": 6, "bias": True, "rotary": rotary} | kwargs
    return MultiHeadAttention(10, 4, **sizes).double().eval()


def in_chunks(layer, x, sizes, mask_for, cache):
    outs, end = [], 0
    for size in sizes:
        end += size
        outs.append(layer(x[:, end - size : end], mask=mask_for(end), cache=cache))
    assert cache.length == end
    return torch.cat(outs, dim=1)


@pytest.mark.quick
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("sizes", chunkings(5), ids=str)
def test_cached_is_uncached_for_every_chunking(sizes, grad):
    layer, x = module(), torch.randn(3, 5, 10, dtype=torch.float64)
    with torch.set_grad_enabled(grad):
        out = in_chunks(layer, x, sizes, lambda end: causal, KVCache())
    torch.testing.assert_close(out, layer(x, mask=causal))


@pytest.mark.quick
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("w", [1, 2, 3, 7])
@pytest.mark.parametrize("sizes", chunkings(5), ids=str)
def test_windowed_cache_is_a_window_mask_for_every_chunking(sizes, w, grad):
    layer, x = module(), torch.randn(2, 5, 10, dtype=torch.float64)
    expected = layer(x, mask=causal & window(w))
    for mask in (causal, causal & window(w), causal & window(w + 1)):
        cache = KVCache(window=w)
        with torch.set_grad_enabled(grad):
            out = in_chunks(layer, x, sizes, lambda end, mask=mask: mask, cache)
        torch.testing.assert_close(out, expected)
        assert cache.keys.shape[2] == min(5, w - 1) and cache.start == max(0, 5 - (w - 1))


KEEP = torch.tensor([[1, 0, 1, 1, 0, 1, 1], [0, 0, 0, 1, 1, 1, 1]]).bool()
MASKS = {
    "prefix": lambda end: causal | prefix(3),
    "chunks": lambda end: causal & chunks(3),
    "globals": lambda end: causal & (window(2) | global_tokens(2)),
    "heads": lambda end: causal & per_head([window(1), window(2), full, chunks(2)]),
    "documents": lambda end: causal & documents(torch.tensor([0, 0, 1, 1, 1, 0, 1][:end])),
    "padding": lambda end: causal & padding(KEEP[:, :end]),
    "not": lambda end: causal & ~window(2),
    "tensor": lambda end: (causal & chunks(4)).dense(7)[..., :end],
}  # fmt: skip


@pytest.mark.quick
@pytest.mark.parametrize("w", [None, 3, 4])
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("sizes", [[7], [1] * 7, [3, 1, 3], [2, 5], [6, 1], [1, 4, 2]], ids=str)
def test_every_mask_keeps_its_positions(name, sizes, w):
    if name == "prefix":  # a prefix looks ahead: it must arrive in one chunk
        sizes = [3 + sizes[0], *[1] * (4 - sizes[0])] if sizes[0] < 4 else [7]
    layer, x = module(), torch.randn(2, 7, 10, dtype=torch.float64)

    def mask_for(end):
        mask = MASKS[name](end)
        if name == "tensor":
            first = mask_for.end
            mask_for.end = end
            return mask[..., first:end, :]
        return mask

    mask_for.end = 0
    out = in_chunks(layer, x, sizes, mask_for, KVCache(window=w))
    whole = MASKS[name](7)
    if w is not None:
        near = window(w)
        whole = whole & near.dense(7) if name == "tensor" else whole & near
    torch.testing.assert_close(out, layer(x, mask=whole))


@pytest.mark.quick
@given(
    data=st.data(), b=st.integers(1, 3), h=st.integers(1, 3), d=st.integers(1, 4),
    d_v=st.integers(1, 5), w=st.none() | st.integers(1, 9), grad=st.booleans(),
)  # fmt: skip
def test_append_returns_what_the_queries_may_need(data, b, h, d, d_v, w, grad):
    sizes = data.draw(st.lists(st.integers(0, 150), max_size=6))
    n = sum(sizes)
    k, v = torch.randn(b, h, n, d), torch.randn(b, h, n, d_v)
    cache, end = KVCache(window=w), 0
    with torch.set_grad_enabled(grad):
        for size in sizes:
            end += size
            keys, values = cache.append(k[:, :, end - size : end], v[:, :, end - size : end])
            first = 0 if w is None else max(0, end - size - (w - 1))
            assert torch.equal(keys, k[:, :, first:end])
            assert torch.equal(values, v[:, :, first:end])
            kept = 0 if w is None else max(0, end - (w - 1))
            assert (cache.length, cache.start) == (end, kept)
            assert torch.equal(cache.keys, k[:, :, kept:end])
            assert torch.equal(cache.values, v[:, :, kept:end])


@pytest.mark.quick
def test_returned_tensors_are_not_overwritten_by_later_tokens():
    k = torch.randn(1, 2, 300, 3)
    cache, seen = KVCache(window=5), []
    with torch.no_grad():
        for i in range(0, 300, 3):
            keys, _ = cache.append(k[:, :, i : i + 3], k[:, :, i : i + 3])
            seen.append((keys, keys.clone()))
    assert all(torch.equal(now, then) for now, then in seen)


@pytest.mark.quick
@pytest.mark.parametrize("flat", ["k", "v"])
def test_keys_or_values_whose_heads_are_not_split_are_refused(flat):
    both = {"k": torch.randn(1, 2, 3, 4), "v": torch.randn(1, 2, 3, 4)}
    both[flat] = torch.randn(1, 2, 3, 4, 1) if flat == "k" else torch.randn(1, 2, 3)
    with pytest.raises(ValueError, match="split the heads first"):
        KVCache().append(**both)


@pytest.mark.quick
def test_a_mask_for_other_heads_is_named_behind_a_window():
    tokens = torch.randn(1, 2, 5, 4)
    cache = KVCache(window=3)
    cache.append(tokens, tokens)
    k, v = cache.append(tokens[:, :, :1], tokens[:, :, :1])
    mask = cache.align(per_head([causal, causal, full]), 1, k.shape[2])
    message = r"per_head\(\[causal, causal, full\]\) for queries from 5.* heads = 3, got heads = 2"
    with pytest.raises(ValueError, match=message):
        attention(torch.randn(1, 2, 1, 4), k, v, mask=mask)


@pytest.mark.quick
@torch.no_grad()
def test_a_long_prompt_leaves_its_newest_keys_and_values():
    k, v = torch.randn(2, 1, 2, 1000, 4)
    cache = KVCache(window=8)
    cache.append(k, v)
    kept = cache.append(k[:, :, :1], v[:, :, :1])
    for held, old in zip(kept, (k, v), strict=True):
        assert torch.equal(held, torch.cat([old[:, :, -7:], old[:, :, :1]], dim=2))


@pytest.mark.quick
@torch.no_grad()
def test_memory_stays_near_the_window_after_a_long_prompt():
    cache = KVCache(window=8)
    k = torch.randn(1, 2, 5000, 4)
    cache.append(k, k)
    assert cache._k.shape[2] < 300
    for i in range(1000):
        cache.append(k[:, :, i : i + 1], k[:, :, i : i + 1])
    assert cache._k.shape[2] < 300


@pytest.mark.quick
@torch.no_grad()
def test_room_doubles():
    cache, k, rooms = KVCache(), torch.randn(1, 1, 1, 2), set()
    for _ in range(1000):
        cache.append(k, k)
        rooms.add(cache._k.shape[2])
    assert len(rooms) <= 5


@pytest.mark.quick
def test_gradients_flow_through_every_chunk():
    layer, x = module(), torch.randn(2, 6, 10, dtype=torch.float64, requires_grad=True)
    frozen = module()
    frozen.k_proj.requires_grad_(False)
    frozen.v_proj.requires_grad_(False)
    for case in (layer, frozen):
        (plain,) = torch.autograd.grad(case(x, mask=causal).square().sum(), x)
        out = in_chunks(case, x, [1, 2, 1, 1, 1], lambda end: causal, KVCache())
        (cached,) = torch.autograd.grad(out.square().sum(), x)
        torch.testing.assert_close(cached, plain)


@pytest.mark.quick
def test_filled_under_inference_mode_it_goes_on_elsewhere():
    layer, x = module(), torch.randn(1, 4, 10, dtype=torch.float64)
    expected = layer(x, mask=causal)
    cache = KVCache()
    with torch.inference_mode():
        first = layer(x[:, :2], mask=causal, cache=cache)
    with torch.no_grad():
        second = layer(x[:, 2:3], mask=causal, cache=cache)
    third = layer(x[:, 3:], mask=causal, cache=cache)
    torch.testing.assert_close(torch.cat([first, second, third], dim=1), expected)


@pytest.mark.quick
@pytest.mark.parametrize("w", [None, 3])
def test_reorder_picks_beams(w):
    layer, x = module(), torch.randn(3, 6, 10, dtype=torch.float64)
    rows = torch.tensor([2, 0, 0, 1])
    cache = KVCache(window=w)
    with torch.no_grad():
        layer(x[:, :4], mask=causal, cache=cache)
        cache.reorder(rows)
        out = layer(x[rows, 4:], mask=causal, cache=cache)
    near = full if w is None else window(w)
    torch.testing.assert_close(out, layer(x[rows], mask=causal & near)[:, 4:])


@pytest.mark.quick
@pytest.mark.parametrize("grad", [True, False])
def test_crop_takes_back_the_newest(grad):
    layer, x = module(), torch.randn(2, 6, 10, dtype=torch.float64)
    cache = KVCache()
    with torch.set_grad_enabled(grad):
        layer(torch.cat([x[:, :4], x[:, :2]], dim=1), mask=causal, cache=cache)
        cache.crop(4)
        assert (cache.length, cache.start, cache.keys.shape[2]) == (4, 0, 4)
        out = layer(x[:, 4:], mask=causal, cache=cache)
    torch.testing.assert_close(out, layer(x, mask=causal)[:, 4:])


@pytest.mark.quick
@torch.no_grad()
def test_crop_and_window():
    k = torch.randn(1, 1, 9, 2)
    cache = KVCache(window=3)
    cache.append(k[:, :, :2], k[:, :, :2])
    cache.crop(1)
    assert torch.equal(cache.keys, k[:, :, :1])
    cache.append(k[:, :, 1:], k[:, :, 1:])
    cache.crop(9)
    with pytest.raises(ValueError, match=r"needs keys from position 6, .* from 7: reset\(\)"):
        cache.crop(8)
    cache.crop(0)
    assert (cache.length, cache.start, cache.keys.shape[2]) == (0, 0, 0)
    keys, _ = cache.append(k, k)
    assert torch.equal(keys, k)


@pytest.mark.quick
def test_reset_forgets():
    layer, x = module(), torch.randn(2, 3, 10, dtype=torch.float64)
    cache = KVCache(window=2)
    layer(x, mask=causal, cache=cache)
    cache.reset()
    assert (cache.length, cache.start, cache.keys, cache.values) == (0, 0, None, None)
    out = layer(x[:1], mask=causal, cache=cache)
    torch.testing.assert_close(out, layer(x[:1], mask=causal & window(2)))


@pytest.mark.quick
def test_a_single_new_token_needs_no_mask():
    cache = KVCache(window=4)
    cache.append(torch.zeros(1, 1, 9, 2), torch.zeros(1, 1, 9, 2))
    assert cache.align(causal, 1, 4) is None and cache.align(causal & window(4), 1, 4) is None
    assert cache.align(None, 1, 4) is None and cache.align(causal & window(3), 1, 4) is not None
    assert cache.align(causal, 2, 5) is not None and cache.align(causal, 1, 5) is not None
    assert KVCache().align(None, 3, 3) is None


@pytest.mark.quick
def test_a_tensor_mask_may_have_one_column_for_all_keys():
    cache, mask = KVCache(), torch.tensor([[True], [False]])
    cache.append(torch.zeros(1, 1, 5, 2), torch.zeros(1, 1, 5, 2))
    assert torch.equal(cache.align(mask, 2, 5), mask)


@pytest.mark.quick
def test_a_shifted_mask_keeps_its_shift():
    q, k = torch.randn(1, 1, 2, 3), torch.randn(1, 1, 5, 3)
    cache = KVCache()
    cache.append(k, k)
    mask = cache.align(causal.shift(3), 2, 5)
    torch.testing.assert_close(
        attention(q, k, k, mask=mask), attention(q, k, k, mask=causal.shift(3))
    )


@pytest.mark.quick
def test_alibi_and_a_cache():
    from attn_lib import attend_alibi

    layer = module(rotary=None, attend=attend_alibi)
    x = torch.randn(2, 5, 10, dtype=torch.float64)
    expected = layer(x, mask=causal)
    torch.testing.assert_close(
        in_chunks(layer, x, [2, 1, 2], lambda end: causal, KVCache()), expected
    )
    plain = module(rotary=None)

    def by_hand(q, k, v, *, mask, bias, dropout, return_weights):
        return attention(q, k, v, mask=mask, bias=alibi(4, 5).double())

    plain.attend = by_hand
    torch.testing.assert_close(expected, plain(x, mask=causal))


@pytest.mark.quick
def test_pickle():
    cache = KVCache(window=3)
    cache.append(torch.randn(1, 1, 5, 2), torch.randn(1, 1, 5, 2))
    again = pickle.loads(pickle.dumps(cache))
    assert torch.equal(again.keys, cache.keys) and again.length == 5
    assert repr(again) == "KVCache(window=3), length 5, start 3"


def two(*shape, **kwargs):
    return torch.zeros(*shape, **kwargs), torch.zeros(*shape, **kwargs)


def filled(window=None):
    cache = KVCache(window)
    cache.append(*two(2, 3, 5, 4))
    return cache


@pytest.mark.quick
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: KVCache(0), ValueError, "window: expected at least 1"),
        (lambda: KVCache(2.0), TypeError, "window: expected a whole number"),
        (lambda: KVCache().append(*two(3, 5, 4)), ValueError, "k, v: expected .* split the heads"),
        (lambda: filled().append(two(2, 3, 1, 4)[0], two(2, 3, 2, 4)[0]), ValueError, "k, v: exp"),
        (lambda: filled().append(*two(1, 3, 1, 4)), ValueError, r"k: expected \(2, 3, n, 4\).*r"),
        (lambda: filled().append(two(2, 3, 1, 4)[0], two(2, 3, 1, 5)[0]), ValueError, "v: expect"),
        (lambda: filled().append(*two(2, 3, 1, 4, dtype=torch.half)), ValueError, "k: expect"),
        (lambda: filled().append(*two(2, 3, 1, 4, device="meta")), ValueError, "on cpu .* on meta"),
        (lambda: filled().reorder(torch.tensor([True, False])), ValueError, "rows: .*nonzero"),
        (lambda: filled().reorder(torch.tensor([[0]])), ValueError, r"rows: .*\(1, 1\)"),
        (lambda: filled().reorder(torch.tensor([0.0])), ValueError, "rows: .*float32"),
        (lambda: filled().crop(6), ValueError, "length: expected at most the 5"),
        (lambda: filled().crop(-1), ValueError, "length: expected at least 0"),
        (
            lambda: filled(3).align(padding(torch.ones(2, 3).bool()), 1, 3),
            ValueError,
            "built for 3 keys, got 5 tokens .* dropped too",
        ),
        (
            lambda: filled().align(torch.ones(1, 3).bool(), 1, 5),
            ValueError,
            r"mask: expected \(\.\.\., 1, 5\), .* got \(1, 3\)",
        ),
        (lambda: filled().align(torch.ones(5).bool(), 1, 5), ValueError, "mask: expected"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_remedy(call, error, words):
    with pytest.raises(error, match=words):
        call()
