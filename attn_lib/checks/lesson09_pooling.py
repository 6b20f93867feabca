"""Exercises of lesson 09: one vector for a sentence, and the repair of published pooling."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register
from ._trial import Caller


def _mean_pool(
    hidden: Tensor, keep: Tensor, *, kept: str = "as_is", by: str = "count", pool: str = "mean",
    axis: str = "tokens", after: str = "none", broadcast: str = "right",
    empty: str = "nan",
) -> Tensor:  # fmt: skip
    b, n, _ = hidden.shape
    real = {
        "as_is": lambda: keep, "inverted": lambda: ~keep, "all": lambda: torch.ones_like(keep),
        "first_count": lambda: torch.arange(n) < keep.sum(1, keepdim=True),
        "first_count_less": lambda: torch.arange(n) < keep.sum(1, keepdim=True) - 1,
        "no_first": lambda: keep & (keep.cumsum(1) > 1),
        "no_last": lambda: keep & (keep.flip(1).cumsum(1).flip(1) > 1),
        "no_ends": lambda: keep & (keep.cumsum(1) > 1) & (keep.flip(1).cumsum(1).flip(1) > 1),
        "longest": lambda: (torch.arange(n) < keep.sum(1).max()).expand(b, n),
    }[kept]()  # fmt: skip
    if pool == "first":
        return hidden[:, 0]
    if pool == "last":
        return hidden[:, -1]
    if pool == "first_real":
        return hidden[torch.arange(b), real.long().argmax(1)]
    if pool == "last_real":
        return hidden[torch.arange(b), n - 1 - real.flip(1).long().argmax(1)]
    if pool == "last_by_count":
        return hidden[torch.arange(b), real.sum(1) - 1]
    if pool == "max":
        return hidden.masked_fill(~real[..., None], float("-inf")).amax(1)
    if pool == "unpooled":
        return hidden * real[..., None]
    weights = real.double()
    if broadcast == "features":
        if n != hidden.shape[-1]:
            raise ValueError("sizes do not match")
        weighted = hidden * weights[:, None] if b != n else hidden * weights
    else:
        weighted = hidden * weights[..., None]
    count = weights.sum(1, keepdim=True)
    if axis.endswith("mean"):
        return weighted.mean({"features_mean": 2, "batch_mean": 0}[axis])
    if axis == "features":
        return weighted.sum(2) / count
    if axis == "batch":
        return (weighted.sum(0) / weights.sum(0)[:, None].clamp(min=1e-9)).nan_to_num()
    if axis == "everything":
        return weighted.sum((0, 1)) / weights.sum()
    by_what: dict[str, Any] = {
        "count": count, "n": n, "one": 1, "n_real": count + 1, "root": count.sqrt(),
        "less": count - 1, "longest": weights.sum(1).max(), "batch": weights.sum(),
        "mean": weights.sum() / b, "no_axis": weights.sum(1), "square": count**2,
        "numbers": count * hidden.shape[-1], "asked": keep.sum(1, keepdim=True),
    }  # fmt: skip
    out = weighted.sum(1) / by_what[by]
    if empty == "zero":
        out = out.nan_to_num()
    if after == "axis_kept":
        return out[:, None]
    return torch.nn.functional.normalize(out, dim=-1) if after == "normalised" else out


def _pool_probes() -> list[Probe]:
    def rows(*texts: str) -> Tensor:
        return torch.tensor([[c == "#" for c in text] for text in texts])

    return [
        Probe("with padding at the end",
              (numbers(101, 3, 5, 4, shift=0.3), rows("###..", "####.", "##..."))),
        Probe("with padding in front",
              (numbers(102, 2, 6, 3, shift=0.3), rows("..####", "...###"))),
        Probe("with all sizes equal",
              (numbers(103, 4, 4, 4, shift=0.3), rows("###.", "##..", ".###", "####"))),
        Probe("without padding", (numbers(104, 2, 3, 5, shift=0.3), rows("###", "###"))),
    ]  # fmt: skip


def _no_token(call: Caller) -> str | None:
    keep = torch.tensor([[True, True, False], [False, False, False]])
    row = call.numbers(numbers(105, 2, 3, 4), keep)[1]
    if not bool(torch.from_numpy(row).isfinite().all()):
        return "A sentence with no real token gives NaN (0 / 0); clamp the count if you meet one."
    return None


mean_pool = register(Exercise(
    "mean_pool", "09", "mean_pool(hidden, keep)",
    "Mean of the real tokens' vectors: hidden (b, n, d), keep (b, n) True for a real token, "
    "to (b, d).",
    _mean_pool, _pool_probes,
    (
        Mistake("padding_is_averaged", {"kept": "all"},
                "Your vectors change when the padding's hidden states change.",
                "All n places are averaged; a short sentence then ends up mostly padding.",
                "Where does your code use keep?", "[exp]"),
        Mistake("divided_by_length", {"by": "n"},
                "Right without padding; short sentences give short vectors.",
                "The padding is left out of the sum and still counted: you divide by n, "
                "not by the number of real tokens.",
                "By which number do you divide, for each sentence?", "[exp]"),
        Mistake("keep_inverted",
                [{"kept": "inverted"}, {"kept": "inverted", "empty": "zero"}],
                "Your vectors are the means of the padding.",
                "Here True marks a real token; src_key_padding_mask of nn.Transformer marks "
                "padding.",
                "Which places do you keep?", "InseeFrLab/torchTextClassifiers#92"),
        Mistake("sum_not_mean", {"by": "one"},
                "Long sentences give long vectors: yours is the sum of the tokens.",
                "The division by the number of real tokens is missing.",
                "What comes after the sum?", "[exp]"),
        Mistake("longest_sentence_counts", {"by": "longest"},
                "All your sums are divided by the same number, that of the longest sentence.",
                "Each sentence has its own number of real tokens.",
                "Does your count have one entry for each sentence?", "[exp]"),
        Mistake("counted_over_batch", {"by": "batch"},
                "Your vectors depend on how many tokens the other sentences have.",
                "The count runs over the whole batch.", "Give the sum of keep its axis.",
                "SeanLee97/AnglE#101, #102"),
        Mistake("average_length", {"by": "mean"},
                "Your sums are all divided by the average length of the batch.",
                "Each sentence has its own number of real tokens.",
                "Does your count have one entry for each sentence?", "[exp]"),
        Mistake("count_lost_its_axis", {"by": "no_axis"},
                "It fails, and where all sizes are equal feature f is divided by the length of "
                "sentence f.",
                "The counts have lost their axis, so broadcasting lines them up with the features.",
                "Look at keepdim (keepdims in NumPy), or add an axis.", "[exp]"),
        Mistake("keep_meets_the_features", {"broadcast": "features"},
                "It fails unless n equals d, and then features are left out, not tokens.",
                "keep (b, n) needs one more axis to meet hidden (b, n, d) at the tokens.",
                "Where do you add an axis to keep?", "huggingface/transformers#28215"),
        Mistake("count_plus_one", {"by": "n_real"},
                "Your vectors are too short by the factor count / (count + 1).",
                "Something is added to the count; against 0 / 0 clamp it, or add 1e-9.",
                "What do you add to the number of tokens?", "[exp]"),
        Mistake("count_minus_one", {"by": "less"},
                "Your vectors are too long by the factor count / (count - 1).",
                "One token too few is counted.", "How do you count the real tokens?", "[exp]"),
        Mistake("divided_by_root", {"by": "root"},
                "Your sums are divided by the root of the number of real tokens.",
                "That is another pooling, mean_sqrt_len_tokens of sentence-transformers; "
                "a mean divides by the number itself.",
                "By what do you divide?", "UKPLab/sentence-transformers (Pooling)"),
        Mistake("features_counted", {"by": "numbers"},
                "Your vectors are too short by the factor d, the number of features.",
                "You count the numbers of the real tokens; a mean of d features divides by the "
                "number of tokens.",
                "How do you count, and along which axes?", "[exp]"),
        Mistake("divided_twice", {"by": "square"},
                "Your sums are divided twice by the number of real tokens.",
                "A mean is taken of what has been divided already.",
                "Count the divisions.", "[exp]"),
        Mistake("padding_assumed_at_end", {"kept": "first_count"},
                "Right with padding at the end; with padding in front you average the padding.",
                "You take the first tokens, as many as are real. keep says which they are.",
                "Use keep itself, not only its sum.",
                "huggingface/transformers#18478, #26569"),
        Mistake("cut_to_longest", {"kept": "longest"},
                "Only your longest sentence is right; the others contain padding.",
                "The whole batch is cut to one length.",
                "What differs from sentence to sentence?", "[exp]"),
        Mistake("first_token_left_out",
                [{"kept": "no_first"}, {"kept": "no_first", "by": "asked"}],
                "Your first real token changes nothing.",
                "The mean of MiniLM runs over all real tokens, [CLS] too.",
                "Look at the start of your slice.", "[exp]"),
        Mistake("last_token_left_out",
                [{"kept": "no_last"}, {"kept": "no_last", "by": "asked"},
                 {"kept": "first_count_less"}, {"kept": "first_count_less", "by": "asked"}],
                "Your last real token changes nothing.",
                "The mean of MiniLM runs over all real tokens, [SEP] too.",
                "Look at the end of your slice.", "[exp]"),
        Mistake("special_tokens_left_out",
                [{"kept": "no_ends"}, {"kept": "no_ends", "by": "asked"}],
                "Your first and last real tokens change nothing.",
                "Leaving out [CLS] and [SEP] is done elsewhere; MiniLM was trained with the "
                "mean of all real tokens.",
                "Look at the ends of your slice.", "[exp]"),
        Mistake("first_token_taken", [{"pool": "first"}, {"pool": "first_real"}],
                "Your vector is that of the first token.",
                "That is CLS pooling, which BERT's classifier uses; here it is the mean.",
                "What do you do with the other tokens?", "[exp]"),
        Mistake("last_token_taken",
                [{"pool": "last_real"}, {"pool": "last"}, {"pool": "last_by_count"}],
                "Your vector is that of the last token.",
                "That is how decoders are pooled; here it is the mean of all real tokens.",
                "What do you do with the other tokens?", "[exp]"),
        Mistake("maximum_taken", {"pool": "max"},
                "Each of your numbers is the largest among the tokens, not their mean.",
                "That is max pooling.", "Which function do you call over the tokens?", "[exp]"),
        Mistake("averaged_over_features", [{"axis": "features"}, {"axis": "features_mean"}],
                "You have one number for each token; asked is one vector for each sentence.",
                "The mean runs over the features.", "Which axis of (b, n, d) are the tokens?",
                "[exp]"),
        Mistake("averaged_over_batch", [{"axis": "batch"}, {"axis": "batch_mean"}],
                "You average the sentences of the batch with each other.",
                "The mean runs over axis 0.", "Which axis of (b, n, d) are the tokens?", "[exp]"),
        Mistake("one_vector_for_all", {"axis": "everything"},
                "You return one vector for the whole batch.",
                "hidden[keep] puts the tokens of all sentences in one row.",
                "How do you keep the sentences apart?", "[exp]"),
        Mistake("not_pooled", {"pool": "unpooled"},
                "You return a vector for each token, with the padding set to 0.",
                "The sum over the tokens, and the division, are missing.",
                "What comes after leaving out the padding?", "[exp]"),
        Mistake("axis_kept", {"after": "axis_kept"},
                "Your numbers are right, with the shape (b, 1, d).",
                "The axis of the tokens is still there, one long.",
                "Look for keepdim, or for a matrix product with one row.", "[exp]"),
        Mistake("normalised_too", {"after": "normalised"},
                "Your vectors point the right way and all have length 1.",
                "sentence-transformers does that in a next step; mean_pool stops before it.",
                "Look at your last line.", "UKPLab/sentence-transformers (Normalize)"),
    ),
    axes=("the batch", "the features"),
    notes=(_no_token,),
))  # fmt: skip

repair_pool = register(mean_pool.again(
    "repair_pool", "Mend the published pooling: a sentence's vector depends on its neighbours.",
))  # fmt: skip
