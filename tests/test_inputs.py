# ruff: noqa: E501 (tables of messages, one case in a line)
"""Bad input: every message names the argument, what was expected, what came and the remedy."""

import pytest
import torch

from attn_lib import attention, causal, fused_attention, local_attention, online_attention, padding

B = torch.bool
FORMS = [attention, fused_attention, online_attention, local_attention]
MASKED = FORMS[:3]
DENSE = FORMS[:2]


def ones(*shape, **options):
    return torch.ones(shape, **options)


CASES = [
    (FORMS, {"q": [1.0]}, TypeError, "q: expected a torch tensor, got list; use torch.as_tensor(q)"),
    (FORMS, {"k": [1.0]}, TypeError, "k: expected a torch tensor, got list; use torch.as_tensor(k)"),
    (FORMS, {"v": None}, TypeError, "v: expected a torch tensor, got NoneType; use torch.as_tensor(v)"),
    (FORMS, {"q": ones(2, 4, 5, 3).long()}, TypeError, "q: expected floating-point numbers, got torch.int64; use q.float()"),
    (FORMS, {"k": ones(2, 2, 5, 3, device="meta")}, ValueError, "k: expected device cpu like q, got meta; use k.to(q.device)"),
    (FORMS, {"q": ones(3)}, ValueError, "q: expected at least two dimensions, (..., tokens, features), got (3,); use q.unsqueeze(0) for one token"),
    (FORMS, {"v": ones(3)}, ValueError, "v: expected at least two dimensions, (..., tokens, features), got (3,); use v.unsqueeze(0) for one token"),
    (FORMS, {"k": ones(2, 2, 5, 3).double()}, TypeError, "k: expected torch.float32 like q, got torch.float64; use k.to(q.dtype)"),
    (FORMS, {"k": ones(2, 2, 5, 4)}, ValueError, "k: expected the head size of q, since each score is a dot product of one query and one key, got q (2, 4, 5, 3) and k (2, 2, 5, 4); project both"),
    (FORMS, {"q": ones(2, 4, 5, 0), "k": ones(2, 2, 5, 0)}, ValueError, "k: expected the head size of q"),
    (FORMS, {"v": ones(2, 2, 6, 3)}, ValueError, "v: expected one value for each of the 5 keys, got k (2, 2, 5, 3) and v (2, 2, 6, 3); k and v come from the same tokens"),
    (FORMS, {"q": ones(4, 5, 3)}, ValueError, "q, k, v: expected the same number of dimensions, got q (4, 5, 3), k (2, 2, 5, 3), v (2, 2, 5, 3); use unsqueeze"),
    (FORMS, {"v": ones(2, 5, 3)}, ValueError, "q, k, v: expected the same number of dimensions"),
    (FORMS, {"v": ones(2, 4, 5, 3)}, ValueError, "v: expected the batch and heads of k, got k (2, 2, 5, 3) and v (2, 4, 5, 3); split both"),
    (FORMS, {"k": ones(2, 3, 5, 3), "v": ones(2, 3, 5, 3)}, ValueError, "k: expected a number of heads that divides the 4 heads of q, got 3; layouts are (b, h, n, d), use transpose(1, 2)"),
    (FORMS, {"k": ones(2, 0, 5, 3), "v": ones(2, 0, 5, 3)}, ValueError, "k: expected a number of heads that divides the 4 heads of q, got 0"),
    (FORMS, {"k": ones(1, 2, 5, 3), "v": ones(1, 2, 5, 3)}, ValueError, "k: expected the leading sizes (2, 4) of q, got k (1, 2, 5, 3) beside q (2, 4, 5, 3); layouts are (..., tokens, features), use expand"),
    (FORMS, {"q": ones(4, 5, 3), "k": ones(2, 5, 3), "v": ones(2, 5, 3)}, ValueError, "k: expected the leading sizes (4,) of q"),
    (FORMS, {"scale": "a"}, TypeError, "scale: expected a number, got str; multiply q by a learned scale"),
    (FORMS, {"scale": ones(1)}, TypeError, "scale: expected a number, got Tensor"),
    (DENSE, {"bias": [[0.0]]}, TypeError, "bias: expected a torch tensor, got list"),
    (DENSE, {"bias": ones(5, 5).int()}, TypeError, "bias: expected floating-point numbers, got torch.int32; use bias.float()"),
    (DENSE, {"bias": ones(5, 5, device="meta")}, ValueError, "bias: expected device cpu like q, got meta"),
    (DENSE, {"bias": ones(5, 4)}, ValueError, "bias: expected a shape that broadcasts to the scores (2, 4, 5, 5), got (5, 4)"),
    (DENSE, {"bias": ones(1, 2, 4, 5, 5)}, ValueError, "bias: expected a shape that broadcasts to the scores"),
    (DENSE, {"sink": ones(4).int()}, TypeError, "sink: expected floating-point numbers, got torch.int32"),
    (DENSE, {"sink": ones(3)}, ValueError, "sink: expected one logit per head, shape (h,), beside q (b, h, n, d), got sink (3,) and q (2, 4, 5, 3); use q.view(b, h, n, d)"),
    (DENSE, {"q": ones(2, 5, 3), "k": ones(2, 5, 3), "v": ones(2, 5, 3), "sink": ones(5)}, ValueError, "sink: expected one logit per head"),
    (DENSE, {"dropout": 1.0}, ValueError, "dropout: expected a probability, 0 <= dropout < 1, got 1.0; 0 switches it off"),
    (DENSE, {"dropout": -0.1}, ValueError, "dropout: expected a probability, 0 <= dropout < 1, got -0.1"),
    (DENSE, {"dropout": "a"}, ValueError, "dropout: expected a probability, 0 <= dropout < 1, got 'a'"),
    (MASKED, {"mask": [[True]]}, TypeError, "mask: expected a Mask or a bool tensor, got list; use torch.as_tensor(mask), True = may attend"),
    (MASKED, {"mask": ones(5, 5)}, TypeError, "mask: expected bool, True = may attend, got torch.float32; use mask.bool() if its ones may attend, mask == 0 if its zeros may, or pass it as bias= if it is added"),
    (MASKED, {"mask": ones(5, 5, device="meta").bool()}, ValueError, "mask: expected device cpu like q, got meta; use mask.to(q.device)"),
    (MASKED, {"mask": ones(2, 5, dtype=B)}, ValueError, "mask: expected shape (5, 5) or one of 4 dimensions that broadcasts to the scores (2, 4, 5, 5), got (2, 5); padding of shape (b, m) goes in as attn_lib.padding(keep)"),
    (MASKED, {"mask": ones(4, 5, 5, dtype=B)}, ValueError, "mask: expected shape (5, 5) or one of 4 dimensions"),
    (MASKED, {"mask": ones(2, 3, 5, 5, dtype=B)}, ValueError, "mask: expected shape (5, 5) or one of 4 dimensions"),
    (MASKED, {"mask": padding(ones(3, 5, dtype=B))}, ValueError, "mask padding(3x5) was built for batch = 3, got batch = 2: build it from data of the same sizes"),
    (MASKED, {"mask": causal, "k": ones(2, 2, 7, 3), "v": ones(2, 2, 7, 3)}, ValueError, "mask causal needs the positions of the queries, and 5 queries over 7 keys"),
]  # fmt: skip
PAIRS = [(form, *case) for forms, *case in CASES for form in forms]


@pytest.mark.quick
@pytest.mark.parametrize(
    ("form", "change", "kind", "message"), PAIRS,
    ids=[f"{pair[0].__name__}-{'-'.join(pair[1])}" for pair in PAIRS],
)  # fmt: skip
def test_message(form, change, kind, message, monkeypatch):
    def kernel(*args, **options):
        raise AssertionError("the kernel ran on input that does not fit")

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", kernel)
    arguments = {"q": ones(2, 4, 5, 3), "k": ones(2, 2, 5, 3), "v": ones(2, 2, 5, 3)} | change
    if form is local_attention:
        arguments["window"] = 2
    with pytest.raises(kind) as raised:
        form(**arguments)
    assert message in str(raised.value)


@pytest.mark.quick
def test_a_padding_tensor_of_b_equal_to_n_is_not_taken_for_a_mask_of_scores_of_three_dimensions():
    """(b, m) with b == n would broadcast as (n, m): only a tensor of two dimensions is (n, m)."""
    q = ones(3, 4, 3, 2)
    with pytest.raises(ValueError, match="padding of shape"):
        attention(q, q, q, mask=ones(1, 3, 3, dtype=B))


@pytest.mark.quick
@pytest.mark.parametrize("form", DENSE)
def test_shapes_that_do_fit_pass(form):
    q, k = ones(2, 4, 5, 3), ones(2, 2, 7, 3)
    for shape in ((5, 7), (1, 7), (5, 1), (1, 1, 5, 7), (2, 1, 1, 7), (1, 4, 5, 1), (2, 4, 5, 7)):
        assert form(q, k, k, mask=ones(*shape, dtype=B)).shape == q.shape
        assert form(q, k, k, bias=ones(*shape)).shape == q.shape
    for shape in ((7,), (), (4, 5, 7)):
        assert form(q, k, k, bias=ones(*shape)).shape == q.shape
    assert form(q, k, k, dropout=0).shape == q.shape
    assert form(q, k, k, scale=1).shape == q.shape
