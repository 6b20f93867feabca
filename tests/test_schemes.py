"""Who sees whom in each layer: counts by hand, reach by gradients, and the decoder that obeys."""

from __future__ import annotations

import pytest
import torch

from attn_lib import DecoderLM, causal, chunks, window
from attn_lib.schemes import FULL, SLIDING, Scheme, schemes

LAYERS = 8


def test_pairs_are_counted_over_all_layers() -> None:
    assert Scheme().pairs(10, 3) == 3 * 55
    assert Scheme(causal & window(2)).pairs(10, 3) == 3 * 19
    mixed = Scheme(pattern=(SLIDING, SLIDING, FULL), w=2)
    assert mixed.pairs(10, 3) == 19 + 19 + 55
    assert mixed.pairs(10, 4) == 19 + 19 + 55 + 19  # the pattern begins again


def test_a_sliding_layer_joins_its_window_to_the_mask() -> None:
    near, far = Scheme(causal & chunks(4), (SLIDING, FULL), 2).masks(2)
    assert torch.equal(near.dense(9), (causal & chunks(4) & window(2)).dense(9))
    assert torch.equal(far.dense(9), (causal & chunks(4)).dense(9))


@pytest.mark.parametrize("name", schemes(32))
def test_what_is_reached_is_what_can_change_the_result(name: str) -> None:
    """Change each token in turn; the logits that move are those that `reached` names."""
    scheme = schemes(32)[name]
    torch.manual_seed(0)
    model = scheme.decoder(40, layers=3, dim=8, heads=2).double()
    tokens = torch.arange(32)[None]
    with torch.no_grad():
        before = model(tokens, mask=scheme.mask)
        reached = scheme.reached(32, 3)
        for j in range(32):
            changed = tokens.clone()
            changed[0, j] = 39
            moved = (model(changed, mask=scheme.mask) != before).any(-1)[0]
            assert torch.equal(moved, reached[:, j])


def test_the_decoder_has_the_schemes_kinds_of_layers() -> None:
    model = schemes(64)["3:1"].decoder(20, layers=LAYERS, dim=8, heads=2)
    assert isinstance(model, DecoderLM)
    assert model.config.kinds() == ([SLIDING] * 3 + [FULL]) * 2
    assert model.config.window == 4


def test_all_schemes_look_back_only_and_at_themselves() -> None:
    for scheme in schemes(64).values():
        for mask in scheme.masks(LAYERS):
            table = mask.dense(64)[0, 0]
            assert not table.triu(1).any() and table.diagonal().all()


def test_sizes_follow_from_the_length() -> None:
    small, large = schemes(64), schemes(256)
    for name in ("window n/32", "window n/16", "dilated", "chunked", "5:1"):
        shares = [
            s[name].pairs(n, LAYERS) / s["full"].pairs(n, LAYERS)
            for s, n in ((small, 64), (large, 256))
        ]
        assert shares[0] == pytest.approx(shares[1], abs=0.02)
    far = torch.arange(64)[:, None] - torch.arange(64)
    strided = small["strided"].mask.dense(64)[0, 0]
    assert torch.equal(strided, (far >= 0) & ((far < 4) | (far % 8 == 0)))
