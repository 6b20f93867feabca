"""Sinusoidal, rotary and ALiBi positions against their definitions, pair by pair."""

from __future__ import annotations

import math
import pickle
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attn_lib import alibi, convert_pairing, rotary, sinusoidal
from attn_lib.positions import alibi_slopes
from tests.oracle_modules import rotate_loops

PAIRINGS = ["interleaved", "half"]


# sinusoidal


@pytest.mark.quick
@given(n=st.integers(0, 9), dim=st.integers(1, 8), offset=st.integers(-3, 5))
def test_sinusoidal_is_its_definition(n, dim, offset):
    table = sinusoidal(n, dim, base=100.0, offset=offset)
    assert table.shape == (n, dim) and table.dtype == torch.float32
    for row in range(n):
        for column in range(dim):
            angle = (row + offset) / 100.0 ** (column // 2 * 2 / dim)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert table[row, column].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.quick
def test_sinusoidal_by_hand():
    second = [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)]
    torch.testing.assert_close(sinusoidal(2, 4), torch.tensor([[0, 1, 0, 1], second]))


@pytest.mark.quick
def test_sinusoidal_is_exact_far_out():
    assert sinusoidal(1, 2, offset=10**6)[0, 0].item() == pytest.approx(math.sin(10**6), abs=1e-7)


# rotary


@pytest.mark.quick
@given(
    n=st.integers(1, 5), half=st.integers(1, 4), offset=st.integers(0, 40),
    pairing=st.sampled_from(PAIRINGS), base=st.sampled_from([10.0, 10_000.0]),
)  # fmt: skip
def test_rotary_turns_each_pair_by_its_angle(n, half, offset, pairing, base):
    x = torch.randn(n, 2 * half, dtype=torch.float64)
    out = rotary(x, offset=offset, base=base, pairing=pairing)
    expected = rotate_loops(x, list(range(offset, offset + n)), base, pairing)
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.quick
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_rotary_takes_explicit_positions(pairing):
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    positions = torch.tensor([[5, 0, 2, 9], [1, 1, 7, 3]])
    out = rotary(x, positions, pairing=pairing)
    for b in range(2):
        for h in range(3):
            expected = rotate_loops(x[b, h], positions[b].tolist(), 10_000.0, pairing)
            torch.testing.assert_close(out[b, h], expected)
    torch.testing.assert_close(
        rotary(x, positions[0], pairing=pairing)[:1], rotary(x[:1], positions[:1], pairing=pairing)
    )
    torch.testing.assert_close(rotary(x[:, 0], positions), rotary(x[:, :1], positions)[:, 0])
    between = [0.5, 1.5, 2.5, -3.5]
    expected = rotate_loops(x[0, 0], between, 10_000.0, pairing)
    torch.testing.assert_close(rotary(x[0, 0], torch.tensor(between), pairing=pairing), expected)


@pytest.mark.quick
@given(i=st.integers(0, 60), j=st.integers(0, 60), far=st.integers(1, 5000))
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_rotary_scores_depend_on_the_difference_of_positions_alone(pairing, i, j, far):
    q, k = torch.randn(2, 1, 8, dtype=torch.float64)
    turn = partial(rotary, pairing=pairing)
    near = turn(q, offset=i) @ turn(k, offset=j).T
    torch.testing.assert_close(turn(q, offset=i + far) @ turn(k, offset=j + far).T, near)


@pytest.mark.quick
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_rotary_keeps_norms_type_and_input(pairing, dtype):
    x = torch.randn(2, 3, 5, 8).to(dtype)
    before = x.clone()
    out = rotary(x, offset=3, pairing=pairing)
    assert out.dtype == dtype and torch.equal(x, before)
    loose = {} if dtype in (torch.float64, torch.float32) else {"rtol": 1e-2, "atol": 1e-2}
    torch.testing.assert_close(out.float().norm(dim=-1), x.float().norm(dim=-1), **loose)
    exact = rotary(x.double(), offset=3, pairing=pairing)
    assert (out.double() - exact).abs().max() <= torch.finfo(dtype).eps * x.abs().max() * 2


@pytest.mark.quick
def test_rotary_stays_exact_at_far_positions_in_float32():
    x = torch.randn(1, 16)
    expected = rotate_loops(x, [1_000_000], 10_000.0, "interleaved").float()
    torch.testing.assert_close(rotary(x, offset=1_000_000), expected)


@pytest.mark.quick
@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize(
    "x",
    [
        torch.randn(2, 8, 13)[..., 1:7],  # rows an odd number of entries apart
        torch.randn(2, 8, 12)[..., 1:7],  # an odd first entry
        torch.randn(2, 8, 12)[..., ::2],
        torch.randn(2, 8, 5).mT,
        torch.randn(3, 2, 8).transpose(0, 1),
    ],
)
def test_rotary_takes_any_strides(x, pairing):
    d = x.shape[-1] // 2 * 2
    expected = rotary(x[..., :d].clone(memory_format=torch.contiguous_format), pairing=pairing)
    torch.testing.assert_close(rotary(x[..., :d], pairing=pairing), expected)


@pytest.mark.quick
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_rotary_gradient(pairing):
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: rotary(x, offset=2, pairing=pairing), (x,))


@pytest.mark.quick
def test_rotary_table_made_under_inference_mode_serves_training():
    with torch.inference_mode():
        rotary(torch.randn(3, 10), base=77.0)
    x = torch.randn(3, 10, requires_grad=True)
    rotary(x, base=77.0).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_rotary_compiles_and_pickles(pairing):
    turn = partial(rotary, base=50.0, pairing=pairing)
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(torch.compile(turn, backend="eager", fullgraph=True)(x), turn(x))
    torch.testing.assert_close(pickle.loads(pickle.dumps(turn))(x), turn(x))


@pytest.mark.quick
@given(heads=st.integers(1, 4), half=st.integers(1, 3), to=st.sampled_from(PAIRINGS))
def test_convert_pairing_keeps_every_score(heads, half, to):
    d, dim, n = 2 * half, 5, 4
    x = torch.randn(n, dim, dtype=torch.float64)
    weights = torch.randn(2, heads * d, dim, dtype=torch.float64)
    frm = PAIRINGS[1 - PAIRINGS.index(to)]

    def scores(w_q, w_k, pairing):
        q, k = ((x @ w.T).view(n, heads, d).transpose(0, 1) for w in (w_q, w_k))
        return rotary(q, pairing=pairing) @ rotary(k, pairing=pairing).mT

    moved = [convert_pairing(weight, heads, to=to) for weight in weights]
    torch.testing.assert_close(scores(*moved, to), scores(*weights, frm))
    assert torch.equal(convert_pairing(moved[0], heads, to=frm), weights[0])
    assert torch.equal(convert_pairing(weights[0, :, 0], heads, to=to), moved[0][:, 0])
    assert moved[0].data_ptr() != weights.data_ptr()


@pytest.mark.quick
def test_convert_pairing_by_hand():
    rows = torch.tensor([0.0, 1, 2, 3, 10, 11, 12, 13])
    assert convert_pairing(rows, 2, to="half").tolist() == [0, 2, 1, 3, 10, 12, 11, 13]
    assert convert_pairing(rows, 1, to="interleaved").tolist() == [0, 10, 1, 11, 2, 12, 3, 13]


@pytest.mark.quick
@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("compiling", [False, True])
def test_rotary_is_the_same_on_the_path_that_compilers_take(pairing, compiling, monkeypatch):
    x = torch.randn(2, 3, 5, 6)
    calls = ({"offset": 3}, {"positions": torch.arange(10).view(2, 5)})
    want = [rotary(x.double(), pairing=pairing, **where).float() for where in calls]
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: compiling)
    for where, right in zip(calls, want, strict=True):
        with torch.device("meta"):  # it computes where x is
            got = rotary(x, pairing=pairing, base=10_000, **where)
        torch.testing.assert_close(got, right)
        assert rotary(x.bfloat16(), pairing=pairing, **where).dtype == torch.bfloat16


# alibi


@pytest.mark.quick
@given(h=st.integers(1, 9), n=st.integers(0, 4), m=st.integers(0, 5), offset=st.integers(-2, 3))
def test_alibi_is_minus_slope_times_distance(h, n, m, offset):
    bias = alibi(h, n, m, q_offset=offset)
    assert bias.shape == (h, n, m) and bias.dtype == torch.float32
    for head, slope in enumerate(alibi_slopes(h)):
        for i in range(n):
            for j in range(m):
                assert bias[head, i, j].item() == pytest.approx(-slope * abs(i + offset - j))


@pytest.mark.quick
@pytest.mark.parametrize(
    ("heads", "powers"),
    [
        (1, [8]),
        (2, [4, 8]),
        (4, [2, 4, 6, 8]),
        (8, [1, 2, 3, 4, 5, 6, 7, 8]),
        (3, [4, 8, 2]),
        (6, [2, 4, 6, 8, 1, 3]),
        (12, [1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5]),
    ],
)
def test_alibi_slopes_are_those_of_the_paper_and_its_code(heads, powers):
    assert alibi_slopes(heads) == pytest.approx([2.0**-power for power in powers])


@pytest.mark.quick
def test_alibi_by_hand():
    sixteenths = [[0, -1, -2], [-1, 0, -1], [-2, -1, 0]]
    assert (alibi(2, 3)[0] * 16).tolist() == sixteenths
    assert torch.equal(alibi(3, 1, 4, q_offset=3), alibi(3, 4)[:, 3:])


# errors


@pytest.mark.quick
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sinusoidal(-1, 4), ValueError, "n: expected at least 0"),
        (lambda: sinusoidal(3, 0), ValueError, "dim: expected at least 1"),
        (lambda: sinusoidal(3.0, 4), TypeError, "n: expected a whole number"),
        (lambda: sinusoidal(3, 4, base=0), ValueError, "base: expected a positive number"),
        (lambda: sinusoidal(3, 4, offset=0.5), TypeError, "offset: expected a whole number"),
        (lambda: rotary(torch.zeros(3, 5)), ValueError, "even head size"),
        (lambda: rotary(torch.zeros(4)), ValueError, r"expected .* \(\.\.\., n, d\)"),
        (lambda: rotary(torch.zeros(3, 4).long()), ValueError, "floating-point"),
        (lambda: rotary(torch.zeros(3, 4), pairing="split"), ValueError, "pairing: .*'split'"),
        (lambda: rotary(torch.zeros(3, 4), offset=-1), ValueError, "offset: expected at least 0"),
        (lambda: rotary(torch.zeros(3, 4), base=-1.0), ValueError, "base: expected a positive"),
        (
            lambda: rotary(torch.zeros(2, 1, 3, 4), torch.zeros(3, 3)),
            ValueError,
            r"positions: expected one for each of the 3 tokens, \(3,\) or \(b, 3\), got \(3, 3\)",
        ),
        (lambda: convert_pairing(torch.zeros(6, 2), 2, to="half"), ValueError, "heads=kv_heads"),
        (lambda: convert_pairing(torch.tensor(1.0), 2, to="half"), ValueError, "weight: expected"),
        (lambda: convert_pairing(torch.zeros(8, 2), 2, to="both"), ValueError, "to: expected"),
        (lambda: alibi(0, 3), ValueError, "heads: expected at least 1"),
        (lambda: alibi(2, -1), ValueError, "^n: expected at least 0"),
        (lambda: alibi(2, 3, -1), ValueError, "^m: expected at least 0"),
        (lambda: alibi(2, 3, q_offset=0.5), TypeError, "^q_offset: expected a whole number"),
        (lambda: alibi_slopes(0), ValueError, "^heads: expected at least 1"),
        (lambda: convert_pairing(torch.zeros(8, 2), 0, to="half"), ValueError, "^heads: expected"),
        (lambda: sinusoidal(3, 4, base=-1.0), ValueError, "^base: expected .* got -1.0"),
        (lambda: alibi(2, 1, 4), ValueError, "3 if the queries are the last"),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_remedy(call, error, words):
    with pytest.raises(error, match=words):
        call()
