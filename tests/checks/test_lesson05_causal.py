"""The published causal attention of lesson 05: its two faults are named, alone and joined."""

import math

import pytest
import torch

from attn_lib import checks


def published(*, always_causal: bool, keys: bool):
    """The code of the exercise, with either fault mended."""

    def causal_attention(q, k, v, keep=None):
        n = q.shape[1]
        hidden = torch.ones(n, n, dtype=torch.bool).triu(1)
        if keep is not None:
            hidden = hidden | ~(keep[:, None, :] if keys else keep[:, :, None])
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        if always_causal or keep is not None:
            scores = scores.masked_fill(hidden, -1e9)
        return torch.softmax(scores, dim=-1) @ v

    return causal_attention


@pytest.mark.parametrize(
    ("always_causal", "keys", "mistakes"),
    [
        (True, True, None),
        (False, True, "causal_only_with_keep"),
        (True, False, "padding_seen"),
        (False, False, ["causal_only_with_keep", "padding_seen"]),
    ],
)
def test_the_faults_are_named(always_causal, keys, mistakes):
    report = checks.repair_causal(published(always_causal=always_causal, keys=keys))
    assert report.passed is (mistakes is None)
    assert report.mistake == mistakes
