"""MultiHeadAttention against loops in float64 and against torch.nn.MultiheadAttention."""

from __future__ import annotations

import copy
import io
import pickle
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from attn_lib import (
    KVCache,
    MultiHeadAttention,
    attend_alibi,
    attention,
    causal,
    from_torch,
    full,
    padding,
    rotary,
    to_torch,
    window,
)
from tests.oracle_modules import heads_loops, rotate_loops


@pytest.mark.quick
@given(
    b=st.integers(1, 2), n=st.integers(1, 4), m=st.integers(1, 5), kv_heads=st.integers(1, 3),
    group=st.integers(1, 3), head_dim=st.integers(1, 4), dim=st.integers(1, 7),
    context_dim=st.integers(1, 6), bias=st.booleans(), cross=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_equals_loops(
    b, n, m, kv_heads, group, head_dim, dim, context_dim, bias, cross, seed
):  # fmt: skip
    torch.manual_seed(seed)
    h = kv_heads * group
    layer = MultiHeadAttention(
        dim, h, kv_heads=kv_heads, head_dim=head_dim, bias=bias,
        context_dim=context_dim if cross else None,
    ).double()  # fmt: skip
    x = torch.randn(b, n, dim, dtype=torch.float64)
    context = torch.randn(b, m, context_dim, dtype=torch.float64) if cross else None
    allowed = torch.rand(b, h, n, m if cross else n) < 0.7  # some rows see nothing
    out, weights = layer(x, context, mask=allowed, return_weights=True)
    expected, maps = heads_loops(layer, x, x if context is None else context, allowed)
    torch.testing.assert_close(out, expected, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(weights, maps, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(layer(x, context, mask=allowed), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.quick
@pytest.mark.parametrize("pairing", ["interleaved", "half"])
def test_rotary_turns_queries_and_keys(pairing):
    turn = partial(rotary, base=50.0, pairing=pairing)
    layer = MultiHeadAttention(7, 4, kv_heads=2, head_dim=6, rotary=turn).double()
    x = torch.randn(2, 5, 7, dtype=torch.float64)
    allowed = causal.dense(5).expand(2, 4, 5, 5)
    expected, _ = heads_loops(
        layer, x, x, allowed,
        turn=lambda row, at: rotate_loops(row[None], [at], 50.0, pairing)[0],
    )  # fmt: skip
    torch.testing.assert_close(layer(x, mask=causal), expected)


@pytest.mark.quick
@given(
    heads=st.integers(1, 4), head_dim=st.integers(1, 4), bias=st.booleans(), n=st.integers(1, 5),
    context_dim=st.none() | st.integers(1, 9), m=st.integers(1, 6), first=st.booleans(),
)  # fmt: skip
def test_same_output_as_torch_both_ways(heads, head_dim, bias, n, context_dim, m, first):
    dim = heads * head_dim
    theirs = nn.MultiheadAttention(
        dim, heads, bias=bias, kdim=context_dim, vdim=context_dim, batch_first=first
    ).eval()
    if bias:
        nn.init.normal_(theirs.in_proj_bias)
        nn.init.normal_(theirs.out_proj.bias)
    ours = from_torch(theirs)
    x = torch.randn(3, n, dim)
    context = torch.randn(3, m, context_dim or dim)
    keep = torch.rand(3, m) < 0.7
    keep[:, 0] = True
    hidden = torch.rand(n, m) < 0.3
    hidden[:, 0] = False
    mask = padding(keep) & full
    allowed = mask.dense(n, m, batch=3) & ~hidden

    def run_theirs(module, order):
        q, k = (x, context) if order else (x.transpose(0, 1), context.transpose(0, 1))
        out, weights = module(
            q, k, k, key_padding_mask=~keep, attn_mask=hidden, average_attn_weights=False
        )
        return out if order else out.transpose(0, 1), weights

    with torch.no_grad():
        expected, maps = run_theirs(theirs, first)
        out, weights = ours(x, context, mask=allowed, return_weights=True)
        torch.testing.assert_close(out, expected)
        torch.testing.assert_close(weights, maps)
        back, _ = run_theirs(to_torch(ours), True)
        torch.testing.assert_close(back, expected)
    for name, weight in to_torch(ours).state_dict().items():
        assert torch.equal(weight, theirs.state_dict()[name])


@pytest.mark.quick
def test_gradients_equal_torch():
    theirs = nn.MultiheadAttention(12, 3, bias=True, batch_first=True)
    ours = from_torch(theirs)
    x = torch.randn(2, 5, 12)
    theirs(x, x, x)[0].square().sum().backward()
    ours(x).square().sum().backward()
    grads = torch.cat([ours.q_proj.weight.grad, ours.k_proj.weight.grad, ours.v_proj.weight.grad])
    torch.testing.assert_close(grads, theirs.in_proj_weight.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.o_proj.weight.grad, theirs.out_proj.weight.grad)
    torch.testing.assert_close(ours.o_proj.bias.grad, theirs.out_proj.bias.grad)


@pytest.mark.quick
@given(kv_heads=st.integers(1, 3), group=st.integers(1, 3), bias=st.booleans())
def test_grouped_heads_are_repeated_weights(kv_heads, group, bias):
    ours = MultiHeadAttention(kv_heads * group * 2, kv_heads * group, kv_heads=kv_heads, bias=bias)
    theirs = to_torch(ours.eval())
    x = torch.randn(2, 4, ours.dim)
    torch.testing.assert_close(theirs(x, x, x)[0], ours(x))
    torch.testing.assert_close(from_torch(theirs)(x), ours(x))


@pytest.mark.quick
def test_conversion_keeps_mode_dropout_type_and_copies():
    theirs = nn.MultiheadAttention(4, 2, dropout=0.25, dtype=torch.float64)
    ours = from_torch(theirs)
    assert ours.training and ours.dropout == 0.25 and ours.q_proj.weight.dtype == torch.float64
    assert not from_torch(theirs.eval()).training and not to_torch(ours.eval()).training
    back = to_torch(ours.train())
    assert back.training and back.dropout == 0.25 and back.batch_first
    with torch.no_grad():
        ours.q_proj.weight.zero_()
    assert theirs.in_proj_weight.abs().min() > 0 and back.in_proj_weight.abs().min() > 0


# behaviour


@pytest.mark.quick
def test_no_token_sees_ahead():
    layer = MultiHeadAttention(8, 2, rotary=rotary).double()
    x = torch.randn(1, 6, 8, dtype=torch.float64)
    before = layer(x, mask=causal)
    for t in range(6):
        changed = x.clone()
        changed[:, t] += 1.0
        moved = (layer(changed, mask=causal) - before).abs().amax(dim=-1)[0] > 1e-9
        assert moved.tolist() == [False] * t + [True] * (6 - t)


@pytest.mark.quick
@given(seed=st.integers(0, 50))
def test_permutation_of_the_tokens_permutes_the_output(seed):
    torch.manual_seed(seed)
    layer = MultiHeadAttention(6, 3, kv_heads=1)
    x, order = torch.randn(2, 5, 6), torch.randperm(5)
    torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order])
    torch.testing.assert_close(layer(x, x[:, order]), layer(x))


@pytest.mark.quick
def test_dropout_only_in_training():
    layer = MultiHeadAttention(8, 2, dropout=0.5)
    x = torch.randn(2, 6, 8)
    assert not torch.equal(layer(x), layer(x))
    _, weights = layer(x, return_weights=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 6))  # before dropout
    layer.eval()
    assert torch.equal(layer(x), layer(x))
    torch.testing.assert_close(layer(x), layer(x, return_weights=True)[0])


@pytest.mark.quick
def test_inputs_stay_and_nothing_is_stored():
    layer = MultiHeadAttention(8, 2, rotary=rotary)
    x = torch.randn(2, 6, 8)
    before, attributes = x.clone(), dict(layer.__dict__)
    layer(x, mask=causal, return_weights=True)
    assert torch.equal(x, before) and layer.__dict__ == attributes


@pytest.mark.quick
@pytest.mark.parametrize("n", [1, 4])
def test_cross_attention_with_a_cache_projects_the_context_once(n):
    layer = MultiHeadAttention(6, 2, context_dim=5, bias=True)
    x, context, cache = torch.randn(2, 4, 6), torch.randn(2, 7, 5), KVCache()
    keep = torch.tensor([[True] * 5 + [False] * 2, [True] * 7])
    expected = layer(x, context, mask=padding(keep))
    calls = []
    layer.k_proj.register_forward_hook(lambda *_: calls.append(1))
    parts = [
        layer(x[:, i : i + n], context, mask=padding(keep), cache=cache) for i in range(0, 4, n)
    ]
    torch.testing.assert_close(torch.cat(parts, dim=1), expected)
    assert len(calls) == 1


@pytest.mark.quick
def test_attend_gets_exactly_the_contract():
    seen = {}

    def attend(q, k, v, **rest):
        seen.update(rest, q=q.shape, k=k.shape, v=v.shape)
        return attention(q, k, v, mask=rest["mask"], return_weights=rest["return_weights"])

    layer = MultiHeadAttention(6, 4, kv_heads=2, head_dim=5, dropout=0.25, attend=attend)
    layer(torch.randn(2, 3, 6), mask=causal, return_weights=True)
    assert seen == {
        "q": (2, 4, 3, 5), "k": (2, 2, 3, 5), "v": (2, 2, 3, 5), "mask": causal, "bias": None,
        "dropout": 0.25, "return_weights": True,
    }  # fmt: skip
    layer.eval()(torch.randn(2, 3, 6))
    assert seen["dropout"] == 0.0 and seen["mask"] is None and seen["return_weights"] is False


@pytest.mark.quick
def test_n_of_zero():
    layer = MultiHeadAttention(8, 2, rotary=rotary)
    assert layer(torch.zeros(2, 0, 8), mask=causal).shape == (2, 0, 8)


# tools


@pytest.mark.quick
def test_state_dict_keys_are_stable():
    """Saved weights of users depend on these names: a change here is a breaking release."""
    names = ["q_proj", "k_proj", "v_proj", "o_proj"]
    plain = MultiHeadAttention(4, 2, rotary=rotary)
    plain(torch.zeros(1, 3, 4))
    assert list(plain.state_dict()) == [f"{name}.weight" for name in names]
    biased = MultiHeadAttention(4, 2, bias=True, context_dim=3)
    expected = [f"{name}.{part}" for name in names for part in ("weight", "bias")]
    assert list(biased.state_dict()) == expected
    shapes = [tuple(w.shape) for w in MultiHeadAttention(4, 6, kv_heads=3, head_dim=5).parameters()]
    assert shapes == [(30, 4), (15, 4), (15, 4), (4, 30)]


@pytest.mark.quick
@pytest.mark.parametrize("attend", [attend_alibi, attention])
def test_pickle_copy_and_save(attend):
    layer = MultiHeadAttention(8, 2, rotary=partial(rotary, pairing="half"), attend=attend)
    x = torch.randn(2, 3, 8)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    again = [
        pickle.loads(pickle.dumps(layer)),
        copy.deepcopy(layer),
        torch.load(file, weights_only=False),
    ]
    for other in again:
        torch.testing.assert_close(other(x, mask=causal), layer(x, mask=causal))


def test_compile_in_one_graph():
    layer = MultiHeadAttention(8, 4, kv_heads=2, rotary=rotary)
    x, mask = torch.randn(2, 5, 8), causal & window(3)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x, mask=mask), layer(x, mask=mask))


@pytest.mark.quick
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    layer = MultiHeadAttention(16, 4, kv_heads=2, rotary=rotary)
    x = torch.randn(2, 6, 16, requires_grad=True)
    expected = layer(x, mask=causal)
    cache = KVCache()
    with torch.autocast("cpu", dtype=dtype):
        out = layer(x, mask=causal)
        parts = [layer(x[:, i : i + 2], mask=causal, cache=cache) for i in range(0, 6, 2)]
    assert out.dtype == dtype and cache.keys.dtype == dtype
    for other in (out, torch.cat(parts, dim=1)):
        torch.testing.assert_close(other.float(), expected, rtol=0.05, atol=0.02)
    out.float().sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.quick
def test_repr():
    assert "dim=8, heads=4, kv_heads=2, head_dim=2" in repr(MultiHeadAttention(8, 4, kv_heads=2))


# errors

x = torch.zeros(2, 3, 8)
layer = MultiHeadAttention(8, 2)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: MultiHeadAttention(0, 2), ValueError, "dim: expected at least 1"),
        (lambda: MultiHeadAttention(8, 2.0), TypeError, "heads: expected a whole number"),
        (lambda: MultiHeadAttention(8, 3), ValueError, "heads: expected a divisor of dim = 8"),
        (lambda: MultiHeadAttention(8, 4, kv_heads=3), ValueError, "kv_heads: .* got 3"),
        (lambda: MultiHeadAttention(8, 4, kv_heads=0), ValueError, "kv_heads: expected at least 1"),
        (lambda: MultiHeadAttention(8, 4, head_dim=0), ValueError, "head_dim: expected at least"),
        (lambda: MultiHeadAttention(8, 4, context_dim=0), ValueError, "context_dim: expected"),
        (lambda: MultiHeadAttention(8, 4, dropout=1.0), ValueError, "dropout: .* got 1.0"),
        (lambda: MultiHeadAttention(8, 4, attend="flash"), TypeError, "attend: .* got 'flash'"),
        (lambda: MultiHeadAttention(8, 4, rotary=True), TypeError, "rotary: .* got True"),
        (lambda: MultiHeadAttention(6, 2, rotary=rotary), ValueError, "head_dim: .*even.* got 3"),
        (lambda: layer(x[0]), ValueError, r"x: expected \(b, tokens, 8\), .*unsqueeze"),
        (lambda: layer(x[..., :5]), ValueError, r"x: .* got \(2, 3, 5\)"),
        (lambda: layer(x, x[..., :5]), ValueError, r"context: .* got \(2, 3, 5\)"),
        (lambda: layer(x, x[:1]), ValueError, "context: expected the batch of x, 2, got 1"),
        (lambda: layer([1.0]), TypeError, "x: expected a torch tensor, got list"),
        (lambda: MultiHeadAttention(8, 2, context_dim=8)(x, mask=causal.dense(3).int()),
         TypeError, "mask: expected bool"),
        (lambda: MultiHeadAttention(8, 2, context_dim=5)(x), ValueError, "context: .* got None"),
        (lambda: MultiHeadAttention(8, 2, rotary=rotary)(x, x), ValueError, "without rotary"),
        (lambda: layer(x, x, cache=KVCache(2)), ValueError, "cache: expected one without a window"),
        (lambda: layer(x, cache={}), TypeError, "cache: expected a KVCache, got dict"),
        (lambda: stale_cache(), ValueError, "cache: .*reset"),
        (lambda: layer(x, x[:, :2], mask=causal), ValueError, r"mask.shift\(0\)"),
        (lambda: from_torch(nn.MultiheadAttention(8, 2, kdim=3)), ValueError, "kdim == vdim"),
        (lambda: from_torch(nn.MultiheadAttention(8, 2, add_bias_kv=True)), ValueError, "bias_kv"),
        (lambda: from_torch(nn.MultiheadAttention(8, 2, add_zero_attn=True)), ValueError, "zero_"),
        (lambda: to_torch(MultiHeadAttention(8, 2, rotary=rotary)), ValueError, "rotary=None"),
        (lambda: to_torch(MultiHeadAttention(8, 2, attend=attend_alibi)), ValueError, "attend="),
        (lambda: to_torch(MultiHeadAttention(8, 2, head_dim=3)), ValueError, r"2 \* 3 and dim = 8"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_remedy(call, error, words):
    with pytest.raises(error, match=words):
        call()


def stale_cache():
    cache = KVCache()
    layer(x, x, cache=cache)
    layer(x, x[:, :2], cache=cache)
