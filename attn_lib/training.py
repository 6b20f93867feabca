"""A short training loop, and checkpoints that say how they were made."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Batch = TypeVar("Batch")


@dataclass
class History:
    """What happened at each step; step s stands at index s - 1 of the first three lists."""

    loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    grad_norm: list[float] = field(default_factory=list)  # before clipping
    validation: list[tuple[int, float]] = field(default_factory=list)  # (steps done, value)

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return len(self.loss)


def schedule(step: int, steps: int, *, warmup: int, floor: float = 0.1) -> float:
    """The factor on the learning rate at `step` of 0 ... steps - 1.

    It climbs in a straight line over the first `warmup` steps, 1/warmup, 2/warmup ... 1, then
    falls along half a cosine to `floor` at the last step (Loshchilov and Hutter 2017,
    arXiv:1608.03983).
    """
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - 1 - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def fit(
    model: nn.Module,
    batches: Iterable[Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
    *,
    steps: int,
    lr: float = 3e-3,
    warmup: int | None = None,
    floor: float = 0.1,
    weight_decay: float = 0.01,
    clip: float | None = 1.0,
    validate: Callable[[nn.Module], float] | None = None,
    every: int = 100,
    seed: int = 0,
    progress: bool = True,
) -> History:
    """Train `model` in place for `steps` steps of AdamW, and return what happened.

    loss(model, batch) gives a scalar. `batches` may be endless, or a list (or a DataLoader) that
    is gone through again and again. The learning rate follows `schedule` up to `lr` (`warmup`
    defaults to a tenth of the steps); gradients longer than `clip` in total are shortened to it
    (None: never); weight decay applies to matrices only. `validate(model)`, if given, is called
    without gradients and in eval mode after every `every` steps and after the last one.

    The end depends on the steps alone, never on the clock. Dropout and whatever else draws from
    torch's global generators (CPU, and CUDA if the model is there) starts from `seed`, and they
    are put back as they were found afterwards; Python's and NumPy's generators are left alone,
    and iterators that own a generator go on from where they stand. Same model, batches and seed:
    same weights. The model is left in the mode (train or eval) in which it came. A progress bar
    is shown if tqdm is installed and a notebook with ipywidgets or a terminal can show it; the
    environment variable TQDM_DISABLE=1 hides it, so that stored notebooks hold no trace of it.

    Raises ValueError for steps, every < 1, lr or clip <= 0, warmup outside 0 ... steps, a model
    with nothing to train, batches that run dry, and a loss that is no scalar; FloatingPointError,
    naming the step, if the loss or its gradient is no longer finite.
    """
    warmup = max(1, steps // 10) if warmup is None else warmup
    _check_arguments(steps, every, lr, clip, warmup)
    weights = [p for p in model.parameters() if p.requires_grad]
    if not weights:
        raise ValueError("model: no parameter asks for a gradient, so there is nothing to train")
    groups = [
        {"params": [p for p in weights if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in weights if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=lr, betas=(0.9, 0.99))
    history, feed, was_training = History(), _endless(batches), model.training
    bar = _progress_bar(steps) if progress else None
    accelerators = sorted({p.device for p in weights if p.device.type == "cuda"}, key=str)
    with torch.random.fork_rng(devices=accelerators):
        torch.default_generator.manual_seed(seed)
        if accelerators:
            torch.cuda.manual_seed_all(seed)
        try:
            for step in range(steps):
                rate = lr * schedule(step, steps, warmup=warmup, floor=floor)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                model.train()
                value, norm = _step(model, optimizer, loss, next(feed), weights, clip, step)
                history.loss.append(value)
                history.learning_rate.append(rate)
                history.grad_norm.append(norm)
                if validate and ((step + 1) % every == 0 or step + 1 == steps):
                    model.eval()
                    with torch.no_grad():
                        history.validation.append((step + 1, float(validate(model))))
                if bar is not None:
                    bar.set_postfix_str(f"loss {value:.3f}", refresh=False)
                    bar.update()
        finally:
            model.train(was_training)
            if bar is not None:
                bar.close()
    return history


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[nn.Module, Any], Tensor],
    batch: Any,
    weights: list[nn.Parameter],
    clip: float | None,
    step: int,
) -> tuple[float, float]:
    """One step → (loss, length of the gradient before clipping); the weights stay on failure."""
    optimizer.zero_grad(set_to_none=True)
    result = loss(model, batch)
    if not isinstance(result, Tensor) or result.dim() != 0:
        got = f"shape {tuple(result.shape)}" if isinstance(result, Tensor) else repr(result)
        raise ValueError(f"loss: expected a scalar tensor, got {got}; take its mean")
    value = float(result.detach())
    if math.isfinite(value):
        result.backward()  # type: ignore[no-untyped-call]
        norm = float(nn.utils.clip_grad_norm_(weights, math.inf if clip is None else clip))
    if not math.isfinite(value) or not math.isfinite(norm):
        what = "loss" if not math.isfinite(value) else "gradient"
        raise FloatingPointError(
            f"the {what} is not finite at step {step + 1} (loss {value}); lower lr, lengthen "
            "warmup, or look in the batch and the model for a division by zero or log(0)"
        )
    optimizer.step()
    return value, norm


def _check_arguments(steps: int, every: int, lr: float, clip: float | None, warmup: int) -> None:
    for name, count in (("steps", steps), ("every", every)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"{name}: expected an integer of at least 1, got {count!r}")
    if not (lr > 0 and math.isfinite(lr)):
        raise ValueError(f"lr: expected a finite number above 0, got {lr}; 3e-3 suits small models")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip: expected a number above 0, or None for no clipping, got {clip}")
    if not 0 <= warmup <= steps:
        raise ValueError(f"warmup: expected 0 to steps = {steps}, got {warmup}")


def _endless(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Go through `batches` again and again; an iterator can be gone through only once."""
    taken = 0
    while True:
        before = taken
        for batch in batches:
            taken += 1
            yield batch
        if taken == before:
            raise ValueError(
                f"batches: ran dry after {taken} of them; give a list, a DataLoader or an endless "
                "iterator such as attn_lib.datasets.shuffled(...)"
            )


def _progress_bar(steps: int) -> Any:
    """tqdm's bar where it can be drawn, else None: a notebook without ipywidgets would warn."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    in_notebook = hasattr(shell, "kernel")
    if os.environ.get("TQDM_DISABLE", "0") not in ("", "0"):
        return None
    if find_spec("tqdm") is None or (in_notebook and find_spec("ipywidgets") is None):
        return None
    if not in_notebook and not sys.stderr.isatty():
        return None
    from tqdm.auto import tqdm

    # tqdm read its variable at its own import; whether to draw is settled above
    return tqdm(total=steps, desc="training", leave=False, disable=False)
