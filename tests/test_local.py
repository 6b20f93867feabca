# ruff: noqa: E501 (tables of messages, one case in a line)
"""local_attention: equal to the dense mask in value and gradient, and never an n * n tensor."""

import inspect
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

import attn_lib.local as local_file
from attn_lib import attention, causal, global_tokens, local_attention, padding, window
from tests import oracle
from tests.oracle import numbers, qkv

BOTH = pytest.mark.parametrize("is_causal", [True, False])


def rule(w, is_causal, g=0, keep=None):
    mask = window(w) | global_tokens(g)
    mask = causal & mask if is_causal else mask
    return mask if keep is None else mask & padding(keep)


@pytest.fixture
def short_chunks(monkeypatch):
    """Chunks of 4 queries and groups of 16, so that few tokens already meet every path."""
    monkeypatch.setattr(local_file, "_CHUNK", (4, 8))
    monkeypatch.setattr(local_file, "_GROUP", 48)


@pytest.mark.quick
@BOTH
@pytest.mark.parametrize("g", [0, 2])
def test_equals_the_definition_in_plain_loops(is_causal, g, short_chunks):
    q, k, v = qkv(2, 2, 19, 2, h_kv=1, d_v=1)
    keep = torch.tensor([[True] * 14 + [False] * 5, [False] * 4 + [True] * 15])
    for w in (1, 3, 30):
        for padded in (None, keep):
            want, _, _ = oracle.attend(q, k, v, oracle.local(w, is_causal, g, padded))
            got = local_attention(q, k, v, window=w, causal=is_causal, n_global=g, keep=padded)
            torch.testing.assert_close(got, want)


@given(
    b=st.integers(1, 3), h_kv=st.integers(1, 2), r=st.integers(1, 3), n=st.integers(1, 40),
    d=st.integers(1, 5), d_v=st.integers(1, 5), w=st.integers(1, 45), g=st.integers(0, 6),
    is_causal=st.booleans(), padded=st.booleans(), low=st.sampled_from([1, 2, 4, 64]),
    high=st.sampled_from([64, 512]), group=st.sampled_from([1, 32, 2**14]), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=100)
def test_equals_dense_in_value_and_gradient(
    b, h_kv, r, n, d, d_v, w, g, is_causal, padded, low, high, group, seed
):
    q, k, v = qkv(b, h_kv * r, n, d, h_kv=h_kv, d_v=d_v, grad=True)
    keep = torch.rand(b, n, generator=torch.Generator().manual_seed(seed)) < 0.6
    keep = keep if padded else None
    want = attention(q, k, v, mask=rule(w, is_causal, g, keep))
    up = numbers(*want.shape, seed=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_file, "_CHUNK", (low, high))
        patch.setattr(local_file, "_GROUP", group)
        got = local_attention(q, k, v, window=w, causal=is_causal, n_global=g, keep=keep)
    torch.testing.assert_close(got, want)
    mine, theirs = (torch.autograd.grad(out, (q, k, v), up) for out in (got, want))
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.quick
@BOTH
@pytest.mark.parametrize("g", [0, 3])
def test_float32_at_the_shipped_sizes(is_causal, g):
    q, k, v = qkv(2, 2, 333, 16, dtype=torch.float32, grad=True)
    keep = torch.arange(333) < torch.tensor([[333], [200]])
    for padded in (None, keep):
        want = attention(q, k, v, mask=rule(50, is_causal, g, padded))
        got = local_attention(q, k, v, window=50, causal=is_causal, n_global=g, keep=padded)
        torch.testing.assert_close(got, want)
        up = numbers(*want.shape, dtype=torch.float32)
        mine, theirs = (torch.autograd.grad(out, (q, k, v), up) for out in (got, want))
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, b)


@BOTH
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_err_at_most_twice_as_much_as_the_naive_form(is_causal, dtype):
    q, k, v = qkv(2, 2, 200, 16, dtype=dtype)
    allowed = rule(30, is_causal, 2).dense(200)
    exact = attention(q.double(), k.double(), v.double(), mask=allowed)
    got = local_attention(q, k, v, window=30, causal=is_causal, n_global=2)
    assert got.dtype == dtype
    error = (got.double() - exact).abs().max()
    assert error <= 2 * (oracle.naive(q, k, v, allowed).double() - exact).abs().max()


@BOTH
@pytest.mark.parametrize("g", [0, 2])
def test_gradcheck(is_causal, g, short_chunks):
    q, k, v = qkv(1, 1, 11, 2, d_v=1, grad=True)
    keep = torch.tensor([[False] * 3 + [True] * 5 + [False] * 3])
    call = partial(local_attention, window=3, causal=is_causal, n_global=g)
    assert torch.autograd.gradcheck(call, (q, k, v))
    assert torch.autograd.gradcheck(partial(call, keep=keep), (q, k, v), fast_mode=True)


@pytest.mark.quick
@BOTH
def test_queries_that_see_nothing_give_zeros_and_finite_gradients(is_causal, short_chunks):
    q, k, v = qkv(1, 2, 30, 4, grad=True)
    keep = torch.zeros(1, 30, dtype=torch.bool)
    keep[0, 12] = True
    out = local_attention(q, k, v, window=3, causal=is_causal, keep=keep)
    seen = range(12, 15) if is_causal else range(10, 15)
    for i in range(30):
        assert (out[0, :, i] == 0).all() != (i in seen)
    out.sum().backward()
    assert all(torch.isfinite(t.grad).all() for t in (q, k, v))
    none = torch.zeros(1, 30, dtype=torch.bool)
    assert (local_attention(q, k, v, window=40, causal=is_causal, keep=none) == 0).all()


@pytest.mark.quick
def test_a_later_token_moves_no_earlier_result(short_chunks):
    q, k, v = qkv(1, 2, 25, 4)
    before = local_attention(q, k, v, window=6, n_global=2)
    for j in (0, 1, 7, 24):
        k2, v2 = k.clone(), v.clone()
        k2[:, :, j] += 1
        v2[:, :, j] -= 3
        moved = (local_attention(q, k2, v2, window=6, n_global=2) != before).any(-1)[0].any(0)
        reach = range(j, 25) if j < 2 else range(j, min(25, j + 6))
        assert [i for i in range(25) if moved[i]] == list(reach)


@pytest.mark.quick
@BOTH
def test_a_window_over_everything_is_full_attention(is_causal):
    q, k, v = qkv(2, 3, 9, 4)
    want = attention(q, k, v, mask=causal if is_causal else None)
    for w in (9, 10, 1000):
        torch.testing.assert_close(local_attention(q, k, v, window=w, causal=is_causal), want)
    every = local_attention(q, k, v, window=1, causal=is_causal, n_global=9)
    torch.testing.assert_close(every, want)


@pytest.mark.quick
def test_any_number_of_leading_sizes(short_chunks):
    q, k, v = qkv(2, 3, 21, 4)
    keep = torch.arange(21) < torch.tensor([[21], [13]])
    want = local_attention(q, k, v, window=5, causal=False, n_global=1)
    for lead in ((), (3,), (2, 1, 3)):
        q1, k1, v1 = (
            t.reshape(*lead, 21, 4) if lead and len(lead) == 3 else t[0] for t in (q, k, v)
        )
        q1, k1, v1 = (t[0] if lead == () else t for t in (q1, k1, v1))
        got = local_attention(q1, k1, v1, window=5, causal=False, n_global=1)
        first = want.reshape(2, 1, 3, 21, 4) if len(lead) == 3 else want[0]
        torch.testing.assert_close(got, first[0] if lead == () else first)
    masked = local_attention(q[:, 0], k[:, 0], v[:, 0], window=5, keep=keep)
    torch.testing.assert_close(masked, local_attention(q, k, v, window=5, keep=keep)[:, 0])


@pytest.mark.quick
def test_scale_replaces_the_root_of_d():
    q, k, v = qkv(1, 2, 12, 4)
    for w in (3, 12):
        want = local_attention(q * 3 * 2, k, v, window=w)
        torch.testing.assert_close(local_attention(q, k, v, window=w, scale=3.0), want)


class _Largest(TorchFunctionMode):
    """Notes the most numbers that any function of torch returned in one piece of memory."""

    entries = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for t in result if isinstance(result, (list, tuple)) else [result]:
            if isinstance(t, torch.Tensor):
                self.entries = max(self.entries, t.untyped_storage().nbytes() // t.element_size())
        return result


@pytest.mark.quick
@BOTH
@pytest.mark.parametrize("w", [64, 2**13])
def test_no_tensor_has_n_times_n_entries(is_causal, w):
    n = 2048
    q, k, v = (torch.randn(1, 1, n, 2) for _ in range(3))
    keep = torch.rand(1, n) < 0.9
    for g, padded in ((0, None), (4, None), (4, keep)):
        with _Largest() as largest:
            local_attention(q, k, v, window=w, causal=is_causal, n_global=g, keep=padded)
        assert largest.entries <= n * n // 4


@pytest.mark.quick
def test_inputs_unchanged_and_repeatable():
    q, k, v = qkv(1, 2, 200, 8, dtype=torch.float32)
    keep = torch.rand(1, 200) < 0.5
    copies = [t.clone() for t in (q, k, v, keep)]
    first, second = (local_attention(q, k, v, window=9, n_global=2, keep=keep) for _ in range(2))
    assert torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip((q, k, v, keep), copies, strict=True))


@BOTH
def test_under_autocast(is_causal):
    q, k, v = qkv(1, 2, 200, 16, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = local_attention(q, k, v, window=20, causal=is_causal, n_global=2)
    want = local_attention(q, k, v, window=20, causal=is_causal, n_global=2)
    torch.testing.assert_close(got.float(), want, atol=2e-2, rtol=2e-2)


@pytest.mark.quick
def test_no_tokens():
    q = torch.zeros(2, 3, 0, 4)
    assert local_attention(q, q, q, window=3).shape == (2, 3, 0, 4)
    keep = torch.zeros(2, 0, dtype=torch.bool)
    assert local_attention(q, q, q, window=3, causal=False, keep=keep).shape == (2, 3, 0, 4)


@pytest.mark.quick
@BOTH
@pytest.mark.parametrize("g", [0, 2])
def test_computes_where_q_is_and_not_on_the_default_device(is_causal, g, short_chunks):
    q, k, v = qkv(2, 2, 19, 2, grad=True)
    for keep in (None, torch.arange(38).view(2, 19) > 3):
        with torch.device("meta"):
            out = local_attention(q, k, v, window=3, causal=is_causal, n_global=g, keep=keep)
            grads = torch.autograd.grad(out.square().sum(), (q, k, v))
        assert all(t.device.type == "cpu" for t in (out, *grads))


@pytest.mark.quick
@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"window": 0}, ValueError, r"window: expected at least 1, got 0"),
        ({"window": 2.0}, TypeError, r"window: expected a whole number, got 2.0"),
        ({"window": True}, TypeError, r"window: expected a whole number, got True"),
        ({"n_global": -1}, ValueError, r"n_global: expected at least 0, got -1"),
        ({"n_global": None}, TypeError, r"n_global: expected a whole number, got None"),
        ({"q": torch.zeros(2, 4, 5, 3)}, ValueError, r"k: expected one key for each of the 5 queries.*got 7; with a cache use attention\(mask=\(causal & window\(3\)\).shift\(c\)\)"),
        ({"keep": [[True] * 7] * 2}, TypeError, r"keep: expected a bool tensor, got list; use torch.as_tensor"),
        ({"keep": torch.ones(2, 7)}, TypeError, r"keep: expected bool.*got torch.float32; use keep.bool\(\)"),
        ({"keep": torch.ones(7, dtype=torch.bool)}, ValueError, r"keep: expected shape \(b, n\) = \(2, 7\) beside q \(2, 4, 7, 3\), got \(7,\)"),
        ({"keep": torch.ones(2, 7, dtype=torch.bool, device="meta")}, ValueError, r"keep: expected device cpu like q, got meta; use keep.to\(q.device\)"),
        ({"k": torch.zeros(2, 3, 7, 3)}, ValueError, r"k: expected a number of heads that divides"),
    ],
)  # fmt: skip
def test_messages(change, kind, words):
    q, k, v = qkv(2, 4, 7, 3, h_kv=2, dtype=torch.float32)
    arguments = {"q": q, "k": k, "v": v, "window": 3} | change
    if "k" in change:
        arguments["v"] = change["k"]
    with pytest.raises(kind, match=words):
        local_attention(**arguments)


@pytest.mark.quick
def test_the_docstring_says_where_it_runs():
    text = inspect.getdoc(local_attention)
    assert all(word in text for word in ("CPU", "CUDA", "MPS", "Raises", "arXiv"))
