# ruff: noqa: E501 (tables of messages, one case in a line)
"""Masks: each factory against a plain predicate, the algebra, shifts, sizes, tables, messages."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import create_block_mask, create_mask, flex_attention

from attn_lib import (
    Mask,
    _mask,
    attention,
    causal,
    chunks,
    dilated,
    documents,
    full,
    global_tokens,
    local_attention,
    online_attention,
    padding,
    per_head,
    prefix,
    random_blocks,
    window,
)
from attn_lib.masks import is_causal
from tests import oracle
from tests.oracle import qkv

IDS = [0, 0, 0, 1, 1, 2, 2]
KEEP = [[True] * 5 + [False] * 2, [False] + [True] * 6]
FACTORIES = [
    (full, lambda b, h, i, j: True),
    (causal, lambda b, h, i, j: j <= i),
    (window(1), lambda b, h, i, j: i == j),
    (window(3), lambda b, h, i, j: j in (i - 2, i - 1, i, i + 1, i + 2)),
    (dilated(2, 3), lambda b, h, i, j: j in (i - 3, i, i + 3)),
    (dilated(3, 2), lambda b, h, i, j: j in (i - 4, i - 2, i, i + 2, i + 4)),
    (chunks(3), lambda b, h, i, j: [0, 0, 0, 1, 1, 1, 2][i] == [0, 0, 0, 1, 1, 1, 2][j]),
    (prefix(0), lambda b, h, i, j: False),
    (prefix(2), lambda b, h, i, j: j in (0, 1)),
    (global_tokens(0), lambda b, h, i, j: False),
    (global_tokens(2), lambda b, h, i, j: i in (0, 1) or j in (0, 1)),
    (documents(IDS), lambda b, h, i, j: IDS[i] == IDS[j]),
    (documents([IDS, IDS[::-1]]), lambda b, h, i, j: [IDS, IDS[::-1]][b][i] == [IDS, IDS[::-1]][b][j]),
    (padding(KEEP), lambda b, h, i, j: KEEP[b][j]),
    (per_head([causal, window(2)]), lambda b, h, i, j: j <= i if h == 0 else abs(i - j) < 2),
    (random_blocks(2, 0.0), lambda b, h, i, j: False),
    (random_blocks(2, 1.0), lambda b, h, i, j: True),
]  # fmt: skip
NAMES = [repr(mask) for mask, _ in FACTORIES]
masks = st.sampled_from([mask for mask, _ in FACTORIES])


def table(mask, n=7, m=None):
    return mask.dense(n, m, batch=2, heads=2).expand(2, 2, n, m or n)


@pytest.mark.quick
@pytest.mark.parametrize(("mask", "sees"), FACTORIES, ids=NAMES)
def test_factory_equals_its_predicate(mask, sees):
    assert torch.equal(table(mask), oracle.table(sees, 7, 7, 2, 2))


@pytest.mark.quick
@pytest.mark.parametrize(("mask", "sees"), FACTORIES, ids=NAMES)
def test_shift_moves_the_queries(mask, sees):
    want = oracle.table(lambda b, h, i, j: sees(b, h, i + 4, j), 3, 7, 2, 2)
    assert torch.equal(table(mask.shift(4), 3, 7), want)
    assert torch.equal(table(mask.shift(1).shift(3), 3, 7), want)
    assert torch.equal(mask.dense(3, 7, batch=2, heads=2, q_offset=4).expand(2, 2, 3, 7), want)
    twice = full & mask.shift(3)
    assert torch.equal(table(twice.shift(1), 3, 7), want)


@given(masks, masks, masks)
@settings(max_examples=60)
def test_algebra_of_masks_is_boolean_algebra(a, b, c):
    x, y, z = table(a), table(b), table(c)
    assert torch.equal(table(a & b), x & y)
    assert torch.equal(table(a | b), x | y)
    assert torch.equal(table(~a), ~x)
    assert torch.equal(table(~(a & b)), table(~a | ~b))
    assert torch.equal(table(a & (b | c)), table((a & b) | (a & c)))
    assert torch.equal(table((a & b) & c), x & y & z)
    assert torch.equal(table(a & full), x) and torch.equal(table(a | ~full), x)


@pytest.mark.quick
def test_algebra_on_one_example():
    a, b = table(causal), table(window(2))
    assert torch.equal(table(causal & window(2)), a & b)
    assert torch.equal(table(causal | window(2)), a | b)
    assert torch.equal(table(~causal), ~a)


@pytest.mark.quick
@pytest.mark.parametrize("w", [7, 8, 100])
def test_a_window_over_everything_under_causal_is_causal(w):
    assert torch.equal(table(window(w) & causal), table(causal))


@pytest.mark.quick
def test_global_tokens_under_causal_look_at_nothing_ahead():
    got = (causal & (window(2) | global_tokens(2))).dense(7)
    assert torch.equal(got, oracle.table(oracle.local(2, True, 2), 7, 7))


def sums(mask, n=12):
    return mask.dense(n)[0, 0].sum(-1).tolist()


@pytest.mark.quick
def test_a_window_of_w_shows_w_keys():
    assert sums(causal & window(4)) == [1, 2, 3] + [4] * 9
    assert sums(window(4))[5] == 7
    assert sums(causal & dilated(3, 2))[5:] == [3] * 7


@pytest.mark.quick
def test_random_blocks_are_blocks_repeatable_and_as_frequent_as_said():
    mask = random_blocks(4, 0.3, seed=5)
    seen = mask.dense(400)[0, 0]
    blocks = seen.unflatten(0, (100, 4)).unflatten(2, (100, 4))
    assert torch.equal(blocks.any(3).any(1), blocks.all(3).all(1))
    assert abs(seen.float().mean() - 0.3) < 0.025  # 10,000 draws: over five standard deviations
    assert torch.equal(mask.dense(40)[0, 0], seen[:40, :40])
    assert not torch.equal(seen, seen.mT)
    assert not torch.equal(seen, random_blocks(4, 0.3, seed=6).dense(400)[0, 0])
    rows = blocks[:, 0, :, 0].float()
    assert (torch.corrcoef(rows).fill_diagonal_(0).abs() < 0.6).all()


@pytest.mark.quick
def test_repr_is_the_expression():
    keep = padding(KEEP)
    mask = causal & (window(128) | global_tokens(first=4)) & keep
    assert repr(mask) == "causal & (window(128) | global_tokens(4)) & padding(2x7)"
    assert repr(~(causal | full)) == "~(causal | full)"
    assert repr(~causal & full) == "~causal & full"
    assert repr(~~causal) == "~(~causal)" and repr((~causal).shift(1)) == "(~causal).shift(1)"
    assert repr((causal & full).shift(3)) == "(causal & full).shift(3)"
    assert repr(per_head([causal, dilated(2, 3)])) == "per_head([causal, dilated(2, 3)])"
    assert repr(documents(IDS) | chunks(2)) == "documents(7) | chunks(2)"
    assert repr(random_blocks(2, 0.5, 3)) == "random_blocks(2, 0.5, 3)"
    assert repr((prefix(1) | full) | causal) == "prefix(1) | full | causal"
    assert repr(causal.shift(2).shift(-1)) == "causal.shift(1)"


@pytest.mark.quick
def test_str_draws_squares():
    assert str(causal & documents([0, 0, 1])) == (
        "causal & documents(3): queries ↓ keys →\n■ □ □\n■ ■ □\n□ □ ■"
    )
    assert str(padding([[True, False]] * 2)) == (
        "padding(2x2) (example 0, head 0): queries ↓ keys →\n■ □\n■ □"
    )
    assert str(per_head([full])).startswith("per_head([full]): ")
    assert str(causal).count("\n") == 8
    assert str(documents([0, 0, 1]).shift(1)).endswith("→\n■ ■ □\n□ □ ■")
    assert str(documents([0, 1]).shift(9)) == "documents(2).shift(9): queries ↓ keys →"


@pytest.mark.quick
def test_dense_broadcasts_over_examples_and_heads_that_are_alike():
    assert causal.dense(3, batch=5, heads=4).shape == (1, 1, 3, 3)
    assert padding(KEEP).dense(3, 7, batch=2, heads=4).shape == (2, 1, 3, 7)
    assert per_head([full, causal]).dense(3, batch=5, heads=2).shape == (1, 2, 3, 3)
    both = per_head([padding(KEEP), full]).dense(7, batch=2, heads=2)
    assert both.shape == (2, 2, 7, 7) and both[:, 1].all() and not both[:, 0].all()
    turned = per_head([full, padding(KEEP)]).dense(7, batch=2, heads=2)
    assert torch.equal(turned, both.flip(1))
    assert causal.dense(0).shape == (1, 1, 0, 0)


@pytest.mark.quick
def test_dense_on_another_device():
    assert causal.dense(2, device="meta").device.type == "meta"
    assert padding(KEEP).dense(7, batch=2, device="meta").device.type == "meta"
    assert documents(IDS).dense(7, device="meta").device.type == "meta"
    with torch.device("meta"):
        assert causal.dense(2).device.type == "meta"


@pytest.mark.quick
def test_equal_masks_share_one_table_until_the_cache_is_full(monkeypatch):
    _mask._cache.clear()
    table = (causal & window(3)).dense(9)
    assert (causal & window(3)).dense(9) is table
    assert (causal & window(4)).dense(9) is not table
    assert (causal & window(3)).dense(9, q_offset=1) is not table
    keep = torch.tensor([[True, False]])
    first = padding(keep)
    assert first.dense(2) is first.dense(2) and padding(keep).dense(2) is not first.dense(2)
    monkeypatch.setattr(_mask, "_CACHE_BYTES", 90)
    causal.dense(5)
    full.dense(8)
    assert [kept.shape[-1] for _, kept in _mask._cache.values()] == [5, 8]
    causal.dense(5)  # used again: now the newest
    window(2).dense(6)
    assert [kept.shape[-1] for _, kept in _mask._cache.values()] == [5, 6]
    assert causal.dense(11).shape == (1, 1, 11, 11)  # too large to keep, and still right
    assert not _mask._cache
    _mask._cache.clear()


@pytest.mark.quick
def test_a_table_made_under_inference_mode_serves_training():
    _mask._cache.clear()
    with torch.inference_mode():
        window(3).dense(6)
    assert not window(3).dense(6).is_inference()
    q, k, v = qkv(1, 1, 6, 2, grad=True)
    attention(q, k, v, mask=window(3)).sum().backward()
    assert q.grad is not None


@pytest.mark.quick
def test_data_is_copied():
    keep = torch.ones(1, 3, dtype=torch.bool)
    ids = torch.tensor([0, 0, 1])
    kept, documented = padding(keep), documents(ids)
    keep[:], ids[:] = False, 5
    assert kept.dense(3).all() and not documented.dense(3).all()


@pytest.mark.quick
@pytest.mark.parametrize("mask", [mask for mask, _ in FACTORIES], ids=NAMES)
def test_pickles_and_copies(mask):
    combined = ~mask | causal.shift(0)
    for again in (pickle.loads(pickle.dumps(combined)), copy.deepcopy(combined)):
        assert repr(again) == repr(combined)
        assert torch.equal(table(again), table(combined))


@pytest.mark.quick
def test_is_causal_knows_the_fast_path():
    assert is_causal(causal, 5, 5) and is_causal(causal.shift(0), 5, 7)
    assert not is_causal(causal, 5, 7) and not is_causal(causal.shift(2), 5, 7)
    assert not is_causal(causal & full, 5, 5) and not is_causal(window(9), 5, 5)
    assert is_causal(pickle.loads(pickle.dumps(causal)), 3, 3)


@pytest.mark.parametrize("mask", [mask for mask, _ in FACTORIES], ids=NAMES)
def test_is_a_mask_mod_of_flex_attention_unchanged(mask):
    assert torch.equal(create_mask(mask, 2, 2, 7, 7, device="cpu"), table(mask))


@pytest.mark.filterwarnings("ignore")
def test_dense_local_online_and_flex_agree():
    q, k, v = qkv(2, 2, 37, 8, dtype=torch.float32)
    keep = torch.arange(37) < torch.tensor([[37], [30]])
    mask = causal & (window(5) | global_tokens(2)) & padding(keep)
    dense = attention(q, k, v, mask=mask)
    banded = local_attention(q, k, v, window=5, n_global=2, keep=keep)
    blocks = create_block_mask(mask, 2, 2, 37, 37, device="cpu", BLOCK_SIZE=16)
    torch.testing.assert_close(banded, dense)
    torch.testing.assert_close(online_attention(q, k, v, mask=mask, block=8), dense)
    torch.testing.assert_close(flex_attention(q, k, v, block_mask=blocks), dense)


TENSOR = torch.ones(2, 2, dtype=torch.bool)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: window(0), ValueError, "w: expected at least 1, got 0"),
        (lambda: window(1.5), TypeError, "w: expected a whole number, got 1.5"),
        (lambda: window(True), TypeError, "w: expected a whole number, got True"),
        (lambda: dilated(0, 1), ValueError, "w: expected at least 1, got 0"),
        (lambda: dilated(1, 0), ValueError, "step: expected at least 1, got 0"),
        (lambda: chunks(0), ValueError, "size: expected at least 1, got 0"),
        (lambda: prefix(-1), ValueError, "length: expected at least 0, got -1"),
        (lambda: global_tokens(-1), ValueError, "first: expected at least 0, got -1"),
        (lambda: documents([0.5]), TypeError, "ids: expected whole numbers, got torch.float32; use ids.long"),
        (lambda: documents(torch.tensor([1j])), TypeError, "ids: expected whole numbers, got torch.complex64"),
        (lambda: documents([[[1]]]), ValueError, r"ids: expected shape \(n,\) or \(b, n\), got \(1, 1, 1\)"),
        (lambda: documents(3), ValueError, r"ids: expected shape \(n,\) or \(b, n\), got \(\)"),
        (lambda: padding([[1, 0]]), TypeError, "keep: expected bool, True for a real token, got torch.int64; use tokens != pad"),
        (lambda: padding([True]), ValueError, r"keep: expected shape \(b, m\), got \(1,\)"),
        (lambda: random_blocks(0, 0.5), ValueError, "size: expected at least 1, got 0"),
        (lambda: random_blocks(1, 1.1), ValueError, "p: expected a probability from 0 to 1, got 1.1"),
        (lambda: random_blocks(1, -0.1), ValueError, "p: expected a probability from 0 to 1, got -0.1"),
        (lambda: random_blocks(1, "a"), ValueError, "p: expected a probability from 0 to 1, got 'a'"),
        (lambda: random_blocks(1, 0.5, -1), ValueError, "seed: expected at least 0, got -1"),
        (lambda: per_head([]), ValueError, "masks: expected one Mask for each head, got none"),
        (lambda: per_head(causal), TypeError, "masks: expected a list with one Mask for each head, got one Mask"),
        (lambda: per_head([TENSOR]), TypeError, "expected a Mask, got Tensor: factories take"),
        (lambda: causal & TENSOR, TypeError, r"expected a Mask, got Tensor.*mask.dense\(n\) & tensor"),
        (lambda: causal | window, TypeError, "expected a Mask, got function: factories take their arguments first"),
        (lambda: TENSOR & causal, TypeError, "expected a Mask, got Tensor"),
        (lambda: TENSOR | causal, TypeError, "expected a Mask, got Tensor"),
        (lambda: causal and full, TypeError, "a Mask has no truth value: combine masks with &"),
        (lambda: causal.shift(0.5), TypeError, "q_offset: expected a whole number, got 0.5"),
        (lambda: causal.dense(2.5), TypeError, "n: expected a whole number, got 2.5"),
        (lambda: full.dense(2, -1), ValueError, "m: expected at least 0, got -1"),
        (lambda: padding(KEEP) & padding([[True]]), ValueError, "masks of different sizes cannot be combined: one was built for batch = 2, the other for batch = 1"),
        (lambda: per_head([full, per_head([full] * 3)]), ValueError, "one was built for heads = 2, the other for heads = 3"),
        (lambda: padding(KEEP).dense(7), ValueError, r"mask padding\(2x7\) was built for batch = 2, got batch = 1: build it"),
        (lambda: padding(KEEP).dense(7, 6, batch=2), ValueError, "was built for m = 7, got m = 6"),
        (lambda: per_head([full]).dense(2, heads=2), ValueError, "was built for heads = 1, got heads = 2"),
        (lambda: documents(IDS).dense(3), ValueError, "was built for n = 7, got n = 3"),
        (lambda: causal.dense(3, 5), ValueError, r"mask causal needs the positions of the queries, and 3 queries over 5 keys can be aligned in two ways: mask.shift\(2\) .*last.*mask.shift\(0\)"),
        (lambda: (full & window(2)).dense(3, 5), ValueError, "needs the positions"),
        (lambda: (~window(2)).dense(3, 5), ValueError, "needs the positions"),
        (lambda: per_head([full, causal]).dense(3, 5, heads=2), ValueError, "needs the positions"),
        (lambda: documents(IDS).shift(5).dense(3, 7), ValueError, "knows positions 0 to 6, got queries from 5 to 7: choose a shift"),
        (lambda: documents(IDS).shift(-1).dense(3, 7), ValueError, "got queries from -1 to 1"),
        (lambda: (full & documents(IDS).shift(3)).shift(3).dense(3, 7), ValueError, "got queries from 6 to 8"),
        (lambda: (full & documents(IDS).shift(6)).dense(3, 7), ValueError, "got queries from 6 to 8"),
    ],
)  # fmt: skip
def test_messages(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.quick
def test_masks_that_need_no_positions_take_any_sizes():
    for mask in (full, prefix(2), causal.shift(0), ~full, full | prefix(1), per_head([full])):
        assert mask.dense(3, 5).shape == (1, 1, 3, 5)
    assert padding(KEEP).dense(3, 7, batch=2).shape == (2, 1, 3, 7)
    assert documents(IDS).shift(4).dense(3, 7).shape == (1, 1, 3, 7)


@pytest.mark.quick
def test_a_mask_needs_positions_where_one_of_its_parts_does():
    for mask in (~causal, full & causal, causal | full, per_head([full, causal])):
        assert mask.positional is True
    for mask in (~full, full & prefix(1), causal.shift(0), per_head([full, prefix(1)])):
        assert mask.positional is False


@pytest.mark.quick
def test_per_head_joins_on_either_side():
    heads, other = per_head([padding(KEEP), causal]), padding(~torch.tensor(KEEP))
    for left, right in ((heads, other), (other, heads)):
        first, second = (mask.dense(7, batch=2, heads=2) for mask in (left, right))
        assert torch.equal((left | right).dense(7, batch=2, heads=2), first | second)
        assert torch.equal((left & right).dense(7, batch=2, heads=2), first & second)
    assert torch.equal((~heads).dense(7, batch=2, heads=2), ~heads.dense(7, batch=2, heads=2))


@pytest.mark.quick
def test_a_call_never_checks_sizes():
    i, j = torch.tensor(2), torch.tensor(9)
    assert not (causal & Mask(lambda b, h, q, k: q == q, name="mine"))(0, 0, i, j)
