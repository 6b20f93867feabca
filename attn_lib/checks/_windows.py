"""Windows with switches, and their mistakes: the reference that lessons 07 and 08 share."""

from __future__ import annotations

import torch
from torch import Tensor

from ._exercise import Mistake
from ._localise import Seen

INF = float("inf")


def told(mask: Tensor, form: str) -> Tensor:
    """A mask as boolean, the other way round, or as numbers to add to scores."""
    if form == "bool":
        return mask
    if form == "inverted":
        return ~mask
    low = {"-inf": -INF, "-1e9": -1e9, "finfo": torch.finfo(torch.float32).min}[form]
    return torch.zeros(mask.shape).double().masked_fill(~mask, low)


FORMS = (
    Mistake("mask_inverted", {"form": "inverted"},
            "Your mask is True exactly where it should be False.",
            "nn.MultiheadAttention marks hidden keys by True; in this course True means "
            "'may attend', as in scaled_dot_product_attention.",
            "Is your comparison about what is seen, or about what is hidden?",
            "rasbt/LLMs-from-scratch#1062, huggingface/transformers#38094"),
    Mistake("mask_of_scores", [{"form": "-inf"}, {"form": "-1e9"}, {"form": "finfo"}],
            "Your mask holds 0 for what is seen and a huge negative number for the rest.",
            "Such a mask is added to the scores; here a mask is boolean, True for 'may attend'.",
            "What is there before you turn it into numbers?",
            "pytorch/pytorch#103963", kind="convention"),
)  # fmt: skip


def shown(seen: Seen, probes: tuple[str, ...]) -> str | None:
    """The first wrong row of a mask in words: what the query sees, and what it should see."""
    for name in probes:
        got, want = seen.got(name), seen.want(name)
        if got is None or got.shape != want.shape or (got.astype(bool) == want).all():
            continue
        i = int((got.astype(bool) != want).any(1).argmax())
        mine, right = (f"{[int(j) for j in row.nonzero()[0]]}" for row in (got[i], want[i]))
        return f"{name}, query {i} sees the keys {mine}; it should see {right}."
    return None


# -------------------------------------------------------------------------- the sliding window


def band(
    n: int, w: int, *, reach: str = "w", side: str = "causal", edge: str = "none",
    form: str = "bool",
) -> Tensor:  # fmt: skip
    """Query i sees key j where 0 <= i - j < w, (n, n)."""
    if reach == "none" and side in ("both", "no_upper", "or"):
        raise ValueError("nothing is hidden")
    i, j = torch.arange(n)[:, None], torch.arange(n)
    gap = i - j
    far = {"both": gap.abs(), "or": gap.abs(), "future": -gap}.get(side, gap)
    near = {
        "w": lambda: far < w, "w+1": lambda: far <= w, "w-1": lambda: far < w - 1,
        "half": lambda: far <= w // 2, "none": lambda: far > -n,
        "blocks": lambda: i // w == j // w,
        "previous_block": lambda: (i // w - j // w).abs() <= 1,
        "first": lambda: (j < w) & (i > -1), "last": lambda: (j >= n - w) & (i > -1),
    }[reach]()  # fmt: skip
    mask = {
        "causal": lambda: near & (gap >= 0), "both": lambda: near, "no_upper": lambda: near,
        "future": lambda: near & (gap <= 0), "peek": lambda: near & (gap >= -1),
        "strict": lambda: near & (gap >= 1), "or": lambda: near | (gap >= 0),
        "centred": lambda: gap.abs() <= w // 2, "centred_low": lambda: gap.abs() <= (w - 1) // 2,
        "centred_even": lambda: (gap <= w // 2) & (-gap < w - w // 2),
    }[side]()  # fmt: skip
    return told(_edge(mask, gap, w, reach, edge), form)


def _edge(mask: Tensor, gap: Tensor, w: int, reach: str, edge: str) -> Tensor:
    """What the first rows see when the start of their window lies before token 0."""
    if edge == "none":
        return mask
    n, j = len(mask), torch.arange(len(mask))
    span = {"w": w, "w+1": w + 1, "w-1": w - 1, "half": w // 2 + 1}[reach]
    start = torch.arange(n)[:, None] - span + 1
    if edge == "slice":  # [-3:1] counts from the end
        return mask & ((start >= 0) | (j >= (n + start).clamp(min=0)))
    if edge == "full":
        return mask | ((start < 0) & (j < span))
    if edge == "index" and span > n + 1:
        raise IndexError("index is out of bounds")
    return mask | ((gap < 0) & (gap % n < span))


WIDTH = (
    Mistake("window_one_too_wide", {"reach": "w+1"},
            "With w = 4 your queries see 5 keys.",
            "You count the keys before the token, as flash-attention and JAX do. Here, as in "
            "Hugging Face's models, w counts the token itself too.",
            "Try w = 1: which keys should be left? Then look at < and <=.",
            "huggingface/transformers#39408, ml-explore/mlx-lm#390, apple/axlearn#1009, "
            "maxtext#4289"),
    Mistake("window_one_too_narrow", {"reach": "w-1"},
            "With w = 4 your queries see 3 keys.",
            "w counts the visible keys, the token itself included: i - j runs from 0 to w - 1.",
            "Try w = 1: which keys should be left?", "ml-explore/mlx-lm#390"),
    Mistake("half_a_window", {"reach": "half"},
            "With w = 6 your queries look back three tokens; they may look back five.",
            "w / 2 belongs to windows that look to both sides; a causal one has all of w behind.",
            "What do you do with w before you compare?", "[exp]"),
    Mistake("no_window", {"reach": "none"},
            "Your queries see every earlier key, however far back.",
            "That is the plain causal rule: the lower end of the window is missing.",
            "Where does your code use w?", "[exp]"),
    Mistake("blocks_not_sliding", {"reach": "blocks"},
            "Query 4 sees only itself when w = 4, and query 3 sees four keys.",
            "You cut the sequence into blocks. The window moves on with each query and looks "
            "across the edges of blocks.",
            "What do you compare, distances or block numbers?", "[exp]"),
    Mistake("whole_previous_block", {"reach": "previous_block"},
            "With w = 4 your later queries see between 5 and 8 keys.",
            "Every query sees its own block and all of the block before; the window "
            "itself is not cut out of these two.",
            "Which distances are left within the two blocks?", "[exp]"),
    Mistake("window_does_not_move", [{"reach": "first"}, {"reach": "last"}],
            "Your window stands still: late queries see the keys that early ones see.",
            "The limit is a fixed position, not a distance from the query.",
            "Does your lower limit depend on i?", "[exp]"),
)  # fmt: skip

SIDES = (
    Mistake("future_visible", {"side": "no_upper"},
            "Your first query sees every later key.",
            "Only the lower end of the window is checked; nothing hides the keys after the query.",
            "A window has two ends: what do you demand of j beside j > i - w?",
            "huggingface/transformers#41228"),
    Mistake("two_sided", {"side": "both"},
            "Your queries see as many keys after them as before them.",
            "A distance without its sign knows no future; a causal window looks back only.",
            "Look for abs(), or for a second condition.", "huggingface/transformers#41228"),
    Mistake("centred_window",
            [{"side": "centred"}, {"side": "centred_low"}, {"side": "centred_even"}],
            "Your queries see keys on both sides, about w in all.",
            "The window is centred on the query, as in Longformer; a causal one ends there.",
            "Where does your window end?", "huggingface/transformers#41228"),
    Mistake("looks_ahead", {"side": "future"},
            "Your queries see themselves and later keys only.",
            "Rows and columns are exchanged: in mask[i, j] the query i is the row.",
            "Do you ask for i - j or for j - i?", "[exp]"),
    Mistake("peeks_one_ahead", [{"side": "peek"}, {"side": "peek", "reach": "w-1"}],
            "Each query sees the token right after it.",
            "The upper end lies one too far: a token may see itself, and nothing later.",
            "Look at diagonal= of tril, or at the end of your slice.", "[exp]"),
    Mistake("itself_hidden", [{"side": "strict"}, {"side": "strict", "reach": "w+1"}],
            "Your queries do not see themselves, and the first query sees nothing.",
            "The window ends at the token, and the token is in it: w counts it.",
            "Look at < and <=, or at diagonal=.", "pbloem/former#10"),
    Mistake("either_not_both", {"side": "or"},
            "Your queries see all earlier keys, and the next few too.",
            "A key is shown when it is earlier *or* near; both must hold.",
            "Look at how you put the two conditions together.", "keras-team/keras-io#1046"),
)  # fmt: skip

EDGES = (
    Mistake("slice_from_the_end", {"edge": "slice"},
            "Your first queries see nothing.",
            "A slice that starts at a negative number counts from the end of the row.",
            "What is i - w + 1 for the first queries?", "[exp]"),
    Mistake("wraps_around", [{"edge": "ring"}, {"edge": "index"}],
            "Your first queries see the last keys of the sequence.",
            "A window that begins before token 0 goes on at the other end: negative indices and "
            "roll both do that.",
            "What should happen when i - w + 1 is below 0?", "[exp]"),
    Mistake("first_rows_filled_up", {"edge": "full"},
            "Your first queries see w keys too, and so look ahead.",
            "The start is moved up to token 0, and the end moved with it. Early queries have "
            "fewer than w keys.",
            "Where does the window of query 0 end?", "[exp]"),
)  # fmt: skip
