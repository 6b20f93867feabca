"""Writing with a decoder: one token at a time, or several continuations side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ._mask import whole
from .masks import Mask, padding

if TYPE_CHECKING:
    from .transformer import DecoderLM


def sample(
    logits: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """One token per row of logits (b, vocab) -> (b,).

    temperature 0 takes the likeliest; below 1 sharpens, above 1 flattens. `top_k` leaves only the
    k likeliest. Raises ValueError for a negative temperature or top_k < 1.
    Source: Fan et al. 2018, arXiv:1805.04833 (top-k).
    """
    if not temperature >= 0:
        raise ValueError(
            f"temperature: expected 0 (the likeliest token) or more, got {temperature}"
        )
    if top_k is not None:
        whole("top_k", top_k)
    if temperature == 0:
        return logits.argmax(dim=-1)
    kept, tokens = logits.topk(min(top_k or logits.shape[-1], logits.shape[-1]), dim=-1)
    drawn = torch.multinomial((kept.float() / temperature).softmax(-1), 1, generator=generator)
    return tokens.gather(-1, drawn)[:, 0]


@torch.no_grad()
def generate(
    model: DecoderLM,
    tokens: Tensor,
    steps: int,
    *,
    context: Tensor | None = None,
    context_mask: Mask | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    stop: int | None = None,
    cache: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """tokens (b, n) and up to `steps` new ones behind them; see `DecoderLM.generate`."""
    _check(model, tokens, steps, stop)
    caches = model.stack.make_caches() if cache else None
    new, done = tokens, torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
    with evaluating(model):
        for _ in range(steps):
            logits = model(new, context, context_mask=context_mask, caches=caches)[:, -1]
            token = sample(logits, temperature=temperature, top_k=top_k, generator=generator)
            if stop is not None:
                token = token.masked_fill(done, stop)
                done = done | (token == stop)
            tokens = torch.cat([tokens, token[:, None]], dim=1)
            new = token[:, None] if cache else tokens
            if stop is not None and done.all():
                break
    return tokens


@torch.no_grad()
def beam_search(
    model: DecoderLM,
    tokens: Tensor,
    steps: int,
    *,
    stop: int,
    width: int = 4,
    length_penalty: float = 0.0,
    context: Tensor | None = None,
    keep: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The likeliest of `width` continuations; see `EncoderDecoder.beam`."""
    _check(model, tokens, steps, stop)
    (b, n), width = tokens.shape, whole("width", width)
    tokens = tokens.repeat_interleave(width, dim=0)  # (b * width, n), the beams of a row together
    if context is not None:
        context = context.repeat_interleave(width, dim=0)
    seen = None if keep is None else padding(keep.repeat_interleave(width, dim=0))
    # the beams begin equal: all but the first are out of the race until they differ
    scores = torch.full((b, width), -torch.inf, device=tokens.device)
    scores[:, 0] = 0.0
    done = torch.zeros(b * width, dtype=torch.bool, device=tokens.device)
    first = torch.arange(0, b * width, width, device=tokens.device)[:, None]  # of each row's beams
    caches, new = model.stack.make_caches(), tokens
    with evaluating(model):
        for _ in range(steps):
            logits = model(new, context, context_mask=seen, caches=caches)[:, -1]
            gain = logits.float().log_softmax(dim=-1)  # (b * width, vocab)
            gain[done] = -torch.inf
            gain[done, stop] = 0.0  # a finished beam stays as it is
            vocab = gain.shape[-1]
            total = (scores.view(-1, 1) + gain).view(b, width * vocab)
            scores, picked = total.topk(width, dim=-1)
            rows, token = (first + picked // vocab).flatten(), (picked % vocab).flatten()
            tokens = torch.cat([tokens[rows], token[:, None]], dim=1)
            done = done[rows] | (token == stop)
            if done.all():
                break
            for own, _ in caches:  # a context is the same for all beams of its row
                if own is not None:
                    own.reorder(rows)
            new = token[:, None]
    written = tokens[:, n:]
    lengths = (written != stop).sum(dim=1) + (written == stop).any(dim=1)
    best = (scores / lengths.view(b, width).clamp(min=1) ** length_penalty).argmax(dim=1)
    return tokens[first[:, 0] + best], scores.gather(1, best[:, None])[:, 0]


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """The model without dropout, and afterwards in the mode that it was in."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _check(model: DecoderLM, tokens: Tensor, steps: int, stop: int | None) -> None:
    whole("steps", steps, least=0)
    if stop is not None and not 0 <= whole("stop", stop, None) < model.config.vocab:
        raise ValueError(
            f"stop: expected a token of the vocabulary, 0 to {model.config.vocab - 1}, got {stop}"
        )
    if tokens.ndim != 2 or tokens.shape[1] == 0:
        raise ValueError(
            f"tokens: expected (b, n) with at least one token each, got {tuple(tokens.shape)}; "
            "begin with a token that starts a text"
        )
    reach, longest = tokens.shape[1] + steps - 1, model.config.max_length
    if model.config.positions == "learned" and longest is not None and reach > longest:
        raise ValueError(
            f"steps: expected at most {longest + 1 - tokens.shape[1]} behind {tokens.shape[1]} "
            f"tokens, since the positions are learned up to max_length = {longest}, got {steps}"
        )
