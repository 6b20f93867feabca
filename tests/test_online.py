# ruff: noqa: E501 (tables of messages, one case in a line)
"""online_attention and merge: exact in value and gradient, block by block, and joined by lse."""

import inspect
import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attn_lib.online as online_file
from attn_lib import (
    attention,
    causal,
    documents,
    full,
    merge,
    online_attention,
    padding,
    per_head,
    random_blocks,
    window,
)
from tests import oracle
from tests.oracle import numbers, qkv


def some_masks(b, h, n, m, seed):
    """Masks of every kind of shape: rules and tensors, with and without a part for each head."""
    generator = torch.Generator().manual_seed(seed)

    def coin(*shape):
        return torch.rand(*shape, generator=generator) < 0.4

    return [
        None,
        full,
        causal.shift(m - n),
        causal.shift(-2) & window(3).shift(1),
        padding(coin(b, m)),
        padding(coin(b, m)) & causal.shift(3),
        per_head([full] * (h - 1) + [~causal.shift(0)]),
        random_blocks(3, 0.5).shift(0),
        coin(n, m),
        coin(b, 1, 1, m),
        coin(1, h, n, m),
        coin(b, 1, n, 1),
        coin(1, 1, 1, 1),
    ]


KINDS = len(some_masks(1, 1, 1, 1, 0))


def compare(q, k, v, mask, **options):
    """Value, lse and gradients of online_attention against attention, where lse is finite."""
    results = []
    for call in (partial(online_attention, **options), attention):
        out, lse = call(q, k, v, mask=mask, return_lse=True)
        used = lse != -math.inf
        up, up_lse = numbers(*out.shape, seed=5), numbers(*lse.shape, seed=6)
        total = (out * up).sum() + (lse * up_lse)[used].sum()
        results.append((out, lse, *torch.autograd.grad(total, (q, k, v))))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs)
        assert not mine.isnan().any()


@pytest.mark.quick
@pytest.mark.parametrize("block", [1, 3, 256])
def test_equals_the_definition_in_plain_loops(block):
    q, k, v = qkv(2, 4, 5, 3, m=7, h_kv=2, d_v=2)

    def sees(b, h, i, j):
        return i + 2 >= j and i != 3

    mask = oracle.table(sees, 5, 7)
    want, _, want_lse = oracle.attend(q, k, v, sees)
    out, lse = online_attention(q, k, v, mask=mask, block=block, return_lse=True)
    torch.testing.assert_close(out, want)
    torch.testing.assert_close(lse, want_lse)
    assert (out[:, :, 3] == 0).all() and (lse[:, :, 3] == -math.inf).all()


@given(
    b=st.integers(1, 3), h_kv=st.integers(1, 2), r=st.integers(1, 3), n=st.integers(1, 20),
    m=st.integers(1, 20), d=st.integers(1, 5), d_v=st.integers(1, 5), block=st.integers(1, 22),
    kind=st.integers(0, KINDS - 1), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=100)
def test_equals_dense_in_value_lse_and_gradient(b, h_kv, r, n, m, d, d_v, block, kind, seed):
    q, k, v = qkv(b, h_kv * r, n, d, m=m, h_kv=h_kv, d_v=d_v, grad=True)
    compare(q, k, v, some_masks(b, h_kv * r, n, m, seed)[kind], block=block)


@pytest.mark.quick
@pytest.mark.parametrize("kind", range(KINDS))
def test_every_kind_of_mask(kind):
    q, k, v = qkv(2, 3, 8, 4, m=11, h_kv=1, d_v=5, grad=True)
    compare(q, k, v, some_masks(2, 3, 8, 11, seed=1)[kind], block=3)


@pytest.mark.quick
def test_float32_at_the_shipped_block():
    q, k, v = qkv(1, 2, 600, 16, dtype=torch.float32, grad=True)
    for mask in (None, causal, causal & window(40)):
        want, got = attention(q, k, v, mask=mask), online_attention(q, k, v, mask=mask)
        torch.testing.assert_close(got, want)
        up = numbers(*want.shape, dtype=torch.float32)
        mine, theirs = (torch.autograd.grad(out, (q, k, v), up) for out in (got, want))
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.quick
def test_a_block_has_256_keys_unless_asked_otherwise():
    assert inspect.signature(online_attention).parameters["block"].default == 256


@pytest.mark.quick
def test_the_default_device_changes_nothing():
    tensors = qkv(1, 2, 9, 4, grad=True)
    up = numbers(1, 2, 9, 4)

    def both():
        out = online_attention(*tensors, mask=causal, block=4)
        return out.detach(), *torch.autograd.grad(out, tensors, up)

    right = both()
    with torch.device("meta"):  # what does not follow its inputs lands nowhere
        elsewhere = both()
    for here, there in zip(right, elsewhere, strict=True):
        assert torch.equal(here, there)


@pytest.mark.quick
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_err_at_most_twice_as_much_as_the_naive_form(dtype):
    q, k, v = qkv(2, 2, 50, 16, m=70, dtype=dtype, grad=True)
    allowed = causal.shift(20).dense(50, 70)
    up = numbers(2, 2, 50, 16, dtype=dtype)
    wide = [t.detach().double().requires_grad_() for t in (q, k, v)]
    exact = attention(*wide, mask=allowed)
    got, lse = online_attention(q, k, v, mask=allowed, block=4, return_lse=True)
    plain = oracle.naive(q, k, v, allowed)
    assert got.dtype == dtype and lse.dtype == torch.float32
    results = [
        (out, *torch.autograd.grad(out, inputs, up.to(out.dtype)))
        for out, inputs in ((exact, wide), (got, (q, k, v)), (plain, (q, k, v)))
    ]
    for right, mine, naive in zip(*results, strict=True):
        assert mine.dtype == dtype
        assert (mine - right).abs().max() <= 2 * (naive - right).abs().max()


@pytest.mark.quick
def test_gradcheck_of_out_and_lse():
    q, k, v = qkv(1, 2, 4, 2, m=5, h_kv=1, d_v=3, grad=True)
    call = partial(online_attention, mask=causal.shift(1), block=2, return_lse=True)
    assert torch.autograd.gradcheck(call, (q, k, v), fast_mode=True)


@pytest.mark.quick
def test_scores_far_out_stay_finite():
    q, k, v = qkv(1, 1, 6, 4, dtype=torch.float32)
    for factor in (1e4, -1e4):
        want = attention(q * factor, k, v)
        torch.testing.assert_close(online_attention(q * factor, k, v, block=2), want)


@pytest.mark.quick
def test_scores_of_minus_infinity_count_as_hidden_keys():
    q, k, v = qkv(1, 1, 4, 2)
    q, k = q.abs(), k.abs()
    k[:, :, 1:] = -math.inf  # blocks of which part, and all, can give nothing
    for keys in (k, k[:, :, 1:]):
        values = v[:, :, : keys.shape[2]]
        got = online_attention(q, keys, values, block=2, return_lse=True)
        torch.testing.assert_close(got, attention(q, keys, values, return_lse=True))


@pytest.mark.quick
def test_empty_rows_give_zeros_and_finite_gradients():
    q, k, v = qkv(1, 2, 6, 4, grad=True)
    mask = torch.ones(6, 6, dtype=torch.bool)
    mask[[0, 3]] = False
    out, lse = online_attention(q, k, v, mask=mask, block=2, return_lse=True)
    assert (out[:, :, [0, 3]] == 0).all() and (lse[:, :, [0, 3]] == -math.inf).all()
    out.sum().backward()
    assert all(torch.isfinite(t.grad).all() for t in (q, k, v))
    assert (q.grad[:, :, [0, 3]] == 0).all()


@pytest.mark.quick
def test_no_queries_and_no_keys():
    q, k, v = qkv(1, 2, 3, 4)
    out, lse = online_attention(q, k[:, :, :0], v[:, :, :0], return_lse=True)
    assert (out == 0).all() and (lse == -math.inf).all()
    assert online_attention(q[:, :, :0], k, v, mask=full).shape == (1, 2, 0, 4)


@pytest.mark.quick
@pytest.mark.parametrize("lead", [(), (3,), (2, 1, 3)])
def test_any_number_of_leading_sizes(lead):
    q, k, v = (numbers(*lead, n, 4, seed=n) for n in (5, 7, 7))
    masks = [None, causal.shift(2), numbers(5, 7) > 0, numbers(*lead, 5, 7) > 0]
    masks += [numbers(*lead, 1, 7) > 0]
    masks += [padding(numbers(3, 7) > 0)] if lead == (3,) else []
    for mask in masks:
        want = attention(q, k, v, mask=mask, return_lse=True)
        got = online_attention(q, k, v, mask=mask, block=3, return_lse=True)
        for a, b in zip(got, want, strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.quick
def test_scale_replaces_the_root_of_d():
    q, k, v = qkv(1, 2, 5, 4)
    torch.testing.assert_close(online_attention(q, k, v, scale=3.0), online_attention(q * 6, k, v))


@pytest.mark.quick
def test_only_blocks_that_are_seen_are_computed(monkeypatch):
    met = []

    def row(rows, columns, seen, real=online_file._row):
        found = real(rows, columns, seen)
        met.append([(cols.start, part is not None) for cols, part in found])
        return found

    monkeypatch.setattr(online_file, "_row", row)
    q, k, v = qkv(1, 1, 8, 2)
    online_attention(q, k, v, mask=causal, block=2)
    assert met == [[(c, c == r) for c in range(0, r + 1, 2)] for r in (0, 2, 4, 6)]
    met.clear()
    online_attention(q, k, v, mask=causal & window(2), block=2)
    assert [[c for c, _ in row] for row in met] == [[0], [0, 2], [2, 4], [4, 6]]
    met.clear()
    online_attention(q, k, v, mask=documents([0] * 4 + [1] * 4), block=4)
    assert met == [[(0, False)], [(4, False)]]


@pytest.mark.quick
def test_a_rule_is_asked_for_one_row_of_blocks_at_a_time():
    asked = []

    def rule(b, h, q_idx, kv_idx):
        asked.append((b * 0 + h * 0 + q_idx * kv_idx).numel())
        return q_idx >= kv_idx

    q, k, v = qkv(2, 3, 40, 2, grad=True)
    mask = type(causal)(rule, name="mine")
    online_attention(q, k, v, mask=mask, block=8).sum().backward()
    assert asked == [8 * 40] * 10


@pytest.mark.quick
def test_inputs_unchanged_and_repeatable():
    q, k, v = qkv(1, 2, 9, 4, dtype=torch.float32)
    copies = [t.clone() for t in (q, k, v)]
    first, second = (online_attention(q, k, v, mask=causal, block=4) for _ in range(2))
    assert torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip((q, k, v), copies, strict=True))


def test_under_autocast():
    q, k, v = qkv(1, 2, 20, 16, dtype=torch.float32, grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = online_attention(q, k, v, mask=causal, block=8)
    torch.testing.assert_close(got.float(), attention(q, k, v, mask=causal), atol=2e-2, rtol=2e-2)
    got.float().sum().backward()
    assert torch.isfinite(q.grad).all()


# merge


@pytest.mark.quick
@pytest.mark.parametrize("cut", [0, 1, 4, 9])
def test_merge_equals_attention_over_all_keys(cut):
    q, k, v = qkv(2, 2, 5, 3, m=9, d_v=4, grad=True)
    want = attention(q, k, v, return_lse=True)
    near = attention(q, k[:, :, :cut], v[:, :, :cut], return_lse=True)
    far = online_attention(q, k[:, :, cut:], v[:, :, cut:], return_lse=True)
    up = [numbers(*t.shape, seed=3) for t in want]
    right = torch.autograd.grad(want, (q, k, v), up, retain_graph=True)
    for got in (merge(*near, *far), merge(*far, *near)):
        for a, b in zip(got, want, strict=True):
            torch.testing.assert_close(a, b)
        mine = torch.autograd.grad(got, (q, k, v), up, retain_graph=True)
        for a, b in zip(mine, right, strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.quick
def test_merge_of_sides_that_saw_nothing():
    out_a, out_b = numbers(3, 2, grad=True), numbers(3, 2, seed=1, grad=True)
    nothing = -math.inf
    lse_a = torch.tensor([nothing, 0.5, nothing], dtype=torch.float64, requires_grad=True)
    lse_b = torch.tensor([nothing, nothing, 900.0], dtype=torch.float64, requires_grad=True)
    out, lse = merge(out_a, lse_a, out_b, lse_b)
    assert lse.tolist() == [nothing, 0.5, 900.0]
    assert out[0].tolist() == [0, 0]
    assert torch.equal(out[1], out_a[1]) and torch.equal(out[2], out_b[2])
    (out.sum() + lse[1:].sum()).backward()
    assert all(torch.isfinite(t.grad).all() for t in (out_a, out_b, lse_a, lse_b))
    assert lse_a.grad.tolist() == [0, 1, 0] and lse_b.grad.tolist() == [0, 0, 1]


@pytest.mark.quick
def test_merge_of_far_apart_and_equal_shares():
    out_a, out_b = torch.zeros(2, 1), torch.ones(2, 1)
    out, lse = merge(out_a, torch.tensor([1e4, 1.0]), out_b, torch.tensor([-1e4, 1.0]))
    assert out.tolist() == [[0.0], [0.5]]
    torch.testing.assert_close(lse, torch.tensor([1e4, 1.0 + math.log(2)]))


@pytest.mark.quick
def test_merge_keeps_the_type_of_out():
    out, lse = merge(*[torch.ones(2, 1, dtype=torch.bfloat16), torch.zeros(2)] * 2)
    assert out.dtype == torch.bfloat16 and lse.dtype == torch.float32


@given(st.permutations(range(4)))
@settings(max_examples=10)
def test_merge_in_any_order(order):
    q, k, v = qkv(1, 2, 3, 4, m=13)
    cuts = [0, 2, 5, 6, 13]
    parts = [attention(q, k[:, :, a:b], v[:, :, a:b], return_lse=True) for a, b in pairwise(cuts)]
    total = parts[order[0]]
    for at in order[1:]:
        total = merge(*total, *parts[at])
    for a, b in zip(total, attention(q, k, v, return_lse=True), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.quick
@pytest.mark.parametrize("mask", [padding([[True] * 6 + [False]] * 2), per_head([full, causal])])
def test_asks_the_mask_on_the_device_of_q_and_not_on_the_default_one(mask):
    with torch.device("meta"):
        seen = online_file._seen(mask, slice(1, 4), 7, torch.device("cpu"))
    assert (seen == mask.dense(7, batch=2, heads=2)[:, :, 1:4]).all()


@pytest.mark.quick
@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"block": 0}, ValueError, "block: expected at least 1, got 0"),
        ({"block": 2.5}, TypeError, "block: expected a whole number, got 2.5"),
        ({"mask": causal}, ValueError, r"mask causal needs the positions.*mask.shift\(2\)"),
        ({"mask": padding([[True] * 7])}, ValueError, "was built for batch = 1, got batch = 2"),
        ({"mask": torch.ones(5, 7)}, TypeError, "mask: expected bool, True = may attend, got"),
        ({"mask": torch.ones(7, 5) > 0}, ValueError, r"mask: expected shape \(5, 7\)"),
        ({"k": torch.zeros(2, 3, 7, 3)}, ValueError, "k: expected a number of heads that divides"),
    ],
)
def test_messages(change, kind, words):
    q, k, v = qkv(2, 4, 5, 3, m=7, dtype=torch.float32)
    arguments = {"q": q, "k": k, "v": change.get("k", v)} | change
    with pytest.raises(kind, match=words):
        online_attention(**arguments)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("at", "value", "kind", "words"),
    [
        (0, [1.0], TypeError, "out_a: expected a floating-point tensor, got list; merge takes"),
        (1, torch.zeros(3).long(), TypeError, "lse_a: expected a floating-point tensor, got torch.int64"),
        (2, torch.zeros(3, 5), ValueError, r"out_b: expected the shape.*out_a \(3, 2\) and out_b \(3, 5\)"),
        (1, torch.zeros(3, 1), ValueError, r"lse_a: expected one number for each query, \(3,\), got \(3, 1\)"),
        (3, torch.zeros(2), ValueError, r"lse_b: expected one number for each query, \(3,\), got \(2,\)"),
    ],
)  # fmt: skip
def test_messages_of_merge(at, value, kind, words):
    arguments = [torch.zeros(3, 2), torch.zeros(3), torch.zeros(3, 2), torch.zeros(3)]
    arguments[at] = value
    with pytest.raises(kind, match=words):
        merge(*arguments)
    with pytest.raises(ValueError, match="out_b: expected the shape"):
        merge(*[torch.zeros(3)] * 4)


@pytest.mark.quick
def test_docstrings_say_where_they_run():
    for function in (online_attention, merge):
        text = inspect.getdoc(function)
        assert all(word in text for word in ("CPU", "CUDA", "MPS", "Raises", "arXiv"))
