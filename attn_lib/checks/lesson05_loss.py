"""Exercise of lesson 05: the loss of predicting the next token."""

from __future__ import annotations

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register
from ._trial import Caller


def _pairs(logits: Tensor, tokens: Tensor, shift: str) -> tuple[Tensor, Tensor]:
    """Predictions (b, m, vocabulary) and what they are compared with (b, m)."""
    return {
        "right": lambda: (logits[:, :-1], tokens[:, 1:]),
        "none": lambda: (logits, tokens),
        "twice": lambda: (logits[:, :-2], tokens[:, 2:]),
        "back": lambda: (logits[:, 1:], tokens[:, :-1]),
        "both_cut": lambda: (logits[:, :-1], tokens[:, :-1]),
        "both_cut_first": lambda: (logits[:, 1:], tokens[:, 1:]),
        "rolled": lambda: (logits, tokens.roll(-1, 1)),
        "rolled_back": lambda: (logits, tokens.roll(1, 1)),
        "last": lambda: (logits[:, -2:-1], tokens[:, -1:]),
        "over_batch": lambda: (logits[:-1], tokens[1:]),
    }[shift]()


def _log_probabilities(logits: Tensor, form: str) -> Tensor:
    return {
        "log": lambda: logits.log_softmax(-1),
        "twice": lambda: logits.softmax(-1).log_softmax(-1),
        "probability": lambda: logits.softmax(-1),
        "raw": lambda: logits,
        "over_positions": lambda: logits.log_softmax(1),
        "over_batch": lambda: logits.log_softmax(0),  # (over_* act after the shift)
        "bits": lambda: logits.log_softmax(-1) / torch.log(torch.tensor(2.0).double()),
        "error": lambda: logits.softmax(-1) - 1,
    }[form]()


def _counted(targets: Tensor, pad: int | None, pads: str) -> Tensor:
    """True where a target counts."""
    if pads in ("zero", "zero_if_pad"):
        use = 0 if pads == "zero" or pad is not None else None
        return targets != use if use is not None else torch.ones_like(targets).bool()
    if pad is None or pads in ("counted", "kept_in_mean"):
        return torch.ones_like(targets).bool()
    return (targets == pad) if pads == "only" else targets != pad


def _loss(
    logits: Tensor, tokens: Tensor, pad: int | None = None, *, shift: str = "right",
    form: str = "log", arranged: str = "right", pads: str = "left_out", mean: str = "tokens",
    sign: int = -1, result: str = "loss",
) -> Tensor:  # fmt: skip
    size = logits.shape[-1]
    if form in ("all_positions", "all_sequences"):  # before the shift, over the wrong axis
        logits, form = logits.log_softmax(1 if form == "all_positions" else 0), "raw"
    guesses, targets = _pairs(logits, tokens, shift)
    scores = _log_probabilities(guesses, form)
    if arranged == "reshaped":  # (b, m, vocabulary) read on in storage order as (b, vocabulary, m)
        wrong = guesses.reshape(guesses.shape[0], size, -1).mT
        scores = _log_probabilities(wrong, form)
    if arranged == "tokens_transposed":
        targets = targets.T.reshape(targets.shape)
    if pads == "by_the_guess" and pad is not None:  # leaves out where the input is padding
        counts = tokens[:, : targets.shape[1]] != pad
    else:
        counts = _counted(targets, pad, pads)
    each = sign * scores.gather(-1, targets.clamp(0, size - 1)[..., None])[..., 0]  # (b, m)
    if pads == "kept_in_mean" and pad is not None:
        each = each * (targets != pad)
    rows = (each * counts).sum(1)
    loss = {
        "tokens": lambda: rows.sum() / counts.sum(),
        "sequences": lambda: (rows / counts.sum(1)).mean(),
        "sum": lambda: rows.sum(),
        "per_sequence": lambda: rows.sum() / len(rows),
        "all_places": lambda: rows.sum() / tokens.numel(),
        "vocabulary": lambda: rows.sum() / counts.sum() / size,
        "none": lambda: each * counts,
    }[mean]()
    return loss.exp() if result == "perplexity" else loss


def _probes() -> list[Probe]:
    tokens = torch.tensor([[3, 1, 6, 2, 0], [5, 5, 0, 4, 1], [0, 2, 4, 1, 3]])
    padded = torch.tensor([[3, 0, 2, 6, 6, 6], [5, 1, 0, 4, 2, 3]])
    zeros = torch.tensor([[2, 4, 1, 3, 0, 0, 0], [1, 3, 0, 0, 0, 0, 0], [4, 1, 2, 3, 2, 0, 0],
                          [3, 2, 4, 1, 2, 4, 1]])  # fmt: skip
    square = torch.tensor([[1, 3, 0, 2], [2, 2, 1, 0], [0, 1, 3, 3], [3, 0, 2, 1]])
    return [
        Probe("without padding", (numbers(61, 3, 5, 7), tokens)),
        Probe("with padding, pad=6", (numbers(62, 2, 6, 7, spread=1.5), padded, 6)),
        Probe("with padding, pad=0", (numbers(63, 4, 7, 5, spread=1.5), zeros, 0)),
        Probe("with all sizes equal", (numbers(64, 4, 4, 4, spread=3.0), square)),
    ]


def _large(call: Caller) -> str | None:
    found = call.numbers(numbers(65, 2, 4, 5) * 1000, torch.tensor([[1, 2, 3, 4], [0, 2, 4, 1]]))
    if not bool(torch.from_numpy(found).isfinite().all()):
        return "With logits a thousand times larger it is not finite: take log_softmax in one step."
    return None


next_token_loss = register(Exercise(
    "next_token_loss", "05", "next_token_loss(logits, tokens, pad=None)",
    "Mean cross-entropy, in nats, of predicting tokens[:, t + 1] from logits[:, t]: logits "
    "(b, n, vocabulary), tokens (b, n). Targets that equal pad do not count.",
    _loss, _probes,
    (
        Mistake("not_shifted", {"shift": "none"},
                "Your loss rewards a model for repeating its input.",
                "logits[:, t] is compared with tokens[:, t], which the model has just read. "
                "It must predict the next one.",
                "Which token belongs to logits[:, 0]?",
                "macrocosm-os/pretraining#64, huggingface/transformers#3711"),
        Mistake("shifted_twice", {"shift": "twice"},
                "Your loss is that of predicting the token after the next.",
                "The shift is done twice: once in the tokens and once in the loss.",
                "Which token belongs to logits[:, 0]?",
                "huggingface/transformers#47394, tamangmilan/llama3#1"),
        Mistake("shifted_back", {"shift": "back"},
                "Your loss is that of predicting the token before.",
                "The two slices are exchanged, so the model need only remember.",
                "Which of the two loses its last place?", "[exp]"),
        Mistake("cut_but_not_shifted", [{"shift": "both_cut"}, {"shift": "both_cut_first"}],
                "Your loss rewards a model for repeating its input, on all places but one.",
                "Logits and tokens are cut at the same end, so place t still meets place t.",
                "Which of the two loses its first place?", "macrocosm-os/pretraining#64"),
        Mistake("wraps_around", {"shift": "rolled"},
                "The last place of yours is asked for the first token.",
                "roll puts the first token at the end; the last place has no target.",
                "What does your last target hold?", "[exp]"),
        Mistake("rolled_the_wrong_way", {"shift": "rolled_back"},
                "Your loss is that of predicting the token before, round the end.",
                "roll by +1 moves tokens to the right; the next token comes from the right.",
                "Look at the sign of your roll.", "[exp]"),
        Mistake("last_token_only", {"shift": "last"},
                "Your loss counts the last token alone.",
                "Every place predicts its next token: n - 1 losses in one pass.",
                "Look for an index -1.", "[exp]"),
        Mistake("shifted_over_batch", {"shift": "over_batch"},
                "Your loss compares each sequence with the next one of the batch.",
                "The slice cuts axis 0, the batch; time is axis 1.",
                "Which axis do your slices cut?", "[exp]"),
        Mistake("pads_counted", {"pads": "counted"},
                "With padding your loss counts the padding too.",
                "Padding is easy to predict, so the loss looks better or worse than the text's.",
                "Where do you use `pad`?",
                "huggingface/transformers#2759, Lightning-Universe/lightning-transformers#266"),
        Mistake("pads_in_the_mean", {"pads": "kept_in_mean"},
                "With padding your loss is too small.",
                "Losses on padding are set to 0, but still counted in the mean.",
                "By how many tokens do you divide?",
                "Lightning-Universe/lightning-transformers#266"),
        Mistake("wrong_pad", [{"pads": "zero"}, {"pads": "zero_if_pad"}],
                "Your loss leaves out token 0, whichever token is the padding.",
                "The number to leave out is given by `pad`.",
                "Look at ignore_index.", "huggingface/transformers#2759"),
        Mistake("only_pads_count", {"pads": "only"},
                "With padding your loss counts nothing but the padding.",
                "The condition is turned around.", "Look at == and !=.", "[exp]"),
        Mistake("padding_by_input", {"pads": "by_the_guess"},
                "With padding your loss counts the step from the last token to the padding.",
                "You leave out places whose input is padding; it is the target that matters.",
                "Which slice of the tokens do you compare with pad?", "[exp]"),
        Mistake("softmax_before_cross_entropy", {"form": "twice"},
                "Your loss changes little, however sure the logits are.",
                "The logits go through a softmax before the cross-entropy, which has its own.",
                "What does cross_entropy expect?",
                "bkitano/llama-from-scratch#5"),
        Mistake("no_logarithm", [{"form": "probability"}, {"form": "error"}],
                "Your loss stays between -1 and 1, however wrong the prediction is.",
                "It averages probabilities; the cross-entropy averages their logarithms.",
                "Where is the log?", "[exp]"),
        Mistake("no_softmax", {"form": "raw"},
                "Adding 1 to all logits changes your loss; it should not.",
                "The raw logits are averaged; log-probabilities are asked for.",
                "Where is the softmax?", "[exp]"),
        Mistake("softmax_over_positions",
                [{"form": "all_positions"}, {"form": "over_positions"}],
                "Your probabilities sum to 1 over the positions, not over the vocabulary.",
                "The softmax runs over axis 1; the words of the vocabulary compete, "
                "not the positions.",
                "Look at the axis of the softmax.", "[exp]"),
        Mistake("softmax_over_batch", [{"form": "all_sequences"}, {"form": "over_batch"}],
                "Your probabilities sum to 1 over the batch, not over the vocabulary.",
                "The softmax runs over axis 0.", "Look at the axis of the softmax.", "[exp]"),
        Mistake("minus_missing", {"sign": 1},
                "Your loss is negative.",
                "It averages log-probabilities; the loss is their negative.",
                "Look for the minus.", "[exp]"),
        Mistake("in_bits", {"form": "bits"},
                "Your loss is 1.443 times the expected one: it is in bits.",
                "That is a good unit, and lesson 05 uses it for text; the task asks for nats.",
                "Which logarithm do you take?", "[exp]"),
        Mistake("perplexity", {"result": "perplexity"},
                "Your number is e to the power of the loss: the perplexity.",
                "The loss itself is asked for.", "Leave out the last exp.", "[exp]"),
        Mistake("reshape_for_transpose", {"arranged": "reshaped"},
                "Your loss mixes logits of several positions into one prediction.",
                "reshape to (b, vocabulary, n) reads on in storage order; a transpose is meant.",
                "How do the logits get the shape that the loss wants?", "weirme/FCSN#32"),
        Mistake("tokens_transposed", {"arranged": "tokens_transposed"},
                "Your logits of one sequence meet tokens of another.",
                "Tokens are flattened in the order (n, b), logits in the order (b, n).",
                "Are both flattened in the same order?", "weirme/FCSN#32"),
        Mistake("mean_of_means", {"mean": "sequences"},
                "With padding a short sequence weighs as much as a long one.",
                "You average each sequence first and then the sequences. "
                "Each token should weigh the same.",
                "Over what do you average first?", "[exp]"),
        Mistake("sum_not_mean", {"mean": "sum"},
                "Your loss grows with the number of tokens.",
                "It is the sum over all of them; the mean is asked for.",
                "Look at the last reduction.", "[exp]"),
        Mistake("mean_over_batch_only", {"mean": "per_sequence"},
                "Your loss grows with the length of the sequences.",
                "Tokens are summed, and only the batch is averaged.",
                "By what do you divide?", "[exp]"),
        Mistake("divided_by_all_places", {"mean": "all_places"},
                "Your loss is too small, most of all for short sequences.",
                "You divide by b * n; n - 1 places of a sequence have a target, "
                "fewer with padding.",
                "How many losses do you add up?", "[exp]"),
        Mistake("divided_by_vocabulary", {"mean": "vocabulary"},
                "Your loss is too small by the size of the vocabulary.",
                "The mean runs over the vocabulary too; a token has one loss.",
                "Which axes does your mean run over?", "[exp]"),
        Mistake("not_averaged", {"mean": "none"},
                "Yours is a table of losses, one per place.",
                "One number is asked for.", "What is the last reduction?", "[exp]"),
    ),
    notes=(_large,),
))  # fmt: skip
