"""What attention must beat: n-gram models of text, by counting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class KneserNey:
    """Interpolated Kneser-Ney: the next token from the last order - 1, backed by shorter ones.

    p_k(w | u) = (c(uw) - D_k(c(uw))) / c(u) + g_k(u) · p_{k-1}(w | u'), where u' is u without its
    first token and c counts occurrences at the highest order, different tokens before it at the
    lower ones. D_k has three values, for a count of 1, of 2, and of 3 or more; g_k(u) is what the
    discounts took away, so that the sum over w is 1; p_0 = 1/size. Order 1 is the unigram model,
    2 the bigram. Discounts are 0.75, 1 and 1.25 until `tune`.

    Source: Kneser and Ney 1995 (ICASSP); Chen and Goodman 1999 (interpolated, three discounts).
    Raises ValueError if order < 1, or if size ** order does not fit into 63 bits.
    """

    def __init__(self, order: int, size: int) -> None:
        if order < 1 or size < 2 or size**order >= 2**63:
            raise ValueError(
                "order, size: expected order >= 1, size >= 2 and size ** order below 2 ** 63, "
                f"got order={order}, size={size}"
            )
        self.order, self.size = order, size
        self.discounts = np.tile([0.75, 1.0, 1.25], (order, 1))  # (order, 3)
        self._grams: list[tuple[Ints, Ints]] = []  # per order: sorted codes, their counts
        self._contexts: list[tuple[Ints, Ints, Ints]] = []  # codes, sum of counts, (., 3) kinds

    def fit(self, ids: Sequence[int] | npt.ArrayLike) -> KneserNey:
        """Count token ids (n,), each 0 ... size - 1, with n >= order. Returns the model itself."""
        tokens = self._checked(ids)
        if len(tokens) < self.order:
            raise ValueError(f"ids: expected at least {self.order} tokens, got {len(tokens)}")
        codes = self._codes(tokens, self.order)[self.order - 1 :]
        grams, counts = np.unique(codes, return_counts=True)
        tables = [(grams, counts)]
        for length in range(self.order - 1, 0, -1):
            # a shorter gram counts once for every different token that stands before it
            tables.append(np.unique(tables[-1][0] % self.size**length, return_counts=True))
        self._grams = tables[::-1]
        self._contexts = []
        for grams, counts in self._grams:
            context, first = np.unique(grams // self.size, return_index=True)
            kinds = np.stack([counts == 1, counts == 2, counts >= 3], axis=1)
            taken = np.add.reduceat(kinds.astype(np.int64), first)  # how many of each kind
            self._contexts.append((context, np.add.reduceat(counts, first), taken))
        return self

    def tune(self, ids: Sequence[int] | npt.ArrayLike, *, rounds: int = 2) -> KneserNey:
        """Choose the discounts by the bits per token on `ids`, neither trained nor tested on.

        One after the other, `rounds` times over, out of 0.05, 0.10 ... 0.95 (times 2 for a count
        of 2, times 3 for 3 or more). Returns the model itself.
        """
        found = self._look_up(self._checked(ids))
        for k in list(range(self.order)) * rounds:
            below = self._mix(found, 0, k)
            for kind in range(3):
                trials = []
                for share in np.arange(1, 20) / 20:
                    self.discounts[k, kind] = share * (kind + 1)
                    p = self._mix(found, k, self.order, below)
                    trials.append((-np.log2(p).mean(), self.discounts[k, kind]))
                self.discounts[k, kind] = min(trials)[1]
        return self

    def probabilities(self, ids: Sequence[int] | npt.ArrayLike) -> Floats:
        """The probability of each token given those before it, (n,) → (n,).

        The first tokens have shorter contexts.
        """
        return self._mix(self._look_up(self._checked(ids)), 0, self.order)

    def bits_per_token(self, ids: Sequence[int] | npt.ArrayLike) -> float:
        """Mean of -log2 of `probabilities`; bits per character when a token is a character."""
        return float(-np.log2(self.probabilities(ids)).mean())

    def distribution(self, context: Sequence[int] | npt.ArrayLike) -> Floats:
        """The probability of every token after `context` (any length), shape (size,)."""
        known = self._checked(context)[max(0, len(np.asarray(context)) - self.order + 1) :]
        return np.array([self.probabilities([*known, w])[-1] for w in range(self.size)])

    def _checked(self, ids: Sequence[int] | npt.ArrayLike) -> Ints:
        tokens = np.asarray(ids, dtype=np.int64).reshape(-1)
        if len(tokens) and not 0 <= tokens.min() <= tokens.max() < self.size:
            raise ValueError(
                f"ids: expected 0 to size - 1 = {self.size - 1}, got {tokens.min()} to "
                f"{tokens.max()}"
            )
        return tokens

    def _codes(self, tokens: Ints, length: int) -> Ints:
        """For each position the last `length` tokens as one number, -1 where there are fewer."""
        codes = np.zeros(len(tokens), dtype=np.int64)
        for back in range(length - 1, -1, -1):
            shifted = np.concatenate((np.zeros(back, np.int64), tokens[: len(tokens) - back]))
            codes = codes * self.size + shifted[: len(tokens)]
        codes[: length - 1] = -1
        return codes

    def _look_up(self, tokens: Ints) -> list[tuple[Floats, Floats, Floats]]:
        """Per order: count of the gram and of its context (n,), kinds after the context (n, 3)."""
        if not self._grams:
            raise ValueError("this model has not counted anything yet; call fit(ids) first")
        found = []
        for k in range(self.order):
            codes = self._codes(tokens, k + 1)
            context, total, kinds = self._contexts[k]
            parents = np.where(codes < 0, -1, codes // self.size)
            found.append(
                (
                    _find(*self._grams[k], codes),
                    _find(context, total, parents),
                    _find(context, kinds, parents),
                )
            )
        return found

    def _mix(
        self,
        found: list[tuple[Floats, Floats, Floats]],
        low: int,
        high: int,
        p: Floats | None = None,
    ) -> Floats:
        """Lift probabilities (n,) of the first `low` orders through those up to `high`."""
        p = np.full(len(found[0][0]), 1 / self.size) if p is None else p
        for k in range(low, high):
            count, total, kinds = found[k]
            rows = np.clip(count.astype(np.int64), 1, 3) - 1
            taken = np.where(count > 0, self.discounts[k][rows], 0)
            mixed = (count - taken + kinds @ self.discounts[k] * p) / np.maximum(total, 1)
            p = np.where(total > 0, mixed, p)
        return p


def _find(keys: Ints, values: Ints, wanted: Ints) -> Floats:
    """values[i] where keys[i] == wanted, else zeros; keys are sorted, values (len(keys), ...)."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    hit = (keys[at] == wanted).reshape(-1, *[1] * (values.ndim - 1))
    return (values[at] * hit).astype(np.float64)
