"""Other forms inside MultiHeadAttention: equal to the mask they stand for, or refused."""

from __future__ import annotations

import pickle
from functools import partial

import pytest
import torch

from attn_lib import (
    KVCache,
    MultiHeadAttention,
    alibi,
    attend_alibi,
    attend_local,
    attend_online,
    attention,
    causal,
    chunks,
    full,
    global_tokens,
    hosted,
    padding,
    window,
)
from attn_lib.hosted import attend_sliding

KEEP = torch.arange(9) < torch.tensor([[9], [5]])


def pair(attend, **kwargs):
    torch.manual_seed(0)
    layer = MultiHeadAttention(8, 4, kv_heads=2, attend=attend, **kwargs).double()
    plain = MultiHeadAttention(8, 4, kv_heads=2, attend=attention, **kwargs).double()
    plain.load_state_dict(layer.state_dict())
    return layer, plain, torch.randn(2, 9, 8, dtype=torch.float64)


@pytest.mark.parametrize(
    ("options", "given", "meant"),
    [
        ({}, None, causal & window(3)),
        ({}, causal, causal & window(3)),
        ({}, causal & window(3), causal & window(3)),
        ({}, window(5) & causal, causal & window(3)),
        ({"causal": False}, None, window(3)),
        ({"causal": False}, window(3), window(3)),
        ({}, padding(KEEP), causal & window(3) & padding(KEEP)),
        ({"causal": False}, window(3) & padding(KEEP), window(3) & padding(KEEP)),
        ({"n_global": 2}, causal, causal & (window(3) | global_tokens(2))),
    ],
)
def test_attend_local(options, given, meant):
    layer, plain, x = pair(partial(attend_local, window=3, **options))
    torch.testing.assert_close(layer(x, mask=given), plain(x, mask=meant))
    again = pickle.loads(pickle.dumps(layer))
    torch.testing.assert_close(again(x, mask=given), layer(x, mask=given))


@pytest.mark.parametrize("mask", [None, causal, causal & window(3) & padding(KEEP), "tensor"])
def test_attend_online(mask):
    layer, plain, x = pair(attend_online)
    mask = (causal & chunks(4)).dense(9) if mask == "tensor" else mask
    torch.testing.assert_close(layer(x, mask=mask), plain(x, mask=mask))
    cache = KVCache()
    if isinstance(mask, type(causal)) and mask is causal:
        parts = [layer(part, mask=mask, cache=cache) for part in x.split([4, 1, 4], dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), plain(x, mask=mask))


@pytest.mark.parametrize("mask", [None, causal, causal & padding(KEEP)])
def test_attend_alibi(mask):
    layer, plain, x = pair(attend_alibi)
    plain.attend = lambda q, k, v, *, mask, bias, dropout, return_weights: attention(
        q, k, v, mask=mask, bias=alibi(4, 9).double(), return_weights=return_weights
    )
    torch.testing.assert_close(layer(x, mask=mask), plain(x, mask=mask))
    weights = layer(x, mask=mask, return_weights=True)[1]
    torch.testing.assert_close(weights, plain(x, mask=mask, return_weights=True)[1])


def test_attend_alibi_adds_to_a_bias():
    q, bias = torch.randn(1, 2, 3, 4), torch.randn(2, 3, 3)
    torch.testing.assert_close(
        attend_alibi(q, q, q, bias=bias), attention(q, q, q, bias=bias + alibi(2, 3))
    )


@pytest.mark.parametrize(
    ("mask", "banded"),
    [
        (causal & window(3), True),
        (window(3) & causal & window(3), True),
        (window(3), True),
        (causal & window(3) & padding(KEEP), True),
        (causal & window(2), False),
        (causal, False),
        (causal & window(3) & padding(KEEP) & padding(~KEEP | KEEP), False),
        (causal & window(3) & chunks(4), False),
        ((causal & window(3)).dense(9), False),
        ((causal & window(3)).shift(0), False),
        (None, False),
    ],
)
def test_attend_sliding_takes_the_banded_path_where_it_is_the_same(mask, banded, monkeypatch):
    layer, plain, x = pair(partial(attend_sliding, window=3), dropout=0.2)
    calls, local = [], hosted.local_attention
    monkeypatch.setattr(
        hosted, "local_attention", lambda *a, **k: calls.append(1) or local(*a, **k)
    )
    layer.eval(), plain.eval()
    torch.testing.assert_close(layer(x, mask=mask), plain(x, mask=mask))
    assert bool(calls) == banded
    calls.clear()
    torch.testing.assert_close(layer(x, mask=mask, return_weights=True)[0], plain(x, mask=mask))
    layer.train()(x, mask=mask)  # dropout
    if mask is None or (isinstance(mask, type(causal)) and "padding" not in repr(mask)):
        layer.eval()(x[:, :5], mask=mask)  # short
    assert not calls


def test_attend_sliding_with_a_cache():
    layer, plain, x = pair(partial(attend_sliding, window=3))
    for cache in (KVCache(), KVCache(window=3)):
        parts = [layer(part, mask=causal & window(3), cache=cache) for part in x.split([7, 2], 1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), plain(x, mask=causal & window(3)))


q = torch.zeros(2, 2, 4, 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: attend_local(q, q, q, window=2, dropout=0.5), "dropout: attend_local cannot"),
        (lambda: attend_local(q, q, q, window=2, return_weights=True), "return_weights: .*fused"),
        (lambda: attend_local(q, q, q, window=2, bias=torch.zeros(4, 4)), "bias: attend_local"),
        (lambda: attend_local(q, q, q, window=2, mask=chunks(2)), r"mask: .*got chunks\(2\)"),
        (lambda: attend_local(q, q, q, window=2, mask=window(1)), r"mask: .*got window\(1\)"),
        (lambda: attend_local(q, q, q, window=2, mask=full), "mask: .*got full"),
        (
            lambda: attend_local(q, q, q, window=2, causal=False, mask=causal),
            "causal=False, n_global=0 imply, got causal",
        ),
        (
            lambda: attend_local(q, q, q, window=2, n_global=1, mask=window(2)),
            r"n_global=1 imply, got window\(2\)",
        ),
        (lambda: attend_local(q, q, q, window=2, mask=torch.ones(4, 4).bool()), "tensor of shape"),
        (lambda: attend_local(q[:, :, :1], q, q, window=2), "k: expected one key for each"),
        (lambda: attend_online(q, q, q, dropout=0.5), "dropout: attend_online cannot"),
        (lambda: attend_online(q, q, q, bias=torch.zeros(4, 4)), "bias: attend_online"),
        (lambda: attend_online(q, q, q, return_weights=True), "return_weights: attend_online"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
