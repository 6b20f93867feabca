"""What exceptions mean that people meet while writing attention."""

from __future__ import annotations

import re

_ADVICE = (
    (r"oolean value of Tensor|truth value of an array",
     "An array has no single truth value: ask `mask is not None`."),
    (r"return_types\.max|return_types\.min",
     "torch's max with a dim returns two things, values and indices: take .values, or amax."),
    (r"view size is not compatible",
     "view cannot cross a transpose, which left the numbers where they were: reshape copies them."),
    (r"(must be|to be) tuple of ints.*float|'float' object cannot be interpreted as an integer",
     "A size is a whole number: / gives a float, // an int."),
    (r"shapes cannot be multiplied|mismatch in its core dimension|Expected size for first two|"
     r"not aligned|expected m[12] and m[12]",
     "In a product A @ B, the last axis of A must be as long as the last but one of B. "
     "Is a transpose missing?"),
    (r"must match the size of tensor|could not be broadcast",
     "Two shapes meet in + - * / or a fill that do not line up from the right."),
    (r"is not defined", "A name is used before it has a value in the function."),
    (r"expected scalar type|same dtype|Float did not match Double",
     "Two number types meet: make new tensors with the dtype of the inputs."),
    (r"grad.*numpy|numpy.*grad", "NumPy cannot take a tensor that needs gradients."),
    (r"maximum recursion", "The function calls itself without end."),
    (r"has no attribute", "This kind of array has no such method: torch and NumPy differ there."),
)  # fmt: skip


def advice(message: str) -> str:
    """One sentence on what an exception's text means, or nothing."""
    return next((text for form, text in _ADVICE if re.search(form, message)), "")
