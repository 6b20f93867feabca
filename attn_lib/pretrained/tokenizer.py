"""Text to token numbers and back, for the pretrained models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    import tokenizers


class Tokenizer:
    """A tokenizer of the `tokenizers` package that gives tensors, pads and never cuts a text.

    pad: the token that fills short rows.  vocab: how many tokens there are.
    """

    def __init__(self, inner: tokenizers.Tokenizer, pad: int) -> None:
        inner.no_padding()
        inner.no_truncation()
        self.inner, self.pad = inner, pad
        self._bytes = type(inner.decoder).__name__ == "ByteLevel"
        self.vocab: int = inner.get_vocab_size()

    def __repr__(self) -> str:
        return f"Tokenizer({self.vocab} tokens)"

    def encode(self, text: str | Sequence[str]) -> tuple[Tensor, Tensor]:
        """ids (b, n) int64 and keep (b, n) bool, False where a shorter text is padded on the right.

        One text is a batch of one. Special tokens that the model expects, [CLS] and [SEP] of BERT,
        are put in. Raises TypeError for what is not text, ValueError for no text at all.
        """
        several = isinstance(text, Iterable) and not isinstance(text, str)
        texts = list(text) if several else [text]
        for given in texts:
            if not isinstance(given, str):
                raise TypeError(
                    f"text: expected a string or a list of strings, got {type(given).__name__}; "
                    "use str(...) on each"
                )
        if not texts:
            raise ValueError("text: expected at least one string, got none")
        rows = [found.ids for found in self.inner.encode_batch(texts)]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [self.pad] * (longest - len(row)) for row in rows])
        lengths = torch.tensor([len(row) for row in rows])
        return ids.long(), torch.arange(longest) < lengths[:, None]

    def tokens(self, ids: Tensor | Sequence[Any]) -> list[Any]:
        """The name of each token: a list for ids (n,), a list of lists for (b, n).

        A name is the token's text, with "##" before what continues a word (MiniLM) or with the
        space that begins one (SmolLM2). Raises ValueError for a number that is no token.
        """
        return [self.tokens(i) if isinstance(i, list) else self._name(i) for i in _numbers(ids)]

    def decode(self, ids: Tensor | Sequence[Any]) -> Any:
        """The text of ids (n,), or a list of texts of (b, n), without special tokens."""
        rows = _numbers(ids)
        if rows and isinstance(rows[0], list):
            return [self.decode(row) for row in rows]
        self.tokens(rows)
        return self.inner.decode(rows)

    def token(self, name: str) -> int:
        """The number of the token of this name, " Paris" or "[CLS]"; KeyError if there is none."""
        found = self.inner.token_to_id(name)
        if found is not None:
            return int(found)
        ids = self.inner.encode(name, add_special_tokens=False).ids
        if len(ids) != 1 or self._name(ids[0]) != name:
            raise KeyError(f"name: no token is called {name!r}; see tokens(encode(text)[0][0])")
        return int(ids[0])

    def _name(self, token: int) -> str:
        name = self.inner.id_to_token(token) if 0 <= token < self.vocab else None
        if name is None:
            raise ValueError(
                f"ids: expected token numbers from 0 to {self.vocab - 1}, got {token}; are they "
                "ids of this tokenizer?"
            )
        # names that stand for bytes, such as "Ġ" for a space, are shown as the text they stand for
        text = self.inner.decode([token], skip_special_tokens=False) if self._bytes else name
        return str(name if "\ufffd" in text else text)


def load_tokenizers() -> Any:
    """The package `tokenizers`. Raises ImportError, with the command, if it is not installed."""
    try:
        import tokenizers
    except ImportError as error:
        raise ImportError(
            "pretrained models need the package tokenizers; run: python -m pip install tokenizers"
        ) from error
    return tokenizers


def _numbers(ids: Tensor | Sequence[Any]) -> list[Any]:
    return ids.tolist() if isinstance(ids, Tensor) else list(ids)
