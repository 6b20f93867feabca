"""attention and fused_attention: plain loops, PyTorch's own kernel, and behaviour."""

import inspect
import math
import sys
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel

from attn_lib import (
    attention,
    causal,
    full,
    fused_attention,
    local_attention,
    online_attention,
    padding,
    per_head,
    window,
)
from tests import oracle
from tests.oracle import numbers, qkv

FORMS = pytest.mark.parametrize("form", [attention, fused_attention])
ALL = [
    attention,
    fused_attention,
    partial(online_attention, block=4),
    partial(local_attention, window=3, causal=False, n_global=1),
]


def holes(b, h, n, m, seed=0):
    """A mask with empty rows in it."""
    seen = numbers(b, h, n, m, seed=seed) > 0
    seen[:, :, n // 2] = False
    return seen


@pytest.mark.quick
@FORMS
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("sunk", [False, True])
def test_equals_the_definition_in_plain_loops(form, masked, biased, sunk):
    q, k, v = qkv(2, 4, 3, 5, m=6, h_kv=2, d_v=2)
    seen = holes(2, 4, 3, 6) if masked else None
    bias = numbers(2, 4, 3, 6, seed=9) if biased else None
    sink = numbers(4, seed=3) if sunk else None
    sees = (lambda b, h, i, j: seen[b, h, i, j]) if masked else None
    want = oracle.attend(q, k, v, sees, bias=bias, sink=sink)
    got = form(q, k, v, mask=seen, bias=bias, sink=sink, return_weights=True, return_lse=True)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(form(q, k, v, mask=seen, bias=bias, sink=sink), want[0])


@given(
    b=st.integers(1, 3), h_kv=st.integers(1, 2), r=st.integers(1, 3), n=st.integers(1, 9),
    m=st.integers(1, 9), d=st.integers(1, 6), d_v=st.integers(1, 6), masked=st.booleans(),
    biased=st.booleans(),
)  # fmt: skip
@settings(max_examples=60)
def test_equals_the_kernel_in_value_and_gradient(b, h_kv, r, n, m, d, d_v, masked, biased):
    h = h_kv * r
    q, k, v = qkv(b, h, n, d, m=m, h_kv=h_kv, d_v=d_v, grad=True)
    seen = holes(b, h, n, m) if masked else None
    bias = numbers(h, n, m, seed=4, grad=True) if biased else None
    added = bias.masked_fill(~seen, -math.inf) if masked and biased else seen if masked else bias
    keys, values = k.repeat_interleave(r, 1), v.repeat_interleave(r, 1)
    with sdpa_kernel(SDPBackend.MATH):
        want = F.scaled_dot_product_attention(q, keys, values, attn_mask=added)
    up = numbers(*want.shape, seed=8)
    inputs = (q, k, v, bias) if biased else (q, k, v)
    right = torch.autograd.grad(want, inputs, up)
    for form in (attention, fused_attention):
        got = form(q, k, v, mask=seen, bias=bias)
        torch.testing.assert_close(got, want)
        for a, c in zip(torch.autograd.grad(got, inputs, up), right, strict=True):
            torch.testing.assert_close(a, c)


@pytest.mark.quick
@FORMS
def test_float32_equals_the_kernel(form):
    q, k, v = qkv(2, 3, 65, 16, dtype=torch.float32)
    want = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(form(q, k, v, mask=causal), want)


@FORMS
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_err_at_most_twice_as_much_as_the_naive_form(form, dtype):
    q, k, v = qkv(2, 2, 40, 32, m=50, dtype=dtype)
    seen = causal.shift(10).dense(40, 50)
    exact, weights, lse = attention(
        q.double(), k.double(), v.double(), mask=seen, return_weights=True, return_lse=True
    )
    error = (oracle.naive(q, k, v, seen).double() - exact).abs().max()
    bias = torch.zeros(40, 50, dtype=dtype)
    for options in ({}, {"bias": bias}):
        got = form(q, k, v, mask=seen, **options)
        assert got.dtype == dtype and (got.double() - exact).abs().max() <= 2 * error
    _, mine, mine_lse = form(q, k, v, mask=seen, return_weights=True, return_lse=True)
    assert mine.dtype == dtype and mine_lse.dtype == torch.float32
    torch.testing.assert_close(mine.double(), weights, atol=4e-3, rtol=1e-2)
    torch.testing.assert_close(mine_lse, lse.float())


@pytest.mark.quick
@FORMS
def test_gradcheck(form):
    q, k, v = qkv(1, 2, 3, 2, m=4, h_kv=1, grad=True)
    seen = holes(1, 2, 3, 4)
    assert torch.autograd.gradcheck(partial(form, mask=seen), (q, k, v), fast_mode=True)
    sink = numbers(2, grad=True)

    def sunk(q, k, v, sink):
        return form(q, k, v, mask=seen, sink=sink, return_weights=True)

    assert torch.autograd.gradcheck(sunk, (q, k, v, sink), fast_mode=True)


@pytest.mark.quick
@FORMS
def test_integers_worked_by_hand(form):
    q = torch.tensor([[[[0.0, 0.0], [math.log(3), 0.0]]]])
    k = torch.tensor([[[[1.0, 5.0], [0.0, 7.0]]]])
    v = torch.tensor([[[[8.0, 0.0], [0.0, 4.0]]]])
    # scores: row 0 is (0, 0), row 1 is (log 3, 0): weights (1/2, 1/2) and (3/4, 1/4)
    want = torch.tensor([[[[4.0, 2.0], [6.0, 1.0]]]])
    torch.testing.assert_close(form(q, k, v, scale=1.0), want)
    torch.testing.assert_close(form(q, k, v, scale=1.0, mask=causal)[0, 0, 0], v[0, 0, 0])


@pytest.mark.quick
@FORMS
def test_a_query_that_sees_nothing_gives_zeros_and_finite_gradients(form):
    for dtype in (torch.float32, torch.bfloat16):
        q, k, v = qkv(1, 2, 3, 4, m=5, dtype=dtype, grad=True)
        seen = torch.ones(3, 5, dtype=torch.bool)
        seen[1] = False
        bias = torch.where(seen, 0.0, -math.inf).to(dtype)
        for options in ({"mask": seen}, {"bias": bias}, {"mask": seen, "bias": bias}):
            out, weights, lse = form(q, k, v, return_weights=True, return_lse=True, **options)
            assert (out[:, :, 1] == 0).all() and (weights[:, :, 1] == 0).all()
            assert (lse[:, :, 1] == -math.inf).all() and torch.isfinite(lse[:, :, [0, 2]]).all()
            plain = form(q, k, v, **options)
            assert (plain[:, :, 1] == 0).all()
            for result in (out, weights, lse, plain):
                grads = torch.autograd.grad(
                    result.sum(), (q, k, v), retain_graph=True, allow_unused=True
                )
                assert all(g is None or torch.isfinite(g).all() for g in grads)
    none = torch.zeros(3, 5, dtype=torch.bool)
    sink = torch.zeros(2, dtype=dtype)
    assert (form(q, k, v, mask=none, sink=sink) == 0).all()


@pytest.mark.quick
@FORMS
def test_no_keys_and_no_queries(form):
    q, k, v = qkv(1, 2, 3, 4)
    out, weights, lse = form(q, k[:, :, :0], v[:, :, :0], return_weights=True, return_lse=True)
    assert (out == 0).all() and weights.shape == (1, 2, 3, 0) and (lse == -math.inf).all()
    assert form(q[:, :, :0], k, v, mask=causal.shift(0)).shape == (1, 2, 0, 4)


@pytest.mark.quick
@pytest.mark.parametrize("form", ALL[:3])
def test_causality_by_perturbation(form):
    q, k, v = qkv(1, 2, 7, 4)
    before = form(q, k, v, mask=causal)
    for j in range(7):
        k2, v2 = k.clone(), v.clone()
        k2[:, :, j] += 1
        v2[:, :, j] += 1
        moved = (form(q, k2, v2, mask=causal) != before).any(-1)[0].any(0)
        assert moved.tolist() == [i >= j for i in range(7)]


@pytest.mark.quick
@pytest.mark.parametrize("form", ALL[:3])
def test_blind_to_the_order_of_keys_and_equivariant_in_the_order_of_queries(form):
    q, k, v = qkv(2, 2, 5, 4, m=7)
    out = form(q, k, v)
    keys, queries = torch.randperm(7), torch.randperm(5)
    torch.testing.assert_close(form(q, k[:, :, keys], v[:, :, keys]), out)
    torch.testing.assert_close(form(q[:, :, queries], k, v), out[:, :, queries])


@pytest.mark.parametrize("form", ALL)
@given(n=st.integers(1, 12), d=st.integers(1, 4), seed=st.integers(0, 50))
@settings(max_examples=15)
def test_results_lie_in_the_convex_hull_of_the_values(form, n, d, seed):
    q, k, v = (numbers(1, 2, n, d, seed=seed + i) * 3 for i in range(3))
    out = form(q, k, v)
    assert (out <= v.amax(2, keepdim=True) + 1e-12).all()
    assert (out >= v.amin(2, keepdim=True) - 1e-12).all()
    weights = attention(q, k, v, return_weights=True)[1]
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, n, dtype=torch.float64))


@pytest.mark.quick
@pytest.mark.parametrize("form", ALL)
def test_grouped_heads_equal_repeated_keys(form):
    q, k, v = qkv(2, 6, 5, 4, h_kv=2)
    again = form(q, k.repeat_interleave(3, 1), v.repeat_interleave(3, 1))
    torch.testing.assert_close(form(q, k, v), again)
    assert not torch.allclose(form(q, k, v), form(q, k.repeat(1, 3, 1, 1), v.repeat(1, 3, 1, 1)))


@pytest.mark.quick
@FORMS
def test_a_sink_is_a_gate_on_the_plain_result(form):
    q, k, v = qkv(2, 3, 4, 5, m=6)
    sink = numbers(3) * 2
    plain, lse = form(q, k, v, return_lse=True)
    gate = torch.sigmoid(lse - sink.view(3, 1))[..., None]
    got, weights, same_lse = form(q, k, v, sink=sink, return_weights=True, return_lse=True)
    torch.testing.assert_close(got, plain * gate)
    torch.testing.assert_close(weights.sum(-1), gate[..., 0])
    torch.testing.assert_close(same_lse, lse)


@pytest.mark.quick
@FORMS
def test_order_is_scale_bias_mask(form):
    q, k, v = qkv(1, 1, 3, 4)
    bias = numbers(3, 3) * 3
    scores = q @ k.mT * 0.3 + bias
    want = torch.softmax(scores.masked_fill(~causal.dense(3), -math.inf), -1) @ v
    torch.testing.assert_close(form(q, k, v, scale=0.3, bias=bias, mask=causal), want)


@pytest.mark.quick
@FORMS
def test_bias_of_another_type(form):
    q, k, v = qkv(1, 2, 3, 4, dtype=torch.float32)
    bias = numbers(3, 3)
    got = form(q, k, v, bias=bias)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, form(q, k, v, bias=bias.float()))
    half = [t.bfloat16() for t in (q, k, v)]
    assert form(*half, bias=bias.float()).dtype == torch.bfloat16


@pytest.mark.quick
@FORMS
@pytest.mark.parametrize("lead", [(), (3,), (2, 1, 3)])
def test_any_number_of_leading_sizes(form, lead):
    q, k, v = (numbers(*lead, n, 4, seed=n) for n in (5, 7, 7))
    seen, bias = numbers(*lead, 5, 7, seed=2) > 0, numbers(*lead, 1, 7, seed=3)
    four = [t.reshape(-1, 1, *t.shape[-2:]) for t in (q, k, v, seen, bias)]
    want = attention(*four[:3], mask=four[3], bias=four[4]).reshape(*lead, 5, 4)
    torch.testing.assert_close(form(q, k, v, mask=seen, bias=bias), want)
    rule = causal.shift(2)
    torch.testing.assert_close(form(q, k, v, mask=rule), form(q, k, v, mask=rule.dense(5, 7)[0, 0]))
    if lead == (3,):
        keep = numbers(3, 7, seed=6) > 0
        want = form(q, k, v, mask=keep[:, None, :])
        torch.testing.assert_close(form(q, k, v, mask=padding(keep)), want)


@pytest.mark.quick
@FORMS
def test_masks_for_examples_and_heads(form):
    q, k, v = qkv(2, 2, 4, 3)
    keep = torch.tensor([[True, True, False, True], [False, True, True, True]])
    mask = per_head([causal, window(2)]) & padding(keep)
    out = form(q, k, v, mask=mask)
    for b in range(2):
        for h, rule in enumerate([causal, window(2)]):
            alone = form(q[b, h], k[b, h], v[b, h], mask=rule.dense(4)[0, 0] & keep[b])
            torch.testing.assert_close(out[b, h], alone)


@pytest.mark.quick
@FORMS
def test_dropout_scales_what_it_keeps_and_leaves_the_weights(form):
    torch.manual_seed(0)
    q, k, _ = qkv(1, 1, 200, 4, dtype=torch.float32)
    v = torch.eye(200).view(1, 1, 200, 200)  # the result shows the weights
    out, weights = form(q, k, v, dropout=0.25, return_weights=True)
    plain, same = form(q, k, v, return_weights=True)
    torch.testing.assert_close(weights, same)
    torch.testing.assert_close(plain, same)
    for got in (out, form(q, k, v, dropout=0.25)):
        kept = got != 0
        assert 0.74 < kept.float().mean() < 0.76  # 40,000 draws: over four standard deviations
        torch.testing.assert_close(got[kept], (same / 0.75)[kept])


@pytest.mark.quick
@FORMS
def test_results_come_in_the_order_out_weights_lse(form):
    q, k, v = qkv(1, 2, 3, 4, m=5, d_v=6)
    assert form(q, k, v).shape == (1, 2, 3, 6)
    assert [t.shape[-1] for t in form(q, k, v, return_weights=True)] == [6, 5]
    assert [t.shape[-1] for t in form(q, k, v, return_lse=True)] == [6, 3]
    assert len(form(q, k, v, return_weights=True, return_lse=True)) == 3


@pytest.mark.quick
@FORMS
def test_inputs_unchanged_and_repeatable(form):
    q, k, v = qkv(1, 2, 5, 4)
    seen, bias = holes(1, 2, 5, 5), numbers(5, 5)
    copies = [t.clone() for t in (q, k, v, seen, bias)]
    first, second = (form(q, k, v, mask=seen, bias=bias) for _ in range(2))
    assert torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip((q, k, v, seen, bias), copies, strict=True))


@FORMS
def test_under_autocast(form):
    q, k, v = qkv(1, 2, 20, 16, dtype=torch.float32, grad=True)
    want = attention(q, k, v, mask=causal)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = form(q, k, v, mask=causal)
    torch.testing.assert_close(got.float(), want, atol=2e-2, rtol=2e-2)
    got.float().sum().backward()
    assert torch.isfinite(q.grad).all()


@pytest.fixture
def kernel(monkeypatch):
    """What fused_attention hands to PyTorch's kernel."""
    calls = []

    def record(*tensors, real=F.scaled_dot_product_attention, **options):
        calls.append({"q": tensors[0], **options})
        return real(*tensors, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", record)
    return calls


@pytest.mark.quick
def test_fused_takes_the_causal_path_of_the_kernel(kernel):
    q, k, v = qkv(1, 2, 4, 3)
    fused_attention(q, k, v, mask=causal)
    fused_attention(q, k[:, :, :2], v[:, :, :2], mask=causal.shift(0))
    assert [(c["is_causal"], c["attn_mask"]) for c in kernel] == [(True, None)] * 2
    fused_attention(q, k, v, mask=causal, bias=numbers(4, 4))
    fused_attention(q, k, v, mask=causal & full)
    fused_attention(q, k, v, mask=window(2))
    assert not any(c["is_causal"] for c in kernel[2:])
    assert all(c["attn_mask"] is not None for c in kernel[2:])
    with pytest.raises(ValueError, match="needs the positions"):
        fused_attention(q, k[:, :, :2], v[:, :, :2], mask=causal)


@pytest.mark.quick
def test_fused_gives_the_kernel_four_dimensions_and_shares_heads_only_where_they_differ(kernel):
    q, k, v = qkv(2, 4, 5, 3, h_kv=2)
    fused_attention(q, k, v)
    fused_attention(q, q, q)
    fused_attention(q[0], q[0], q[0], dropout=0.5)
    assert [c["enable_gqa"] for c in kernel] == [True, False, False]
    assert [c["q"].ndim for c in kernel] == [4, 4, 4]
    assert [c["dropout_p"] for c in kernel] == [0.0, 0.0, 0.5]


@pytest.mark.quick
def test_fused_hands_over_what_the_kernel_lacks(kernel):
    q, k, v = qkv(1, 2, 3, 4)
    fused_attention(q, k, v, return_weights=True)
    fused_attention(q, k, v, return_lse=True)
    fused_attention(q, k, v, sink=numbers(2))
    assert not kernel


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", [attention, fused_attention, online_attention, local_attention])
def test_torch_compile_with_the_eager_backend(form):
    q, k, v = qkv(1, 2, 40, 8, dtype=torch.float32)
    options = {"window": 5, "n_global": 1} if form is local_attention else {"mask": causal}
    compiled = torch.compile(partial(form, **options), backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(q, k, v), form(q, k, v, **options))


@pytest.mark.quick
def test_docstrings_say_where_they_run():
    text = sys.modules["attn_lib.attention"].__doc__
    assert all(word in text for word in ("CPU", "CUDA", "MPS", "arXiv"))
    assert "Raises" in inspect.getdoc(attention)
