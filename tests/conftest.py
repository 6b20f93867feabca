"""Settings shared by all tests."""

import os

import torch
from hypothesis import Phase, settings

# the first call of a kernel may take a second on a busy machine: no deadline per example;
# CI draws the same examples each time, so that a change is judged by what it changes
settings.register_profile("attn_lib", deadline=None, derandomize="CI" in os.environ)
# the same few examples every time, the first failure is enough: for tools/mutate.py
settings.register_profile(
    "quick",
    deadline=None, derandomize=True, database=None, max_examples=10,
    phases=[Phase.explicit, Phase.generate],
)  # fmt: skip
settings.load_profile("attn_lib")

# tests are small: a second thread costs more than it brings, most of all beside other workers
torch.set_num_threads(1)
