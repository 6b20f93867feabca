"""Splitting data so that what is held out is truly unseen."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Split(Generic[T]):
    """Three parts of one data set. Tune on `validation`; look at `test` once, at the end."""

    train: list[T]
    validation: list[T]
    test: list[T]


class Pair(NamedTuple):
    """A source text and its target, with the places in the source that decide parts of it."""

    source: str
    target: str
    language: str
    spans: dict[str, tuple[int, int]]  # part of the target → [start, end) in the source


def part_of(key: str, *, held_out: float = 0.1, seed: int = 0) -> str:
    """Which part a key belongs to: "train", "validation" or "test".

    A key's part follows from the key and the seed alone (a hash), so the same date or number is
    on the same side whatever else is drawn, in every language and on every machine. `held_out`
    is the share of validation, and again of test.

    Raises ValueError unless 0 < held_out < 0.5.
    """
    if not 0 < held_out < 0.5:
        raise ValueError(
            f"held_out: expected a share between 0 and 0.5, got {held_out}; "
            "0.1 keeps 10 % for validation and 10 % for the test"
        )
    draw = int.from_bytes(sha256(f"{seed}:{key}".encode()).digest()[:8], "big") / 2**64
    if draw < held_out:
        return "test"
    return "validation" if draw < 2 * held_out else "train"


def split_by(items: list[T], keys: list[str], *, held_out: float = 0.1, seed: int = 0) -> Split[T]:
    """Sort items into three parts by their keys; items with one key stay together."""
    parts: dict[str, list[T]] = {"train": [], "validation": [], "test": []}
    for item, key in zip(items, keys, strict=True):
        parts[part_of(key, held_out=held_out, seed=seed)].append(item)
    return Split(**parts)


def check_count(name: str, value: int, least: int = 1) -> None:
    """Raise ValueError unless `value` is an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name}: expected an integer of at least {least}, got {value!r}")


def check_choices(name: str, chosen: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Raise ValueError unless `chosen` is a non-empty choice out of `known`."""
    if isinstance(chosen, str) or not chosen or not set(chosen) <= set(known):
        raise ValueError(f"{name}: expected a tuple of some of {', '.join(known)}, got {chosen!r}")
