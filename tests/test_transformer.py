"""The transformer's parts against PyTorch's layers and formulas; generation against brute force."""

from __future__ import annotations

import io
import itertools
import math
import pickle
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from attn_lib import (
    Block,
    DecoderLM,
    Encoder,
    EncoderDecoder,
    Stack,
    TransformerConfig,
    causal,
    chunks,
    from_torch,
    full,
    global_tokens,
    padding,
    prefix,
    rotary,
    window,
)
from attn_lib.decoding import beam_search, sample

SMALL = TransformerConfig(vocab=13, dim=8, heads=4, layers=3, kv_heads=2)
SLIDING = replace(
    SMALL,
    layer_pattern=("sliding_attention", "chunked_attention", "full_attention"),
    window=3,
    layers=4,
)
LLAMA = replace(SMALL, norm="rms", feed_forward="swiglu", hidden=20, rotary_base=1e5)
BERT = TransformerConfig(
    vocab=13, dim=8, heads=2, layers=3, norm_first=False, bias=True, positions="learned",
    max_length=24, token_types=2, embedding_norm=True, norm_eps=1e-12, hidden=24,
)  # fmt: skip
KINDS = {
    "small": SMALL,
    "sliding": SLIDING,
    "llama": LLAMA,
    "bert": BERT,
    "alibi": replace(SMALL, positions="alibi", kv_heads=None, heads=2),
    "alibi_sliding": replace(SLIDING, positions="alibi"),
    "sinusoidal": replace(SMALL, positions="sinusoidal", tied=False),
    "none": replace(SMALL, positions="none"),
}


def build(model, *configs, **kwargs):
    torch.manual_seed(0)
    built = model(*configs, **kwargs).double().eval()
    with torch.no_grad():
        for name, weight in built.named_parameters():
            if weight.ndim == 1:  # norms and biases: away from ones and zeros
                weight.add_(torch.randn_like(weight) * 0.3)
            elif "embedding" in name:
                weight.mul_(3.0)  # away from uniform predictions
    return built


def tokens(b, n, vocab=13):
    return torch.randint(0, vocab, (b, n))


# the parts


def torch_layer(block, layer, names):
    """Copy a PyTorch layer's weights into a block."""
    block.attention.load_state_dict(from_torch(layer.self_attn).state_dict())
    if hasattr(layer, "multihead_attn"):
        block.cross_attention.load_state_dict(from_torch(layer.multihead_attn).state_dict())
    block.feed_forward.up.load_state_dict(layer.linear1.state_dict())
    block.feed_forward.down.load_state_dict(layer.linear2.state_dict())
    for ours, theirs in names.items():
        getattr(block, ours).load_state_dict(getattr(layer, theirs).state_dict())


@pytest.mark.parametrize("norm_first", [True, False])
def test_block_equals_torch_encoder_layer(norm_first):
    config = replace(BERT, norm_first=norm_first, positions="none", dropout=0.0, norm_eps=1e-5)
    block = build(Block, config)
    layer = nn.TransformerEncoderLayer(
        8, 2, 24, 0.0, "gelu", batch_first=True, norm_first=norm_first, dtype=torch.float64
    )
    torch_layer(block, layer, {"attention_norm": "norm1", "feed_forward_norm": "norm2"})
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    keep = torch.rand(3, 5) < 0.7
    keep[:, 0] = True
    out, maps = block(x, mask=padding(keep))
    assert maps == []
    torch.testing.assert_close(out, layer(x, src_key_padding_mask=~keep))


@pytest.mark.parametrize("norm_first", [True, False])
def test_block_equals_torch_decoder_layer(norm_first):
    config = replace(BERT, norm_first=norm_first, positions="none", norm_eps=1e-5)
    block = build(Block, config, context_dim=8)
    layer = nn.TransformerDecoderLayer(
        8, 2, 24, 0.0, "gelu", batch_first=True, norm_first=norm_first, dtype=torch.float64
    )
    names = {"attention_norm": "norm1", "cross_norm": "norm2", "feed_forward_norm": "norm3"}
    torch_layer(block, layer, names)
    x = torch.randn(2, 4, 8, dtype=torch.float64)
    context = torch.randn(2, 6, 8, dtype=torch.float64)
    keep = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    out, maps = block(x, context, mask=causal, context_mask=padding(keep), return_weights=True)
    hidden = ~causal.dense(4)[0, 0]
    expected = layer(x, context, tgt_mask=hidden, memory_key_padding_mask=~keep)
    torch.testing.assert_close(out, expected)
    assert [tuple(m.shape) for m in maps] == [(2, 2, 4, 4), (2, 2, 4, 6)]


def test_llama_by_its_formulas():
    model = build(DecoderLM, LLAMA)
    state, ids = model.state_dict(), tokens(2, 6)

    def norm(x, name):
        scale = (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return x / scale * state[f"{name}.weight"]

    x = state["embedding.tokens.weight"][ids]
    for layer in range(3):
        at = f"stack.blocks.{layer}"
        h = norm(x, f"{at}.attention_norm")
        q, k, v = (h @ state[f"{at}.attention.{p}_proj.weight"].T for p in "qkv")
        q = rotary(q.view(2, 6, 4, 2).transpose(1, 2), base=1e5)
        k, v = (t.view(2, 6, 2, 2).transpose(1, 2).repeat_interleave(2, 1) for t in (k, v))
        scores = q @ rotary(k, base=1e5).mT / math.sqrt(2)
        scores = scores.masked_fill(torch.ones(6, 6).triu(1).bool(), -math.inf)
        joined = (scores.softmax(-1) @ v).transpose(1, 2).reshape(2, 6, 8)
        x = x + joined @ state[f"{at}.attention.o_proj.weight"].T
        h = norm(x, f"{at}.feed_forward_norm")
        gate, up = (h @ state[f"{at}.feed_forward.{p}.weight"].T for p in ("gate", "up"))
        x = x + (gate * torch.sigmoid(gate) * up) @ state[f"{at}.feed_forward.down.weight"].T
    expected = norm(x, "stack.norm") @ state["embedding.tokens.weight"].T
    torch.testing.assert_close(model(ids), expected)


def test_bert_embedding_by_its_formula():
    model = build(Encoder, BERT)
    state, ids = model.state_dict(), tokens(2, 5)
    types = torch.tensor([[0, 0, 1, 1, 1]] * 2)
    total = (
        state["embedding.tokens.weight"][ids]
        + state["embedding.positions.weight"][:5]
        + state["embedding.types.weight"][types]
    )
    centred = total - total.mean(-1, keepdim=True)
    normed = centred / (total.var(-1, unbiased=False, keepdim=True) + 1e-12).sqrt()
    expected = normed * state["embedding.norm.weight"] + state["embedding.norm.bias"]
    torch.testing.assert_close(model.embedding(ids, types), expected)
    torch.testing.assert_close(model.embedding(ids), model.embedding(ids, torch.zeros_like(ids)))
    out, maps = model(ids, types, return_weights=True)
    torch.testing.assert_close(maps.hidden[0], expected)
    torch.testing.assert_close(maps.hidden[-1], out)
    torch.testing.assert_close(model(ids, types), out)


def test_sinusoidal_positions_are_added_to_the_scaled_tokens():
    model = build(DecoderLM, KINDS["sinusoidal"])
    row = model.embedding.tokens.weight[5] * math.sqrt(8)
    angles = torch.tensor([4 * 10_000 ** (-2 * (i // 2) / 8) for i in range(8)])
    wave = torch.where(torch.arange(8) % 2 == 0, angles.sin(), angles.cos())
    out = model.embedding(torch.full((1, 2), 5), offset=3)[0, 1]
    torch.testing.assert_close(out.float(), (row + wave).float())


def test_layer_kinds_are_masks():
    model = build(DecoderLM, replace(SLIDING, positions="none"))
    ids = tokens(2, 9)
    assert model.config.kinds() == [*SLIDING.layer_pattern, "sliding_attention"]
    _, maps = model(ids, return_weights=True)
    rules = [causal & window(3), causal & chunks(3), causal, causal & window(3)]
    for weights, rule in zip(maps.weights, rules, strict=True):
        assert torch.equal(weights > 0, rule.dense(9).expand(2, 4, 9, 9))


@pytest.mark.parametrize("name", KINDS)
def test_asking_for_weights_does_not_change_the_result(name):
    model, ids = build(DecoderLM, KINDS[name]), tokens(2, 11)
    logits, maps = model(ids, return_weights=True)
    torch.testing.assert_close(model(ids), logits)
    layers, heads = model.config.layers, model.config.heads
    assert [tuple(w.shape) for w in maps.weights] == [(2, heads, 11, 11)] * layers
    assert maps.cross == [] and len(maps.hidden) == layers + 1
    for weights in maps.weights:
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, heads, 11).double())


# what a token may see


@pytest.mark.parametrize("name", KINDS)
def test_no_token_sees_ahead(name):
    model, ids = build(DecoderLM, KINDS[name]), tokens(1, 10)
    before = model(ids)
    for t in range(10):
        changed = ids.clone()
        changed[0, t] = (ids[0, t] + 1) % 13
        moved = (model(changed) - before).abs().amax(-1)[0] > 1e-9
        assert not moved[:t].any() and moved[t]


def test_an_encoder_sees_both_ways_and_no_padding():
    model, ids = build(Encoder, BERT), tokens(2, 6)
    keep = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    out = model(ids, mask=padding(keep))
    changed = ids.clone()
    changed[:, 5] = (ids[:, 5] + 1) % 13
    moved = (model(changed, mask=padding(keep)) - out).abs().amax(-1) > 1e-9
    assert moved[0].all() and not moved[1, :4].any()
    torch.testing.assert_close(out[1, :4], model(ids[1:, :4])[0])


def test_the_mask_of_a_decoder_may_be_another():
    model, ids = build(DecoderLM, SMALL), tokens(1, 6)
    changed = ids.clone()
    changed[0, 2] = (ids[0, 2] + 1) % 13
    moved = {
        name: (
            (model(changed, mask=mask) - model(ids, mask=mask)).abs().amax(-1)[0] > 1e-9
        ).tolist()
        for name, mask in {"full": full, "prefix": causal | prefix(3)}.items()
    }
    assert moved == {"full": [True] * 6, "prefix": [True] * 6}


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_sliding_layers_are_the_same_long_and_short(dropout):
    """From 2 * window tokens on they take the banded path; the mask alone decides the result."""
    config = replace(SLIDING, layer_pattern=("sliding_attention",), dropout=dropout)
    model = build(DecoderLM, config)
    plain = build(DecoderLM, replace(config, layer_pattern=("full_attention",)))
    plain.load_state_dict(model.state_dict())
    ids = tokens(2, 20)
    keep = torch.rand(2, 20) < 0.8
    for mask in (causal, causal & padding(keep), causal & global_tokens(2), full):
        torch.testing.assert_close(
            model(ids, mask=mask), plain(ids, mask=mask & window(3)), rtol=1e-6, atol=1e-8
        )


# generation


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {}, {"top_k": 3, "temperature": 0.7}], ids=str
)
def test_generation_is_the_same_with_and_without_cache(name, options):
    model, ids = build(DecoderLM, KINDS[name]), tokens(3, 5)
    texts = [
        model.generate(ids, 14, cache=cache, generator=torch.Generator().manual_seed(7), **options)
        for cache in (True, False)
    ]
    assert texts[0].shape == (3, 19) and torch.equal(texts[0][:, :5], ids)
    assert torch.equal(*texts)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("sizes", [[9], [1] * 9, [4, 5], [3, 1, 1, 4]], ids=str)
def test_cached_logits_are_the_uncached(name, sizes):
    model, ids = build(DecoderLM, KINDS[name]), tokens(2, 9)
    caches = model.stack.make_caches()
    parts = [model(part, caches=caches) for part in ids.split(sizes, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(ids))


def test_greedy_takes_the_likeliest_each_time():
    model, ids = build(DecoderLM, SMALL), tokens(2, 3)
    expected = ids
    for _ in range(6):
        expected = torch.cat([expected, model(expected)[:, -1].argmax(-1)[:, None]], dim=1)
    assert torch.equal(model.generate(ids, 6, temperature=0), expected)
    assert torch.equal(model.generate(ids, 6, top_k=1), expected)
    assert torch.equal(model.generate(ids, 0), ids)


@pytest.mark.parametrize("cache", [True, False])
def test_stop(cache):
    model, ids = build(DecoderLM, SMALL), tokens(5, 3)
    free = model.generate(ids, 12, temperature=0)
    stop = int(free[0, 5])
    out = model.generate(ids, 12, temperature=0, stop=stop, cache=cache)
    for row, text in zip(out.tolist(), free.tolist(), strict=True):
        end = text.index(stop, 3) + 1 if stop in text[3:] else len(text)
        assert row == (text[:end] + [stop] * 15)[: out.shape[1]]
    assert model.generate(ids[:1], 12, temperature=0, stop=stop).shape[1] <= 6


def test_generation_leaves_the_mode_and_needs_no_gradient():
    model = DecoderLM(replace(SMALL, dropout=0.5))
    assert model.training
    a, b = (model.generate(tokens(1, 3) * 0, 8, temperature=0) for _ in range(2))
    assert torch.equal(a, b) and model.training and not a.requires_grad
    model.eval().generate(tokens(1, 3), 1)
    assert not model.training


def test_sample():
    logits = torch.tensor([[0.0, 2.0, 1.0, -1.0]]).repeat(20_000, 1)
    generator = torch.Generator().manual_seed(0)
    for temperature, top_k in [(1.0, None), (0.5, None), (2.0, 2), (1.0, 9)]:
        drawn = sample(logits, temperature=temperature, top_k=top_k, generator=generator)
        share = torch.bincount(drawn, minlength=4) / 20_000
        expected = (logits[0] / temperature).exp()
        if top_k == 2:
            expected[[0, 3]] = 0
        torch.testing.assert_close(share, expected / expected.sum(), rtol=0, atol=0.02)
        assert top_k != 2 or share[[0, 3]].sum() == 0
    assert sample(logits[:1], temperature=0).tolist() == [1]


# encoder and decoder


def seq2seq(**changes):
    source = replace(BERT, dim=6, vocab=9)
    return build(EncoderDecoder, source, replace(SMALL, layers=2, vocab=5, **changes))


def test_source_padding_is_never_seen():
    model, source, target = seq2seq(), tokens(2, 6, 9), tokens(2, 4, 5)
    keep = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    logits, encoder, decoder = model(source, target, keep=keep, return_weights=True)
    torch.testing.assert_close(model(source, target, keep=keep), logits)
    torch.testing.assert_close(logits[1], model(source[1:, :3], target[1:])[0])
    assert len(encoder.weights) == 3 and encoder.cross == []
    assert [tuple(w.shape) for w in decoder.weights] == [(2, 4, 4, 4)] * 2
    assert [tuple(w.shape) for w in decoder.cross] == [(2, 4, 4, 6)] * 2
    assert all((w[1, :, :, 3:] == 0).all() for w in decoder.cross)


@pytest.mark.parametrize("cache", [True, False])
def test_greedy_translation(cache):
    model, source = seq2seq(), tokens(3, 6, 9)
    keep = torch.arange(6) < torch.tensor([[6], [2], [4]])
    expected = torch.full((3, 1), 1)
    for _ in range(7):
        logits = model(source, expected, keep=keep)
        expected = torch.cat([expected, logits[:, -1].argmax(-1)[:, None]], dim=1)
    assert torch.equal(model.generate(source, 7, start=1, keep=keep, cache=cache), expected)
    stop = int(expected[0, 4])
    greedy = model.generate(source, 7, start=1, stop=stop, keep=keep, cache=cache)
    assert torch.equal(model.beam(source, 7, start=1, stop=stop, width=1, keep=keep)[0], greedy)


@torch.no_grad()
def log_probability(model, source, text, stop, keep):
    logits = model(source, torch.tensor([text[:-1]]), keep=keep)[0].log_softmax(-1)
    total = 0.0
    for at, token in enumerate(text[1:]):
        total += float(logits[at, token])
        if token == stop:
            break
    return total


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@torch.no_grad()
def test_a_wide_beam_finds_the_best_of_all_texts(length_penalty):
    model, source = seq2seq(), tokens(2, 6, 9)
    keep = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    out, scores = model.beam(
        source, 3, start=0, stop=2, width=125, length_penalty=length_penalty, keep=keep
    )
    for row in range(2):
        best, found = -math.inf, None
        for text in itertools.product(range(5), repeat=3):
            if 2 in text:
                text = text[: text.index(2) + 1]
            rest = (2,) * (3 - len(text))
            value = log_probability(
                model, source[row : row + 1], [0, *text], 2, keep[row : row + 1]
            )
            if value / len(text) ** length_penalty > best:
                best, found = value / len(text) ** length_penalty, ([0, *text, *rest], value)
        assert out[row].tolist() == found[0][: out.shape[1]]
        assert scores[row].item() == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize("stop", [1, 2])
@pytest.mark.parametrize("width", [1, 3])
@torch.no_grad()
def test_beam_equals_lists_of_beams(width, stop):
    """The weights are large, so that what a beam wrote decides what it writes, and beams cross."""
    model, source = seq2seq(), tokens(6, 5, 9)
    for block in model.decoder.stack.blocks:
        block.attention.o_proj.weight.mul_(8)
        block.feed_forward.down.weight.mul_(8)
    out, scores = model.beam(source, 6, start=0, stop=stop, width=width)
    for row in range(6):
        beams = [(0.0, [0])]
        for _ in range(6):
            grown = []
            for score, text in beams:
                if stop in text[1:]:
                    grown.append((score, [*text, stop]))
                    continue
                logits = model(source[row : row + 1], torch.tensor([text]))[0, -1].log_softmax(-1)
                grown += [(score + logits[t].item(), [*text, t]) for t in range(5)]
            beams = sorted(grown, reverse=True)[:width]
        assert out[row].tolist() == beams[0][1][: out.shape[1]]
        assert scores[row].item() == pytest.approx(beams[0][0], rel=1e-5)


class Chain(nn.Module):
    """A decoder whose next token depends on the last one alone, by a table of probabilities."""

    def __init__(self, table):
        super().__init__()
        self.config, self.table = replace(SMALL, vocab=len(table)), table
        self.stack = SimpleNamespace(make_caches=list)

    def forward(self, tokens, context, *, context_mask, caches):
        return self.table[tokens].log()


@given(
    seed=st.integers(0, 10**6), width=st.integers(1, 4), steps=st.integers(1, 6),
    penalty=st.sampled_from([0.0, 0.7, 2.0]),
)  # fmt: skip
def test_beams_of_a_chain_equal_lists_of_beams(seed, width, steps, penalty):
    """Beams that wrote the stop token keep their score, wherever they are ranked."""
    table = torch.rand(4, 4, generator=torch.Generator().manual_seed(seed)).softmax(-1)
    out, scores = beam_search(
        Chain(table), torch.tensor([[0], [2]]), steps, stop=1, width=width, length_penalty=penalty
    )
    for row, start in enumerate([0, 2]):
        beams = [(0.0, [start])]
        for _ in range(steps):
            grown = [(score, text) for score, text in beams if 1 in text[1:]]
            for score, text in beams:
                if 1 not in text[1:]:
                    grown += [
                        (score + table[text[-1], t].log().item(), [*text, t]) for t in range(4)
                    ]
            beams = sorted(grown, key=lambda beam: -beam[0])
            # float32 may put two equal scores in either order
            assume(len(beams) <= width or beams[width - 1][0] - beams[width][0] > 1e-5)
            beams = beams[:width]
        ranked = sorted((score / (len(text) - 1) ** penalty for score, text in beams), reverse=True)
        assume(len(ranked) == 1 or ranked[0] - ranked[1] > 1e-5)
        best = max(beams, key=lambda beam: beam[0] / (len(beam[1]) - 1) ** penalty)
        padded = best[1] + [1] * (steps + 1 - len(best[1]))
        assert out[row].tolist() == padded[: out.shape[1]]
        assert scores[row].item() == pytest.approx(best[0], rel=1e-4)


# tools


def test_state_dict_keys_are_stable():
    """Saved weights of users depend on these names: a change here is a breaking release."""
    attention = [f"attention.{p}_proj.weight" for p in "qkvo"]
    block = ["attention_norm.weight", *attention, "feed_forward_norm.weight"]
    block += ["feed_forward.gate.weight", "feed_forward.up.weight", "feed_forward.down.weight"]
    expected = ["embedding.tokens.weight"]
    expected += [f"stack.blocks.{i}.{name}" for i in range(3) for name in block]
    assert list(DecoderLM(LLAMA).state_dict()) == [*expected, "stack.norm.weight"]

    untied = DecoderLM(replace(SMALL, tied=False, layers=1), context_dim=5).state_dict()
    assert [name for name in untied if "cross" in name] == [
        "stack.blocks.0.cross_norm.weight",
        "stack.blocks.0.cross_norm.bias",
        *[f"stack.blocks.0.cross_attention.{p}_proj.weight" for p in "qkvo"],
    ]
    assert list(untied)[-1] == "head.weight"

    bert = list(Encoder(BERT).state_dict())
    assert bert[:5] == [
        "embedding.tokens.weight",
        "embedding.positions.weight",
        "embedding.types.weight",
        "embedding.norm.weight",
        "embedding.norm.bias",
    ]
    assert bert[-2:] == [f"stack.blocks.2.feed_forward.down.{part}" for part in ("weight", "bias")]
    both = EncoderDecoder(BERT, SMALL).state_dict()
    assert {name.split(".")[0] for name in both} == {"encoder", "decoder"}


@pytest.mark.parametrize("name", KINDS)
def test_pickle_and_save(name):
    model, ids = build(DecoderLM, KINDS[name]), tokens(2, 5)
    again = pickle.loads(pickle.dumps(model))
    torch.testing.assert_close(again(ids), model(ids))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    fresh = DecoderLM(KINDS[name]).double().eval()
    fresh.load_state_dict(torch.load(file))
    torch.testing.assert_close(fresh(ids), model(ids))


@pytest.mark.parametrize("name", ["sliding", "llama", "bert"])
def test_compile(name):
    layers = 2 if name == "sliding" else 1
    model, ids = build(DecoderLM, replace(KINDS[name], layers=layers)), tokens(2, 7)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(ids), model(ids))


def test_autocast_and_gradients():
    model = DecoderLM(LLAMA)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(tokens(2, 6))
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), tokens(2, 6).flatten())
    loss.backward()
    assert logits.dtype == torch.bfloat16
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.generate(tokens(2, 3), 4).shape == (2, 7)


def test_a_fresh_model_predicts_almost_evenly():
    for config in KINDS.values():
        torch.manual_seed(0)
        config = replace(config, vocab=50, dim=64, kv_heads=None)
        loss = nn.functional.cross_entropy(
            DecoderLM(config)(tokens(8, 16, 50)).flatten(0, 1), tokens(8, 16, 50).flatten()
        )
        assert abs(loss.item() - math.log(50)) < 0.8


def test_dropout_acts_in_training_alone():
    model, ids = DecoderLM(replace(SMALL, dropout=0.3)), tokens(2, 5)
    assert not torch.equal(model(ids), model(ids))
    model.eval()
    assert torch.equal(model(ids), model(ids))


def test_a_stack_takes_vectors():
    stack = Stack(SMALL)
    assert stack(torch.randn(2, 5, 8), mask=causal).shape == (2, 5, 8)


# errors

small, cross = DecoderLM(SMALL), DecoderLM(SMALL, context_dim=4)
learned = DecoderLM(replace(BERT, max_length=6))


def config(**changes):
    return lambda: replace(SMALL, **changes)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (config(vocab=0), ValueError, "vocab: expected at least 1"),
        (config(layers=1.5), TypeError, "layers: expected a whole number"),
        (config(hidden=0), ValueError, "hidden: expected at least 1"),
        (config(window=0), ValueError, "window: expected at least 1"),
        (config(token_types=-1), ValueError, "token_types: expected at least 0"),
        (config(norm="batch"), ValueError, "norm: expected one of .* got 'batch'"),
        (config(feed_forward="relu"), ValueError, "feed_forward: expected one of"),
        (config(positions="rope"), ValueError, "positions: expected one of"),
        (config(positions="learned"), ValueError, "max_length: expected a number"),
        (config(layer_pattern=()), ValueError, "layer_pattern: expected a sequence"),
        (config(layer_pattern="full_attention"), ValueError, "layer_pattern: expected a sequence"),
        (config(layer_pattern=("local",)), ValueError, r"layer_pattern: .*got \('local',\)"),
        (config(layer_pattern=("sliding_attention",)), ValueError, "window: expected a number"),
        (lambda: small([[1, 2]]), TypeError, "tokens: expected whole numbers, int64, got list"),
        (lambda: small(torch.zeros(2, 3)), TypeError, r"got torch.float32; use tokens.long\(\)"),
        (lambda: small(tokens(2, 3)[0]), ValueError, r"tokens: expected \(b, n\), .*unsqueeze"),
        (lambda: small(tokens(2, 3) + 13), ValueError, "tokens: expected numbers from 0 to 12"),
        (lambda: small(tokens(2, 3) - 13), ValueError, "tokens: .*got -1"),
        (lambda: learned(tokens(2, 7)), ValueError, "tokens: expected at most max_length = 6"),
        (lambda: small(tokens(2, 3), mask=torch.ones(3, 3).bool()), TypeError, "mask: .*padding"),
        (lambda: small(tokens(2, 3), torch.zeros(2, 3, 8)), ValueError, "context: expected None"),
        (lambda: cross(tokens(2, 3)), ValueError, "context: expected a tensor"),
        (lambda: small(tokens(2, 3), caches=[]), ValueError, r"caches: .*make_caches\(\)"),
        (lambda: small.generate(tokens(2, 3), -1), ValueError, "steps: expected at least 0"),
        (lambda: small.generate(tokens(2, 0), 2), ValueError, "tokens: .*at least one token"),
        (lambda: learned.generate(tokens(2, 4), 4), ValueError, "steps: expected at most 3"),
        (lambda: small.generate(tokens(2, 3), 2, temperature=-1), ValueError, "temperature: exp"),
        (lambda: small.generate(tokens(2, 3), 2, top_k=0), ValueError, "top_k: expected at least"),
        (
            lambda: EncoderDecoder(SMALL, SMALL).beam(tokens(1, 3), 2, start=0, stop=1, width=0),
            ValueError,
            "width: expected at least 1",
        ),
        (lambda: small.generate(tokens(2, 3), 2, stop=13), ValueError, "stop: .*0 to 12, .* 13"),
        (
            lambda: EncoderDecoder(SMALL, SMALL).generate(tokens(1, 3), 2, start=-1),
            ValueError,
            "tokens: .* got -1 to -1",
        ),
    ],
)  # fmt: skip
def test_errors_name_the_argument_and_the_remedy(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_learned_positions_reach_max_length():
    assert learned.generate(tokens(2, 4), 3).shape == (2, 7)
