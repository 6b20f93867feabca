"""Translators, readers and faulty models: by hand, by behaviour, and what their weights reach."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from attn_lib import datasets
from attn_lib.checkpoints import read_note
from attn_lib.datasets import Pair
from attn_lib.datasets.dates import LANGUAGES
from attn_lib.datasets.weather import DAYS as LONG_DAYS
from attn_lib.faulty import FAULTS, FaultyAttention, FaultyEncoderDecoder, train_faulty
from attn_lib.masks import causal, padding
from attn_lib.reader import Reader, load_reader
from attn_lib.training import fit
from attn_lib.translator import Translator, load_translator

DAYS = [day[:3] for day in LONG_DAYS]
PAIRS = [Pair(f"{i}. Juni", f"{i:02d}", "de", {"day": (0, len(str(i)))}) for i in range(1, 31)]


@pytest.fixture(scope="module")
def small() -> Translator:
    """A translator that has learned thirty pairs."""
    pytest.importorskip("safetensors", reason="its checkpoint is a safetensors file")
    made = Translator(PAIRS, dim=32, heads=2)
    feed = datasets.shuffled(*made.encode_pairs(PAIRS), batch=30)
    fit(made.model, feed, made.loss, steps=250, lr=5e-3, progress=False)
    return made


# --- pieces ----------------------------------------------------------------------------------


def test_pieces_are_words_digits_and_signs_with_their_places() -> None:
    text = "15. Juni 2019, год"
    assert datasets.pieces(text) == ["1", "5", ".", "Juni", "2", "0", "1", "9", ",", "год"]
    places = datasets.piece_places(text)
    assert [text[a:z] for a, z in places] == datasets.pieces(text)
    assert datasets.pieces_in(text, (0, 2)) == [0, 1]  # the day
    assert datasets.pieces_in(text, (9, 13)) == [4, 5, 6, 7]
    assert datasets.pieces_in(text, (5, 7)) == datasets.pieces_in(text, (4, 6)) == []  # half a word


def test_german_numbers_are_cut_where_they_are_joined() -> None:
    assert datasets.number_pieces("siebenundneunzig") == ["sieben", "und", "neunzig"]
    assert datasets.number_pieces("siebzehntausendelf") == ["siebzehn", "tausend", "elf"]
    assert datasets.number_pieces("eighty-one thousand and six") == [
        "eighty", "one", "thousand", "and", "six",
    ]  # fmt: skip
    assert datasets.number_pieces("vingt et un") == ["vingt", "et", "un"]
    assert datasets.number_pieces("einundzwanzigste") == ["einundzwanzigste"]  # no such number
    known = set()
    for number in range(0, 100_000, 37):
        for language in ("de", "en", "fr"):
            text = datasets.number_in_words(number, language)
            parts = datasets.number_pieces(text)
            known |= set(parts)
            assert "".join(parts) == "".join(c for c in text if c.isalpha())
    assert len(known) < 100


def test_weather_pieces_have_one_meaning_each() -> None:
    text = "Thu 14.3 mm, Fri 0.0 mm"
    expected = ["Thu", "14", ".3", "Fri", "0", ".0"]
    assert datasets.weather_pieces(text) == expected
    for wrong in ("Thu 14.3", "Thu 114.3 mm", "Tho 1.0 mm", "", "Thu 1.0 mm Fri 2.0 mm"):
        with pytest.raises(ValueError, match="text: expected days with their rain"):
            datasets.weather_pieces(wrong)


def test_sentences_join_again_and_every_real_week_can_be_cut() -> None:
    weeks = datasets.weather_weeks()
    for week in weeks.train + weeks.validation + weeks.test:
        assert "".join(datasets.sentence_pieces(week.target)) == week.target
        assert len(datasets.weather_pieces(week.source)) == 21


def test_invented_weeks_are_right_and_none_is_real() -> None:
    made = datasets.invented_weeks(3000, seed=1)
    assert made[:50] == datasets.invented_weeks(50, seed=1) != datasets.invented_weeks(50, seed=2)
    parts = datasets.weather_weeks()
    real = {week.source for week in parts.train + parts.validation + parts.test}
    assert not real & {week.source for week in made}
    for week in made:
        tokens = datasets.weather_pieces(week.source)
        rain = [int(a) + float(b) for a, b in zip(tokens[1::3], tokens[2::3], strict=True)]
        places = [DAYS.index(day) for day in tokens[::3]]
        assert all((b - a) % 7 == 1 for a, b in itertools.pairwise(places))
        assert week.day == (None if max(rain) == 0 else rain.index(max(rain)))
    assert any(int(week.target.split()[-2]) > 40 for week in made if "mm" in week.target)
    with pytest.raises(ValueError, match="n: expected"):
        datasets.invented_weeks(0)


# --- the translator --------------------------------------------------------------------------


def test_it_learns_what_it_is_shown(small: Translator) -> None:
    assert small.exact_match(PAIRS) == 1.0 and small.exact_match(PAIRS, width=3) == 1.0
    assert small.translate(["7. Juni"]) == ["07"]


def test_loss_is_of_each_true_token_given_the_true_ones_before(small: Translator) -> None:
    sources, targets = small.encode_pairs(PAIRS[:3])
    logits = small.model(sources, targets[:, :-1], keep=sources != 0)
    terms = [
        -logits[i, t].log_softmax(-1)[targets[i, t + 1]]
        for i in range(3)
        for t in range(targets.shape[1] - 1)
        if targets[i, t + 1] != 0
    ]
    expected = torch.stack(terms).mean()
    torch.testing.assert_close(small.loss(small.model, (sources, targets)), expected)


def test_look_gives_weights_of_the_very_tokens(small: Translator) -> None:
    look = small.look("12. Juni")
    assert look.answer == "12" and look.written == ["1", "2", "<eos>"]
    assert look.read == ["1", "2", ".", "Juni"]
    assert [tuple(layer.shape) for layer in look.cross] == [(2, 3, 4)]
    torch.testing.assert_close(look.cross[0].sum(-1), torch.ones(2, 3))


def test_neighbours_in_a_batch_change_no_answer(small: Translator) -> None:
    texts = [pair.source for pair in PAIRS]
    assert small.translate(texts) == [small.translate([text])[0] for text in texts]


def test_what_it_cannot_read_is_named(small: Translator) -> None:
    with pytest.raises(ValueError, match="cannot read 'Floréal'"):
        small.look("12. Floréal")
    with pytest.raises(ValueError, match="cut: expected one of pieces, numbers, weather"):
        Translator(PAIRS, cut="words")


def test_a_checkpoint_holds_all_that_is_needed(small: Translator, tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    small.save(path, steps=250, seed=0, figure="all of thirty")
    note = read_note(path)
    again = Translator(symbols=note["symbols"], **note["sizes"])
    assert again.source.symbols == small.source.symbols and again.longest == small.longest
    assert note["figure"] == "all of thirty" and note["steps"] == 250


# --- shipped weights, each on what no training has seen ---------------------------------------


def test_shipped_dates() -> None:
    pytest.importorskip("safetensors", reason="checkpoints are safetensors files")
    split = datasets.dates(6000, languages=LANGUAGES, seed=5)
    trained = {pair.target for pair in datasets.dates(languages=LANGUAGES).train}
    assert not trained & {pair.target for pair in split.test}
    assert load_translator("06_dates").exact_match(split.test[:500]) > 0.97


def test_shipped_numbers() -> None:
    pytest.importorskip("safetensors", reason="checkpoints are safetensors files")
    split = datasets.number_words(6000, seed=5)
    trained = {pair.target for pair in datasets.number_words(40_000).train}
    assert not trained & {pair.target for pair in split.test}
    translator = load_translator("06_numbers")
    assert translator.exact_match(split.test[:300]) > 0.93
    assert translator.exact_match(split.train[:300]) > 0.97  # 0 to 99 in three languages


def test_shipped_weather() -> None:
    pytest.importorskip("safetensors", reason="checkpoints are safetensors files")
    parts = datasets.weather_weeks()
    assert {week.start.year for week in parts.test} == {2015}
    assert {week.start.year for week in parts.train} == {2012, 2013}
    assert load_translator("06_weather").exact_match(parts.test) > 0.93


def test_shipped_readers_and_the_sentence_they_rest_on() -> None:
    pytest.importorskip("safetensors", reason="checkpoints are safetensors files")
    parts = datasets.stories(0, 20_000)
    stated = {fact for story in parts.train for fact in story.facts}
    test = parts.test[:300]
    assert not stated & {story.facts[story.support] for story in test}
    reader, blind = load_reader(), load_reader("06_reader_blind")
    assert reader.right(test) >= 0.95 and blind.right(test) < 0.6
    story = test[0]
    answer, weights = reader.answer(story.sentences, story.question)
    assert answer == story.answer and int(weights.argmax()) == story.answer_at
    with pytest.raises(ValueError, match="cannot read 'Napoleon'"):
        reader.answer(story.sentences, "Where is Napoleon ?")


# --- the reader ------------------------------------------------------------------------------


@pytest.mark.parametrize("asks", [True, False])
def test_readers_give_weights_over_real_words_only(asks: bool) -> None:
    told = datasets.stories(0, 10).train
    words = {word for story in told for word in (*story.words, *story.question.split())}
    reader = Reader(sorted(words), asks=asks, dim=16, heads=2)
    weights = reader.weights(told)
    torch.testing.assert_close(weights.sum(1), torch.ones(len(told)))
    for row, story in zip(weights, told, strict=True):
        assert (row[len(story.words) :] == 0).all()
        torch.testing.assert_close(  # alone as in the batch
            reader.weights([story])[0], row[: len(story.words)], atol=1e-5, rtol=1e-4
        )
    hidden = torch.zeros(weights.shape, dtype=torch.bool)
    hidden[:, 0] = True
    assert (reader.weights(told, hidden)[:, 0] == 0).all()
    passages, questions, places = reader.encode(told)
    loss = reader.loss(reader.model, (passages, questions, places))
    picked = weights[torch.arange(len(told)), places]
    torch.testing.assert_close(loss, -picked.log().mean())


def test_scores_add_up_to_what_the_weights_are_made_of() -> None:
    told = datasets.stories(0, 10).train
    words = {word for story in told for word in (*story.words, *story.question.split())}
    reader = Reader(sorted(words), dim=16, heads=2)
    passages, questions, _ = reader.encode(told)
    keep = passages != 0
    with torch.no_grad():
        scores = reader.model.scores(passages, questions, keep=keep)
        for i, story in enumerate(told):
            asked, n = len(story.question.split()), len(story.words)
            mean = scores[i, :asked, :n].sum(0)
            mean = mean + reader.model.recency * torch.arange(n)
            torch.testing.assert_close(mean.softmax(0), reader.weights([story])[0][:n])


def test_a_sentence_is_read_by_itself() -> None:
    told = datasets.stories(0, 10).train[:1]
    words = {word for story in told for word in (*story.words, *story.question.split())}
    reader = Reader(sorted(words), dim=16, heads=2)
    passages, questions, _ = reader.encode(told)
    changed = passages.clone()
    changed[0, 0] = changed[0, -2]
    first = torch.tensor(told[0].sentence_of_word) == 0
    with torch.no_grad():
        before, after = (
            reader.model.scores(p, questions, keep=p != 0)[0] for p in (passages, changed)
        )
    torch.testing.assert_close(after[:, ~first], before[:, ~first])
    assert not torch.allclose(after[:, first][:, 1:], before[:, first][:, 1:])


# --- the faults ------------------------------------------------------------------------------


def test_faulty_attention_takes_each_side_from_where_it_says() -> None:
    torch.manual_seed(0)
    x, memory = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    for sides in ("xmm", "xxm", "xmx", "mxx"):
        layer = FaultyAttention(8, 2, sides)
        q, k, v = (
            project(x if side == "x" else memory).view(2, 5, 2, 4).transpose(1, 2)
            for side, project in zip(sides, (layer.q_proj, layer.k_proj, layer.v_proj), strict=True)
        )
        weights = (q @ k.mT / 2).softmax(-1)
        out = layer.o_proj((weights @ v).transpose(1, 2).reshape(2, 5, 8))
        found, shown = layer(x, memory, return_weights=True)
        torch.testing.assert_close(found, out)
        torch.testing.assert_close(shown, weights)
    with pytest.raises(ValueError, match="equal shapes"):
        layer(x[:, :4], memory)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_each_fault_lets_through(fault: str) -> None:
    sizes = Translator(PAIRS, dim=16, heads=2).model
    model = FaultyEncoderDecoder(sizes.encoder.config, sizes.decoder.config, fault).eval()
    source = torch.tensor([[3, 4, 5, 6, 7, 8]])
    target = torch.tensor([[1, 3, 4, 5, 0, 0]])
    ahead, last, padded = target.clone(), source.clone(), source.clone()
    ahead[0, 3] = 7
    last[0, -1] = 9
    padded[0, -1] = 0
    with torch.no_grad():
        out = model(source, target)[0]
        leaks = not torch.allclose(model(source, ahead)[0, 0], out[0])
        sees_last = not torch.allclose(model(last, target)[0, 0], out[0])
    assert leaks == (fault in ("keys_from_target", "values_from_target", "roles_swapped"))
    assert out.shape == (6, model.decoder.config.vocab)
    if fault in ("none", "one_vector", "encoder_causal", "target_mask"):
        assert sees_last
    if fault == "none":
        right = sizes
        right.load_state_dict(model.state_dict())
        keep = padded != 0
        torch.testing.assert_close(model(padded, target), right(padded, target, keep=keep))


def test_the_two_causal_faults_stand_where_they_say() -> None:
    config = Translator(PAIRS, dim=16, heads=2).model
    source, target = torch.tensor([[3, 4, 5, 6, 7, 0]]), torch.tensor([[1, 3, 4, 5, 0, 0]])
    real = padding(source != 0)
    for fault, own, seen in (
        ("encoder_causal", real & causal, real),
        ("causal_cross", real, real & causal),
    ):
        model = FaultyEncoderDecoder(config.encoder.config, config.decoder.config, fault)
        with torch.no_grad():
            memory = model.encoder(source, mask=own)
            expected = model.decoder(target, memory, context_mask=seen)
            torch.testing.assert_close(model(source, target), expected)


def test_faults_are_trained_and_an_unknown_one_is_named() -> None:
    loss, right = train_faulty("none", steps=2, tested=5)
    assert 1 < loss < 4 and right == 0
    with pytest.raises(ValueError, match="fault: expected one of none, one_vector"):
        train_faulty("nonsense", steps=1)
