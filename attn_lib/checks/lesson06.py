"""Exercises of lesson 06: teacher forcing and reading an alignment."""

from __future__ import annotations

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, register
from ._trial import Caller


def _forcing(
    targets: Tensor, bos: int, *, inputs: str = "right", labels: str = "right",
    order: str = "input_first",
) -> tuple[Tensor, Tensor]:  # fmt: skip
    start = torch.full_like(targets[:, :1], bos)
    fed = torch.cat([start, targets[:, :-1]], 1)
    overwritten = torch.cat([start, targets[:, 1:]], 1)
    given = {
        "right": lambda: fed,
        "not_shifted": lambda: targets,
        "one_too_long": lambda: torch.cat([start, targets], 1),
        "no_bos": lambda: targets[:, :-1],
        "overwritten": lambda: overwritten,
        "rolled": lambda: targets.roll(1, 1),
        "ahead": lambda: torch.cat([targets[:, 1:], start], 1),
        "rolled_ahead": lambda: targets.roll(-1, 1),
        "over_batch": lambda: torch.cat([torch.full_like(targets[:1], bos), targets[:-1]]),
        "zero": lambda: torch.cat([start * 0, targets[:, :-1]], 1),
        "twice": lambda: torch.cat([start, start, targets[:, :-2]], 1),
        "all_bos": lambda: torch.full_like(targets, bos),
    }[inputs]()
    asked = {
        "right": lambda: targets,
        "the_input": lambda: fed,
        "shifted": lambda: targets[:, 1:],
        "with_bos": lambda: torch.cat([start, targets], 1),
        "rolled": lambda: targets.roll(-1, 1),
        "zero_end": lambda: torch.cat([targets[:, 1:], start * 0], 1),
        "bos_end": lambda: torch.cat([targets[:, 1:], start], 1),
        "overwritten": lambda: overwritten,
    }[labels]()
    return (given, asked) if order == "input_first" else (asked, given)


def _whole_numbers(call: Caller) -> str | None:
    for found in call(torch.tensor([[5, 3, 8], [7, 4, 6]]), 1):
        if "float" in str(getattr(found, "dtype", "")):
            return "The values are right, but floats: an embedding and a loss want whole numbers."
    return None


teacher_forcing = register(Exercise(
    "teacher_forcing", "06", "teacher_forcing(targets, bos)",
    "What the decoder reads and what it should say, both (b, n), from targets (b, n) that hold "
    "no start token: at place t it has read everything before t, the start token bos first.",
    _forcing,
    lambda: [
        Probe("for 2 targets of 5", (torch.tensor([[5, 3, 8, 2, 9], [7, 4, 6, 5, 2]]), 1)),
        Probe("for 3 targets of 3", (torch.tensor([[5, 3, 8], [7, 4, 6], [2, 9, 4]]), 11)),
        Probe("for 4 targets of 6", (torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8],
                                                   [9, 7, 9, 3, 2, 3], [8, 4, 6, 2, 6, 4]]), 12)),
    ],
    (
        Mistake("not_shifted", {"inputs": "not_shifted"},
                "Your decoder reads at place t the very token that it should say there.",
                "The input is not moved, so copying is all there is to learn.",
                "What should stand in front?", "macrocosm-os/pretraining#64"),
        Mistake("bos_overwrites_the_first", {"inputs": "overwritten"},
                "In your input bos stands in place of the first token, and all others stay.",
                "From place 1 on the decoder reads the token that it should say.",
                "Put bos in front instead of on top, and drop the last token.",
                "ayaka14732/bart-base-jax#6"),
        Mistake("input_one_too_long", {"inputs": "one_too_long"},
                "Your input has one token more than your labels.",
                "Nothing is left to be said after the last token has been read.",
                "Which token does the decoder never need to read?", "[exp]"),
        Mistake("bos_missing", {"inputs": "no_bos", "labels": "shifted"},
                "Both of yours have one place less, and bos stands nowhere.",
                "The first token is never asked for. bos is what it is said after.",
                "Where does bos come in?", "[exp]"),
        Mistake("input_cut_only", {"inputs": "no_bos"},
                "Your input has one token less than your labels.",
                "The last token is dropped, but bos is not put in front.",
                "Where does bos come in?", "[exp]"),
        Mistake("wraps_around", {"inputs": "rolled"},
                "Your input begins with the last token of the target.",
                "roll moves the last token to the front: the decoder is told how it ends.",
                "What should stand in place 0?", "[exp]"),
        Mistake("shifted_the_wrong_way",
                [{"inputs": "ahead"}, {"inputs": "rolled_ahead"}],
                "Your decoder reads at place t the token after the one that it should say.",
                "The input is moved to the left; it must be moved to the right.",
                "Which slice of the targets do you keep?", "[exp]"),
        Mistake("shifted_over_batch", {"inputs": "over_batch"},
                "Your decoder reads the target of another example.",
                "The shift runs along axis 0, the batch; time is axis 1.",
                "Which axis do your slices cut?", "[exp]"),
        Mistake("shifted_by_two", {"inputs": "twice"},
                "Your input is moved by two places.",
                "bos is put in front twice: the decoder never reads the token just before.",
                "How often is the shift done?",
                "huggingface/transformers#47394, huggingface/transformers#44642"),
        Mistake("bos_ignored", {"inputs": "zero"},
                "Your input begins with 0, whatever bos is.",
                "The place for bos is made, but bos is not put there.",
                "Where do you use `bos`?", "[exp]"),
        Mistake("only_bos", {"inputs": "all_bos"},
                "Your input holds bos alone.",
                "The tokens before t are missing; with teacher forcing the decoder reads the "
                "true ones.",
                "What should stand after bos?", "[exp]"),
        Mistake("labels_are_the_input", {"labels": "the_input"},
                "Your labels are your input: bos is asked for at place 0.",
                "Both are the shifted tokens, perhaps one and the same array.",
                "Is the target still what it was when you return it?",
                "huggingface/transformers#3711"),
        Mistake("labels_shifted_too",
                [{"labels": "shifted"}, {"labels": "rolled"}, {"labels": "zero_end"},
                 {"labels": "bos_end"}],
                "Your labels have lost the first token: they are one place ahead.",
                "The input is shifted already; with both shifted, the token just read is skipped.",
                "Which of the two needs the shift?",
                "huggingface/transformers#47394, tamangmilan/llama3#1"),
        Mistake("labels_with_bos", {"labels": "with_bos"},
                "Your labels begin with bos.",
                "bos is never said, only read.", "To which of the two does bos belong?", "[exp]"),
        Mistake("first_label_overwritten", {"labels": "overwritten"},
                "In your labels bos stands in place of the first token.",
                "The target was changed where it is still needed; "
                "it may be one array with the input.",
                "Which array do you write bos into?", "[exp]"),
        Mistake("results_swapped", {"order": "labels_first"},
                "Your two results are exchanged.",
                "The order is: decoder input, labels.", "Look at your `return`.", "[exp]"),
    ),
    notes=(_whole_numbers,),
    gradients=False,
))  # fmt: skip

# ----------------------------------------------------------------------------- alignment

Spans = tuple[tuple[int, int], ...]


def _alignment(
    weights: Tensor, spans: Spans, *, mass: str = "sum", ends: str = "open", pick: str = "largest",
    axis: str = "rows", result: str = "index",
) -> Tensor:  # fmt: skip
    if axis == "columns":
        weights = weights.mT
    if axis == "over_queries":
        weights = weights.softmax(0)
    before, after = {"open": (0, 0), "closed": (0, 1), "late": (1, 0), "early": (0, -1)}[ends]
    parts = [weights[..., start + before : end + after] for start, end in spans]
    columns = {
        "sum": lambda: [p.sum(-1) for p in parts],
        "mean": lambda: [p.mean(-1) for p in parts],
        "largest": lambda: [p.amax(-1) for p in parts],
        "first": lambda: [weights[..., start] for start, _ in spans],
        "last": lambda: [weights[..., end - 1] for _, end in spans],
        "width": lambda: [torch.ones_like(p[..., 0]) * p.shape[-1] for p in parts],
        "smallest": lambda: [p.amin(-1) for p in parts],
        "product": lambda: [p.prod(-1) for p in parts],
    }[mass]()
    score = torch.stack(columns, -1)  # (t, number of spans)
    if pick == "per_span":
        return score.argmax(0)
    if pick == "overall":
        return score.sum(0).argmax().expand(len(weights))
    best = score.argmin(-1) if pick == "smallest" else score.argmax(-1)
    return {
        "index": lambda: best,
        "from_one": lambda: best + 1,
        "mass": lambda: score.amax(-1),
        "masses": lambda: score,
        "start": lambda: torch.tensor([start for start, _ in spans])[best],
        "place": lambda: weights.argmax(-1),
        "holding": lambda: _holding(weights.argmax(-1), spans),
    }[result]()


def _holding(places: Tensor, spans: Spans) -> Tensor:
    """The span in which a place lies, -1 outside of all."""
    found = [[i for i, (a, b) in enumerate(spans) if a <= p < b] for p in places.tolist()]
    return torch.tensor([inside[0] if inside else -1 for inside in found])


def _alignment_probes() -> list[Probe]:
    def rows(*lines: str) -> Tensor:
        table = torch.tensor([[float(c) for c in line] for line in lines], dtype=torch.float64)
        return table / table.sum(-1, keepdim=True)

    gaps = rows("813330211", "112007110", "032229101", "900151021", "221143006")
    square = rows("1333000", "0040222", "5011130", "0103033", "2222900", "1110411", "0009333")
    wide = rows("10222200050", "00400333040", "12000121114", "08111100201")
    return [
        Probe("for 3 words", (gaps, ((1, 2), (2, 5), (6, 9)))),
        Probe("with as many targets as source tokens", (square, ((0, 1), (1, 4), (4, 7)))),
        Probe("for 4 words", (wide, ((1, 2), (2, 6), (6, 8), (8, 11)))),
    ]


read_alignment = register(Exercise(
    "read_alignment", "06", "read_alignment(weights, spans)",
    "For each target token, a row of weights (t, s), the number of the source word that gets most "
    "weight in all: word i is tokens start to end - 1 of spans[i] = (start, end). Returns (t,).",
    _alignment, _alignment_probes,
    (
        Mistake("mean_not_sum", {"mass": "mean"},
                "Your long words lose against short ones.",
                "The mean divides by the number of tokens; the word's share is their sum.",
                "What do you do with the weights of a span?", "[exp]"),
        Mistake("largest_token", [{"mass": "largest"}, {"result": "holding"}],
                "Yours finds the word that holds the one heaviest token.",
                "A word of several tokens shares its weight among them: add them up first.",
                "In which order do you add and look for the largest?", "[exp]"),
        Mistake("first_token_only", {"mass": "first"},
                "Yours looks at the first token of each word alone.",
                "A word's weight is spread over all its tokens.",
                "Where do you use `end`?", "[exp]"),
        Mistake("last_token_only", {"mass": "last"},
                "Yours looks at the last token of each word alone.",
                "A word's weight is spread over all its tokens.",
                "Where do you use `start`?", "[exp]"),
        Mistake("longest_word", {"mass": "width"},
                "Yours finds the longest word, whatever the weights are.",
                "It counts tokens instead of adding up weights.",
                "Where do you use `weights`?", "[exp]"),
        Mistake("end_included", {"ends": "closed"},
                "Your words reach one token too far.",
                "end is the first token after the word, as in a slice.",
                "Look for end + 1.", "[exp]"),
        Mistake("last_token_left_out", {"ends": "early"},
                "Your words end one token too early.",
                "end is the first token after the word, so the slice is start:end.",
                "Look for end - 1.", "[exp]"),
        Mistake("smallest_wins", {"pick": "smallest"},
                "Yours finds the word with the least weight.",
                "The largest sum is asked for.", "Look at argmin, or at the sign.", "[exp]"),
        Mistake("best_target_for_each_word", {"pick": "per_span"},
                "Yours has one number per word, not one per target token.",
                "The largest is looked for along the targets; each target asks for its word.",
                "Look at the axis of argmax.", "[exp]"),
        Mistake("one_word_for_all", {"pick": "overall"},
                "Yours gives the same word to every target token.",
                "The weights of all targets are added up; each row has its own answer.",
                "Look at the axes of your sum.", "[exp]"),
        Mistake("weights_transposed", {"axis": "columns"},
                "Yours reads a target token's weights from a column.",
                "Rows are targets (who asks), columns source tokens.",
                "Which axis do your slices cut?", "[exp]"),
        Mistake("softmax_again", {"axis": "over_queries"},
                "Yours compares shares that sum to 1 over the targets.",
                "The weights are finished; they go through another softmax, along axis 0.",
                "What do you do to the weights first?", "[exp]"),
        Mistake("counted_from_one", {"result": "from_one"},
                "Your words are numbered from 1.",
                "spans[0] is word 0.", "Look for a + 1.", "[exp]", kind="convention"),
        Mistake("start_not_number", {"result": "start"},
                "Yours gives the place where the word starts, not its number.",
                "The number of the span in the list is asked for.",
                "What do you return?", "[exp]"),
        Mistake("token_not_word", {"result": "place"},
                "Yours gives the heaviest token, not the word.",
                "The spans are not used.", "Where do you use `spans`?", "[exp]"),
        Mistake("weight_not_number", {"result": "mass"},
                "Yours gives the largest sum itself, not which word has it.",
                "max gives the value; its place is asked for.",
                "Look at max and argmax.", "[exp]"),
        Mistake("all_sums", {"result": "masses"},
                "Yours gives the sums of all words.",
                "The last step is missing: which of them is largest?",
                "What comes after the sums?", "[exp]"),
    ),
    axes=("the targets",),
    gradients=False,
))  # fmt: skip
