"""Memory above the inputs at n = 8,192, each form in a fresh process."""

from __future__ import annotations

import importlib.util
import subprocess

from benchmarks.measure import memory_figure

TITLE = "Memory above the inputs: (1, 8, 8192, 64), causal, float32"
LATE = True
N = 8192
PREPARE = """
import torch, torch.nn.functional as F
from attn_lib import attention, causal, fused_attention, local_attention, online_attention, window
from benchmarks import peers
from benchmarks.run import Options
q, k, v = (torch.randn(1, 8, N, 64, requires_grad=GRAD) for _ in range(3))
near = causal & window(256)
call = CALL
small = [t[:, :, :SMALL].detach().requires_grad_(GRAD) for t in (q, k, v)]
out = call(*small)
if GRAD: out.sum().backward()
del out
up = torch.ones_like(q) if GRAD else None
start()
out = call(q, k, v)
if GRAD: out.backward(up)
"""
FORMS = {
    "attention (all scores)": "lambda q, k, v: attention(q, k, v, mask=causal)",
    "fused_attention": "lambda q, k, v: fused_attention(q, k, v, mask=causal)",
    "online_attention": "lambda q, k, v: online_attention(q, k, v, mask=causal)",
    "window 256: local_attention": "lambda q, k, v: local_attention(q, k, v, window=256)",
    "window 256: PyTorch's kernel, dense mask": (
        "lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=near.dense(q.shape[2]))"
    ),
    "window 256: lucidrains local-attention": "peers.lucidrains(Options(), 256)",
}


def code(form: str, grad: bool, n: int = N, small: int = 512) -> str:
    """The program that a fresh process runs for `form`."""
    filled = PREPARE.replace("CALL", FORMS[form]).replace("GRAD", str(grad))
    return filled.replace("SMALL", str(small)).replace("N,", f"{n},")


def measure(options):
    for grad in (False,) if options.quick else (False, True):
        for form in FORMS:
            if "lucidrains" in form and importlib.util.find_spec("local_attention") is None:
                options.missing.append("local-attention")
                continue
            if grad and (form.startswith("attention") or "dense" in form):
                continue  # four tensors of all scores: more than a laptop has
            name = f"{form}, {'with gradients' if grad else 'forward'}"
            try:
                yield memory_figure(name, code(form, grad), count=options.once(2))
            except subprocess.CalledProcessError as error:  # the system ended it: too large
                options.missing.append(f"{name} (its process ended with {error.returncode})")
