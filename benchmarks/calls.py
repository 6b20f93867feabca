"""What the cases time: calls forward and with gradients, on the same inputs, and their comparison.

A call returns what it computed, the results and then the gradients of its inputs, so that `agree`
can compare all candidates before a clock runs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Call = Callable[[], list[Tensor]]


def inputs(n: int, grad: bool = False) -> list[Tensor]:
    """q, k, v of one example with 8 heads of 64 features."""
    torch.manual_seed(0)
    return [torch.randn(1, 8, n, 64, requires_grad=grad) for _ in range(3)]


def forward(call: Callable[..., Tensor], *args: Tensor, **options) -> Call:
    def run() -> list[Tensor]:
        with torch.no_grad():
            return [call(*args, **options)]

    return run


def backward(
    call: Callable[..., Tensor], *args: Tensor, module: nn.Module | None = None, **options
) -> Call:
    """Forward and backward: gradients of `args` and, where given, of the weights of `module`."""
    leaves = [arg.detach().requires_grad_() for arg in args]
    up = torch.cos(torch.arange(args[0].shape[-1], dtype=args[0].dtype))  # any fixed gradient

    def run() -> list[Tensor]:
        for leaf in leaves:
            leaf.grad = None
        if module is not None:
            module.zero_grad(set_to_none=True)
        out = call(*leaves, **options)
        out.backward(up.expand(out.shape))
        return [out.detach(), *(leaf.grad for leaf in leaves)]

    return run


def timed(call: Callable[..., Tensor], module: nn.Module | None, grad: bool, *args: Tensor) -> Call:
    """`backward` or `forward`, as `grad` says."""
    return backward(call, *args, module=module) if grad else forward(call, *args)


def agree(calls: dict[str, Call], tolerance: float = 1e-4) -> None:
    """Run each call once; raise AssertionError, with its name, if one differs from the first."""
    (first, reference), *others = calls.items()
    wanted = reference()
    for name, call in others:
        for got, right in zip(call(), wanted, strict=True):
            torch.testing.assert_close(
                got, right, rtol=tolerance, atol=tolerance * float(right.abs().max()),
                msg=lambda text, name=name: f"{name} differs from {first}: {text}",
            )  # fmt: skip
