"""Exercises of lesson 01: the label of the nearest vector, and the repair of a search."""

from __future__ import annotations

import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register


def _nearest(
    vectors: Tensor, labels: Tensor, *, measure: str = "cosine", itself: str = "left_out",
    pick: str = "largest", result: str = "label",
) -> Tensor:  # fmt: skip
    def norm(x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
        return x.square().sum(dim, keepdim=keepdim).sqrt()

    unit = vectors / norm(vectors, -1, True)
    columns = vectors / norm(vectors, 0)
    shares = vectors / vectors.sum(-1, keepdim=True)
    centred = vectors - vectors.mean(-1, keepdim=True)
    centred = centred / norm(centred, -1, True)
    near: Tensor = {
        "cosine": lambda: unit @ unit.mT,
        "dot": lambda: vectors @ vectors.mT,
        "distance": lambda: -norm(vectors[:, None] - vectors[None], -1),
        "columns": lambda: columns @ columns.mT,
        "centred": lambda: centred @ centred.mT,
        "absolute": lambda: (unit @ unit.mT).abs(),
        "summed": lambda: shares @ shares.mT,
    }[measure]()
    own = torch.eye(len(vectors), dtype=torch.bool)
    if pick == "smallest":
        near = -near
    if itself == "left_out":
        near = near.masked_fill(own, -torch.inf)
    elif itself == "zero":
        near = near.masked_fill(own, 0.0)
    if pick == "by_class":  # the class that is nearest on average
        kinds = torch.tensor(sorted(set(labels.tolist())))
        seen = near.masked_fill(own, 0.0)
        mean = torch.stack([
            seen[:, labels == c].sum(1) / ((labels == c).sum() - (labels == c).long()).clamp(min=1)
            for c in kinds
        ], -1)  # fmt: skip
        return kinds[mean.argmax(-1)]
    best = near.argmax(-1)
    found: Tensor = {
        "label": lambda: labels[best],
        "index": lambda: best,
        "share": lambda: (labels[best] == labels).double().mean(),
        "right": lambda: labels[best] == labels,
    }[result]()
    return found


def _nearest_probes() -> list[Probe]:
    scale = torch.tensor([0.3, 2.0, 1.0, 5.0, 0.5, 1.5, 0.2, 3.0])[:, None]
    away = numbers(133, 6, 6) - 0.55
    opposite = torch.tensor([[3.0, 0.2, 0.1], [-1.0, 0.9, -0.3], [-0.8, -1.2, 0.2],
                             [-0.9, 0.3, 1.5], [-1.1, 0.2, -1.4]]).double()  # fmt: skip
    return [
        Probe("on 8 vectors", (numbers(131, 8, 5) * scale + 0.4,
                               torch.tensor([7, 3, 9, 5, 4, 8, 6, 2]))),
        Probe("on as many vectors as features", (away, torch.tensor([4, 4, 9, 5, 9, 4]))),
        Probe("on vectors that point apart", (opposite, torch.tensor([3, 8, 5, 8, 6]))),
        Probe("on 12 vectors", (numbers(134, 12, 3) + 0.2,
                                torch.tensor([5, 6, 7, 5, 6, 7, 7, 6, 5, 6, 6, 5]))),
    ]  # fmt: skip


nearest_sense = register(Exercise(
    "nearest_sense", "01", "nearest_sense(vectors, labels)",
    "For each of n vectors (n, d), the label of its nearest other vector, nearest by the cosine of "
    "the angle between them. labels (n,) are whole numbers; so is the result.",
    _nearest, _nearest_probes,
    (
        Mistake("itself_not_left_out", {"itself": "kept"},
                "Every vector of yours gets its own label: a perfect score that says nothing.",
                "A vector is nearest to itself. It must not vote.",
                "What stands on the diagonal of your similarities?", "explosion/spaCy#2278"),
        Mistake("itself_set_to_zero", {"itself": "zero"},
                "Right, but for vectors that have a negative cosine with all others.",
                "The diagonal is set to 0, and 0 wins over negative numbers.",
                "Which number on the diagonal never wins?", "[exp]"),
        Mistake("not_normalised", {"measure": "dot"},
                "Long vectors of yours are near to everything.",
                "A dot product grows with the length; the cosine divides by both lengths.",
                "Where do you divide by the length?", "facebookresearch/fastText#791"),
        Mistake("distance_not_cosine", {"measure": "distance"},
                "Yours finds the vector whose end is closest, so that length matters.",
                "That is the Euclidean distance; the cosine sees directions alone. For vectors "
                "of length 1 the two agree.",
                "What do you compare?", "[exp]"),
        Mistake("normalised_along_wrong_axis", {"measure": "columns"},
                "Your features have length 1; the vectors should.",
                "The norm runs over axis 0, all vectors; it should run over one vector's features.",
                "Look at the axis of the norm.", "[exp]"),
        Mistake("divided_by_sum", {"measure": "summed"},
                "Your vectors are divided by their sums.",
                "The length is the root of the sum of squares.",
                "What do you divide by?", "[exp]"),
        Mistake("centred", {"measure": "centred"},
                "Yours takes each vector's mean off first.",
                "That is the correlation; the cosine compares the vectors as they are.",
                "Look for a mean, or corrcoef.", "[exp]"),
        Mistake("opposite_counts_as_near", {"measure": "absolute"},
                "Yours takes a vector that points the opposite way for a near one.",
                "The sign of the cosine is lost; -1 is as far as can be.",
                "Look for abs or a square.", "[exp]"),
        Mistake("farthest", {"pick": "smallest"},
                "Yours finds the vector that is farthest away.",
                "A cosine is large when two are near; a distance is small.",
                "Largest or smallest?", "[exp]"),
        Mistake("nearest_class", {"pick": "by_class"},
                "Yours compares with the average of each label.",
                "One vector decides: the nearest.", "Look for a mean over labels.", "[exp]"),
        Mistake("number_not_label", {"result": "index"},
                "Yours gives the place of the nearest vector, not its label.",
                "The last step is missing: look the label up.",
                "What do you do with the result of argmax?", "[exp]"),
        Mistake("share_not_labels", {"result": "share"},
                "Yours is one number, the share of equal labels.",
                "The labels themselves are asked for, (n,).", "What do you return?", "[exp]"),
        Mistake("right_or_wrong", {"result": "right"},
                "Yours says whether the labels agree.",
                "The labels themselves are asked for.", "What do you return?", "[exp]"),
    ),
    axes=("the vectors",),
    gradients=False,
))  # fmt: skip

repair_nearest_sense = register(nearest_sense.again(
    "repair_nearest_sense", "Mend a published search for the nearest vector: it has two faults.",
))  # fmt: skip
