"""Correct ways of reading two digits out of one average; each must pass."""

import numpy as np
import torch


def by_floor(mean):
    both = torch.round(11 * mean)
    a = torch.floor(both / 10)
    return a, both - 10 * a


def by_integers(mean):
    both = (11 * mean).round().long()
    return both // 10, both % 10


def by_divmod(mean):
    return divmod((11 * mean).round(), 10)


def by_numpy_divmod(mean):
    return np.divmod(np.rint(np.asarray(mean) * 11), 10)


def by_numpy_integers(mean):
    both = np.rint(11 * np.asarray(mean)).astype(int)
    return both // 10, both % 10


def by_half(mean):
    both = torch.floor(11 * mean + 0.5)
    return (both / 10).floor(), torch.remainder(both, 10)


def by_truncation(mean):
    both = (11 * torch.as_tensor(mean) + 0.5).int()
    return torch.div(both, 10, rounding_mode="floor"), torch.fmod(both, 10)


def by_loop(mean):
    mean = torch.as_tensor(mean)
    a, b = torch.zeros(mean.numel()), torch.zeros(mean.numel())
    for i, number in enumerate(mean.flatten().tolist()):
        a[i], b[i] = divmod(round(11 * number), 10)
    return a.reshape(mean.shape), b.reshape(mean.shape)


def by_strings(mean):
    mean = np.asarray(mean)
    words = [f"{round(11 * number):02d}" for number in mean.flatten().tolist()]
    digits = [np.array([int(word[i]) for word in words]).reshape(mean.shape) for i in (0, 1)]
    return digits[0], digits[1]


def by_nearest_code(mean):
    mean = torch.as_tensor(mean)
    codes = torch.arange(100) / 11
    both = (mean[..., None] - codes.to(mean)).abs().argmin(-1)
    return both // 10, both % 10


def by_counting_steps(mean):
    both = torch.round(11 * torch.as_tensor(mean))
    a = sum((both >= 10 * step).to(both) for step in range(1, 10))
    return a, both - 10 * a


def by_list(mean):
    both = torch.round(torch.as_tensor(mean) * 11)
    return [both.div(10).floor(), both.remainder(10)]


STYLES = {
    "two_digits": [
        by_floor, by_integers, by_divmod, by_numpy_divmod, by_numpy_integers, by_half,
        by_truncation, by_loop, by_strings, by_nearest_code, by_counting_steps, by_list,
    ],
}  # fmt: skip
