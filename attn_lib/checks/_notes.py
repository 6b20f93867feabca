"""What is true of a right answer but not demanded: inputs changed, gradient cut, kind changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ._trial import Caller, Failed, Trial
from ._values import error, leaves


def notes(caller: Caller, trial: Trial) -> tuple[str, ...]:
    """All notes on a right answer: the general ones, then the exercise's own."""
    found = [_form(trial), _changed(trial), _kind(trial), _second(trial)]
    if caller.exercise.gradients and caller.kind[0] == "torch":
        found.append(_gradient(caller, trial))
    for own in caller.exercise.notes:
        try:
            found.append(own(caller))
        except Failed:
            continue
        except Exception:  # a learner's odd result must not break the check
            continue
    return tuple(note for note in found if note)


def _form(trial: Trial) -> str | None:
    if not trial.form:
        return None
    return f"It was judged {trial.form}; in the form that the task asks for, it fails."


def _changed(trial: Trial) -> str | None:
    if not trial.changed:
        return None
    names = " and ".join(sorted(trial.changed))
    return f"It changes its input {names} in place: the caller's numbers are lost. Copy first."


def _kind(trial: Trial) -> str | None:
    i = trial.deciding[0]
    result, like = trial.outcomes[i].value, trial.bank.raw[i]
    if isinstance(result, tuple) and not isinstance(like, tuple) and result:
        result = result[0]
    if not isinstance(like, torch.Tensor):
        return None
    if like.dtype == torch.bool:
        kind = str(getattr(result, "dtype", type(result).__name__)).replace("torch.", "")
        if kind != "bool":
            return (
                f"The values are right; the type is {kind}. A mask is boolean: ~ and & need that."
            )
    given = any(isinstance(a, torch.Tensor) for a in trial.bank.probes[i].args)
    if given and trial.kind[0] == "torch" and not isinstance(result, torch.Tensor):
        return f"It takes torch tensors and returns {type(result).__name__}: no gradient can flow."
    return None


def _second(trial: Trial) -> str | None:
    second = trial.bank.exercise.second
    if second is None:
        return None
    for i in trial.deciding:
        if trial.extras[i]:
            try:
                mine, want = leaves(trial.extras[i][0]), leaves(second(*trial.bank.probes[i].args))
                fits = error(mine, want) <= trial.bank.exercise.tolerance
            except Exception:
                fits = False
            if not fits:
                return "The first result is right; the second is not what the first was made with."
    return None


def _gradient(caller: Caller, trial: Trial) -> str | None:
    probe = trial.bank.probes[trial.deciding[0]]
    names = caller.exercise.arguments
    tracked: list[torch.Tensor] = []

    def call() -> Any:
        args = []
        for arg in probe.args:
            if isinstance(arg, torch.Tensor) and arg.is_floating_point():
                arg = arg.to(caller.kind[1], copy=True).requires_grad_()
                tracked.append(arg)
            args.append(arg)
        # A product, so that a learner's in-place step does not hit a leaf that needs gradients.
        result = caller.exercise.run(
            caller.fn, tuple(a * 1 if any(a is t for t in tracked) else a for a in args)
        )
        while isinstance(result, tuple | list):
            result = result[0]
        weights = torch.linspace(0.5, 1.5, result.numel(), dtype=result.dtype)
        (result.reshape(-1) * weights).sum().backward()

    floating = [
        n for n, a in zip(names, probe.args, strict=False)
        if isinstance(a, torch.Tensor) and a.is_floating_point()
    ]  # fmt: skip
    if not floating:
        return None
    outcome = caller.clock.run([call])[0]
    if outcome.stopped:
        return None
    if outcome.error is not None:
        return "No gradient flows through it (.numpy(), .item(), .detach() or .data cut it)."
    cut = [n for n, t in zip(floating, tracked, strict=False) if t.grad is None]
    if cut:
        return f"No gradient reaches {' and '.join(cut)} (.detach(), .item() or .data cut it)."
    if any(not np.isfinite(t.grad.numpy()).all() for t in tracked if t.grad is not None):
        return "The numbers are right, but the gradient is not finite."
    return None
