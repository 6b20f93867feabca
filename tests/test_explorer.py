"""The interactive view: what it holds, what it says of itself, what it refuses."""

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest
import torch

from attn_lib import causal
from attn_lib.explorer import HIDDEN, LONGEST, STEPS, Explorer, explore

matplotlib.use("Agg")

TOKENS = ["it", "is", "red"]
WEIGHTS = torch.tensor([[0.2, 0.7, 0.1], [0.3, 0.3, 0.4], [0.0, 0.0, 1.0]])


def random_weights(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).mul(3).softmax(-1)


def data_of(view: Explorer) -> dict:
    """The data as a browser would read them."""
    [text] = re.findall(r'<script type="application/json">(.*?)</script>', view.html, re.DOTALL)
    return json.loads(text)


def stored(view: Explorer) -> np.ndarray:
    """The weights as the page decodes them, (frames, layers, heads, n, m), -1 where hidden."""
    data = data_of(view)
    numbers = np.frombuffer(base64.b64decode(data["weights"]), "<u2")
    shape = [len(data[name]) for name in ("frames", "layers", "heads", "queries", "keys")]
    return np.where(numbers == HIDDEN, -1.0, numbers / STEPS).reshape(shape)


@pytest.mark.parametrize("shape", [(3, 3), (4, 3, 3), (2, 4, 3, 3)])
@pytest.mark.parametrize("frames", [None, [0, 0.5]])
def test_data_survive_the_way_into_the_page(shape, frames):
    weights = random_weights(*([2] if frames else []), *shape)
    view = explore(TOKENS, weights, frames=frames)
    expected = weights.reshape(2 if frames else 1, *[1] * (4 - len(shape)), *shape).numpy()
    assert stored(view).shape == expected.shape
    assert np.abs(stored(view) - expected).max() <= 0.5 / STEPS + 1e-7
    assert data_of(view)["frames"] == (["0", "0.5"] if frames else ["0"])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_every_float_type_and_gradients_are_taken(dtype):
    weights = WEIGHTS.to(dtype).requires_grad_()
    assert np.abs(stored(explore(TOKENS, weights))[0, 0, 0] - WEIGHTS.numpy()).max() < 0.002
    assert np.array_equal(
        stored(explore(TOKENS, WEIGHTS.tolist())), stored(explore(TOKENS, WEIGHTS))
    )


def test_a_list_of_tensors_is_stacked():
    parts = [random_weights(4, 3, 3, seed=seed) for seed in (0, 1)]
    assert np.array_equal(
        stored(explore(TOKENS, parts)), stored(explore(TOKENS, torch.stack(parts)))
    )
    assert explore(TOKENS, tuple(parts)).weights.shape == (1, 2, 4, 3, 3)
    with pytest.raises(ValueError, match="weights: expected parts of one shape"):
        explore(TOKENS, [WEIGHTS, WEIGHTS[:2]])


def test_two_sequences_keep_their_sides():
    view = explore(TOKENS, random_weights(3, 2), keys=["er", "rot"])
    data = data_of(view)
    assert (data["queries"], data["keys"], data["same"]) == (TOKENS, ["er", "rot"], False)
    assert repr(view).startswith("Attention explorer: 3 queries by 2 keys. Largest weights: it → ")


def test_hidden_cells_are_told_from_cells_of_no_weight():
    scores = torch.zeros(2, 3, 3).masked_fill(~causal.dense(3)[0, 0], -1e9)
    for allowed in (causal.dense(3)[0, 0], causal.dense(3)):
        found = stored(explore(TOKENS, scores.softmax(-1), allowed=allowed))
        assert ((found[0, :] == -1) == ~causal.dense(3)[0].numpy()).all()
    empty = torch.zeros(3, 3)
    assert "it → nothing" in repr(explore(TOKENS, empty))
    assert "it → nothing" in repr(explore(TOKENS, empty, allowed=torch.zeros(3, 3) > 0))


def test_the_description_is_made_from_the_data():
    view = explore(TOKENS, WEIGHTS, title="A map")
    said = "it → is 0.70; is → red 0.40; red → red 1.00."
    assert repr(view) == str(view) == f"A map: 3 queries by 3 keys. Largest weights: {said}"
    many = explore(
        TOKENS,
        random_weights(2, 6, 12, 3, 3),
        frames=[1, 4],
        frame_name="sharpness",
        start={"frame": 1, "layer": 5, "head": 3},
        trained=True,
    )
    assert repr(many).startswith(
        "Attention explorer: 3 queries by 3 keys, 6 layers of 12 heads, sharpness from 1 to 4. "
        "Largest weights (sharpness 4, layer 5, head 3): ≈ it → "
    )
    heads = explore(TOKENS, random_weights(2, 3, 3), heads=["before", "after"])
    assert ", 2 heads. Largest weights (head before): " in repr(heads)


def test_all_forms_stand_in_one_bundle():
    view = explore(TOKENS, WEIGHTS, title="A map")
    data, metadata = view._repr_mimebundle_()
    assert list(data) == ["text/html", "image/png", "text/plain"]
    assert data["text/html"] == view._repr_html_() == view.html
    assert data["text/plain"] == repr(view)
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert 200 < metadata["image/png"]["width"] < 500


class Page(HTMLParser):
    """Tags with their attributes, and the scripts' texts left out of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_the_view_needs_nothing_from_outside():
    view = explore(TOKENS, random_weights(2, 2, 3, 3))
    for tag, attributes in Page(view.html).tags:
        assert tag in {"div", "img", "p", "script", "style"}
        assert "href" not in attributes
        assert attributes.get("src", "data:").startswith("data:")
    without_picture = re.sub(r"base64,[^\"]*", "", view.html)
    assert not re.search(r"https?:|//\w|@import|url\(|fetch\(|import\(|XMLHttp", without_picture)


def test_the_view_is_small():
    view = explore([f"token{i}" for i in range(12)], random_weights(6, 12, 12, 12))
    assert len(view.html.encode()) <= 300_000
    assert sum(map(len, view._repr_mimebundle_()[0].values())) <= 300_000


EVIL = ["<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", '"&\u2028{{PNG}}$']


def test_tokens_are_text_whatever_they_say():
    view = explore(EVIL, WEIGHTS, title=EVIL[1], heads=[EVIL[0]], frame_name=EVIL[2])
    good = explore(TOKENS, WEIGHTS, title="A map")
    tags = [tag for tag, _ in Page(view.html).tags]
    assert tags == [tag for tag, _ in Page(good.html).tags]
    assert data_of(view)["queries"] == EVIL
    assert Page(view.html).tags[1][1]["alt"] == repr(view)


def test_long_tokens_and_titles_fit_into_the_picture():
    long = ["a" * 60, "b" * 60, " "]
    width = explore(long, WEIGHTS, title="word " * 30)._repr_mimebundle_()[1]["image/png"]["width"]
    assert width == explore(TOKENS, WEIGHTS)._repr_mimebundle_()[1]["image/png"]["width"]


def test_equal_data_give_equal_pages_and_others_another_name():
    def name(view: Explorer) -> str:
        return Page(view.html).tags[0][1]["id"]

    first, second = explore(TOKENS, WEIGHTS), explore(TOKENS, WEIGHTS)
    assert first.html == second.html
    assert name(first) != name(explore(TOKENS, WEIGHTS.flip(1)))
    assert name(first) != name(explore(["a", "b", "c"], WEIGHTS))
    # numbers of a training run differ by machine: the page's name must not
    runs = [explore(TOKENS, w, trained=True) for w in (WEIGHTS, WEIGHTS.flip(1))]
    assert name(runs[0]) == name(runs[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokens": "it is"}, "tokens: expected a list of strings, got one string; cut it"),
        ({"tokens": []}, "tokens: expected 1 to 64 tokens, got 0"),
        ({"keys": ["a"] * (LONGEST + 1)}, "keys: expected 1 to 64 tokens, got 65; show a part"),
        ({"keys": ["a"]}, r"weights: expected \(..., 3, 1\) for 3 queries and 1 keys, got shape"),
        ({"weights": WEIGHTS[0]}, r"weights: expected \(n, m\), .*, got shape \(3,\); take one"),
        ({"weights": WEIGHTS[:2]}, r"weights: expected \(..., 3, 3\) .* got shape \(2, 3\)"),
        ({"weights": random_weights(0, 3, 3)}, "weights: expected at least one map"),
        ({"weights": WEIGHTS * 2}, "weights: expected rows that sum to at most 1, got 2 at"),
        ({"weights": WEIGHTS.log()}, "weights: expected finite numbers, got -inf at .* allowed="),
        ({"weights": WEIGHTS * float("nan")}, "weights: expected finite numbers, got nan at"),
        ({"weights": WEIGHTS - 0.5}, "weights: expected weights of 0 or more, got -0.3 at"),
        ({"weights": random_weights(999, 300, 3, 3)}, "weights: expected at most 2,000,000"),
        ({"weights": WEIGHTS.T}, "was the softmax taken along the queries"),
        ({"frames": [1, 2]}, r"weights: expected .* with the frames in front, got shape \(3, 3\)"),
        ({"weights": random_weights(3, 3, 3), "frames": [1]}, "frames: expected one name for each"),
        ({"heads": ["a", "b"]}, "heads: expected 1 names, one for each, got 2"),
        ({"layers": "a"}, "layers: expected 1 names, one for each, got one string"),
        ({"allowed": WEIGHTS}, "allowed: expected bool, True where .*, got float32"),
        ({"allowed": torch.ones(2, 2) > 0}, r"allowed: expected a shape that broadcasts to \(3, 3"),
        ({"allowed": causal.dense(3)[0, 0]}, "allowed: expected weights of 0 .* is the mask inv"),
        ({"start": {"token": 1}}, "start: expected the names frame, layer, head, query, got 'tok"),
        ({"start": {"query": 3}}, "start: expected query from 0 to 2, got 3"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore(**{"tokens": TOKENS, "weights": WEIGHTS, **arguments})


def test_a_sink_may_take_a_share():
    assert np.allclose(stored(explore(TOKENS, WEIGHTS * 0.4))[0, 0, 0], WEIGHTS * 0.4, atol=1e-5)


def test_the_picture_waits_and_jupyter_is_not_needed():
    code = (
        "import sys; from attn_lib.explorer import explore; e = explore(['a'], [[1.0]]); str(e);"
        "assert 'matplotlib.pyplot' not in sys.modules; e.html;"
        "assert 'IPython' not in sys.modules and 'matplotlib.pyplot' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
