"""Exercise of lesson 05: one step of decoding with cached keys and values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import Exercise, Mistake, Probe, numbers, register
from ._attention import attend
from ._attention_mistakes import ATTENTION
from ._localise import Seen
from ._values import Fault, array, error, named

Cache = tuple[Tensor, Tensor] | None


def _step(
    q: Tensor, k: Tensor, v: Tensor, cache: Cache, *, sees: str = "all",
    stores: str = "all", joins: str = "at_the_end",
    order: str = "kv", join: int = 2, first: str = "own", handling: str = "right", **switches: Any,
) -> tuple[Tensor, Cache]:  # fmt: skip
    if cache is not None and order in ("vk", "read_vk"):
        cache = cache[1], cache[0]
    old = (k[:, :, :0], v[:, :, :0]) if cache is None else cache
    own = (k, v)
    if cache is not None and joins == "key_to_values":
        own = (k, k)
    elif cache is not None and joins == "last_value_again":
        own = (k, old[1][:, :, -1:])
    keys, values = (_join(a, b, joins, join) for a, b in zip(old, own, strict=True))
    seen = {
        "all": lambda: (keys, values),
        "before": lambda: old,
        "own": lambda: (k, v),
        "first": lambda: (keys[:, :, :1], values[:, :, :1]),
        "own_twice": lambda: (torch.cat([keys, k], 2), torch.cat([values, v], 2)),
        "values_turned": lambda: (keys, torch.cat([v, old[1]], 2)),
        "keys_flipped": lambda: (keys.flip(2), values),
        "not_first": lambda: (keys, values) if cache is None else (keys[:, :, 1:],
                                                                   values[:, :, 1:]),
        "last_two": lambda: (keys[:, :, -2:], values[:, :, -2:]),
    }[sees]()  # fmt: skip
    if sees == "before" and cache is None:
        if first == "fails":
            raise ValueError("nothing cached yet")
        seen = (k, v) if first == "own" else (k, torch.zeros_like(v))
    out = attend(q, *seen, **switches)
    stored: dict[str, Callable[[], Cache]] = {
        "all": lambda: (keys, values),
        "nothing": lambda: cache,
        "never": lambda: (k, v) if cache is None else cache,
        "newest_first": lambda: (keys.flip(2), values.flip(2)),
        "only_new": lambda: (k, v),
        "keys_only": lambda: (keys, values[:, :, -1:].expand_as(values)),
        "none": lambda: None,
    }
    new = stored[stores]()
    return out, (new[1], new[0]) if new is not None and order in ("vk", "return_vk") else new


def _join(old: Tensor, new: Tensor, how: str, axis: int) -> Tensor:
    if not old.shape[2]:
        return new
    if how == "replaces":
        return torch.cat([old[:, :, :-1], new], axis)
    return {
        "added": lambda: old + new,
        "doubled": lambda: torch.cat([old, old, new], axis),
        "last_four": lambda: torch.cat([old, new], axis)[:, :, -4:],
    }.get(how, lambda: torch.cat([old, new], axis))()


def _steps(fn: Callable[..., Any], q: Any, k: Any, v: Any, cache: Any) -> Any:
    """Two prompts, token by token, each from the same first cache: all outputs, the last cache.

    The second prompt has the tokens of the first in reverse order, which shows what was left.
    """
    n = q.shape[2]
    outs: list[Any] = []
    for prompt in range(2):
        state = cache if cache is None else tuple(_copy(c) for c in cache)
        for t in range(n) if prompt == 0 else reversed(range(n)):
            now = [_copy(x[:, :, t : t + 1]) for x in (q, k, v)]
            result = _one(fn, now, state, len(outs) % n + 1)
            outs.append(result[0])
            state = result[1]
            if prompt == 1 and len(outs) == n + 1:
                _refuse_stale(result[0], now, (q, k, v), cache)
    shapes = [getattr(out, "shape", None) for out in outs]
    odd = next((i for i, s in enumerate(shapes) if s is None or s != v[:, :, :1].shape), None)
    last = state if isinstance(state, tuple | list) and len(state) == 2 else (state, state)
    kept: list[Any] = [outs[0][:0] if part is None else part for part in last]
    if odd is not None:
        return outs[odd], *kept
    return torch.stack(outs) if isinstance(outs[0], torch.Tensor) else np.stack(outs), *kept


def _one(fn: Callable[..., Any], now: list[Any], state: Any, step: int) -> Any:
    """One call; what it raises is told with the shapes of that call, and None with its remedy."""
    try:
        result = fn(*now, state)
    except NotImplementedError:
        raise
    except Exception as raised:
        got = tuple(now[1].shape)
        if state is None:
            with_cache = "cache None"
        elif isinstance(state, tuple | list) and all(hasattr(part, "shape") for part in state):
            sizes = " and ".join(str(tuple(part.shape)) for part in state)
            with_cache = f"a cache of shapes {sizes}"
        else:
            with_cache = f"the cache that your function returned, {named(state)}"
        message = (str(raised).strip().splitlines() or ["no message"])[0][:160]
        raise Fault(
            "raises",
            f"Your function raised {type(raised).__name__} in step {step}, for q, k, v of shape "
            f"{got} and {with_cache}: {message}",
        ) from raised
    if result is None:
        raise Fault("returns_none", "Your function returns None. Is the `return` missing?")
    if not isinstance(result, tuple | list) or len(result) != 2:
        what = f"{len(result)} results" if isinstance(result, tuple | list) else named(result)
        raise Fault("too_few_results", f"Two results are asked for, the output and the cache; "
                                       f"yours gives {what}.")  # fmt: skip
    return result


def _refuse_stale(out: Any, now: list[Any], whole: tuple[Any, ...], cache: Any) -> None:
    """Raise if the second prompt's first result is what the first prompt's tokens would give."""
    parts = [[], []] if cache is None else [[c] for c in cache]
    seen = [
        torch.cat([*map(_tensor, part), _tensor(all_), _tensor(own)], 2)
        for part, all_, own in zip(parts, whole[1:], now[1:], strict=True)
    ]
    try:
        stale = error([array(out)], [array(attend(_tensor(now[0]), *seen))]) < 1e-4
    except Exception:
        return
    if stale:
        raise Fault(
            "stale_cache",
            "The second text that your function is given still sees the tokens of the first. "
            "The cache belongs to one text: it comes in as an argument and goes out as a result; "
            "nothing may be kept outside the function.",
        )


def _tensor(x: Any) -> Tensor:
    return torch.as_tensor(x).double()


def _copy(x: Any) -> Any:
    return x.clone() if isinstance(x, torch.Tensor) else x.copy()


def _probes() -> list[Probe]:
    def tokens(seed: int, *shape: int) -> tuple[Tensor, ...]:
        return tuple(numbers(seed + i, *shape, spread=1.3) for i in range(3))

    given = tokens(88, 2, 4, 3, 6)[1:]
    return [
        Probe("from an empty cache", (*tokens(81, 3, 2, 4, 6), None)),
        Probe("from a cache of 3 tokens", (*tokens(84, 2, 4, 4, 6), given)),
        Probe("with all sizes equal", (*tokens(91, 4, 4, 4, 4), None)),
        Probe("with one head on one text", (*tokens(94, 1, 1, 3, 4), None), decides=False),
    ]


def _first_wrong(seen: Seen) -> str | None:
    got, want = seen.got("from an empty cache"), seen.want("from an empty cache")
    if got is None or got.shape != want.shape:
        return None
    bad = np.abs(got - want).reshape(len(want), -1).max(1) > 1e-3
    n = len(want) // 2
    if not bad.any() or bad[0]:
        return None
    at = int(bad.argmax())
    text = "the first text" if at < n else "the second text, when the first is done"
    return f"it goes wrong in step {at % n + 1} of {text}."


_SHARED = ("softmax_over_queries", "no_scale", "scale_by_d", "scale_multiplied",
           "scale_sqrt_keys", "no_softmax", "no_division", "softmax_twice",
           "values_are_keys")  # fmt: skip

_CACHE = (
    Mistake("own_token_missing",
            [{"sees": "before"}, {"sees": "before", "first": "zeros"},
             {"sees": "before", "first": "fails"}],
            "Changing the newest token's value changes nothing in your result.",
            "You attend before the new key and value are appended. A token also sees itself.",
            "In which order do you append and attend?",
            "harvard-edge/cs249r_book#1953"),
    Mistake("sees_only_first_key", {"sees": "first"},
            "Your result is the first token's value, in every step.",
            "A causal mask for one query and many keys starts at the first key: "
            "it takes the new token for the first. One new query needs no mask.",
            "Which mask do you use?", "pytorch#144858, pytorch#103082"),
    Mistake("sees_only_itself", [{"sees": "own"}, {"stores": "none"}],
            "Your result is the new token's own value, in every step.",
            "What came before never reaches the attention: the cache is not used, "
            "or not handed on.",
            "Where is the cache read, and what do you return as the new one?",
            "iCog-Labs-Dev/PC-Transformers#129"),
    Mistake("newest_first", {"stores": "newest_first"},
            "Your outputs are right; in your last cache the newest token stands first.",
            "Attention does not mind the order, but the next reader of the cache will: "
            "tokens stand in their order, the newest last.",
            "In which order do you join old and new?", "[exp]"),
    Mistake("cache_doubled", {"joins": "doubled"},
            "Your older tokens count twice, four times, eight times ...",
            "The old cache is appended to itself as well as the new token.",
            "What do you join in one step?", "iCog-Labs-Dev/PC-Transformers#129"),
    Mistake("new_token_replaces", {"joins": "replaces"},
            "Your cache never grows: the new token takes the place of the newest old one.",
            "It should be appended.", "Do you join or write over?", "[exp]"),
    Mistake("new_token_added", {"joins": "added"},
            "Your cache never grows: the new key is added to every old one.",
            "+ adds numbers; it should be joined along the tokens.",
            "Do you join or add?", "[exp]"),
    Mistake("key_among_the_values", {"joins": "key_to_values"},
            "Your newest value is the newest key.",
            "The new key is appended to both parts of the cache.",
            "Compare the two lines that append.", "[exp]"),
    Mistake("last_value_again", {"joins": "last_value_again"},
            "Changing the newest token's value changes nothing in your result.",
            "The last cached value is appended again in place of the new one.",
            "Compare the two lines that append.", "[exp]"),
    Mistake("last_tokens_only", {"joins": "last_four"},
            "Your cache holds four tokens at most.",
            "That is a sliding window; here a token sees everything so far.",
            "Look at your slices.", "[exp]"),
    Mistake("cache_not_grown", [{"stores": "nothing"}, {"stores": "never"}],
            "The new token is missing from the cache that you hand on.",
            "Later tokens see the first cache and themselves, nothing else.",
            "What do you return as the new cache?", "[exp]"),
    Mistake("cache_holds_one_token", [{"stores": "only_new"}, {"sees": "last_two"}],
            "Your tokens see themselves and the one before, not those further back.",
            "The new cache holds the new token alone.",
            "What do you return as the new cache?", "[exp]"),
    Mistake("first_token_lost", {"sees": "not_first"},
            "The first token of the cache gets no weight in your result.",
            "A slice leaves it out.", "Look at your slices.", "[exp]"),
    Mistake("own_token_twice", {"sees": "own_twice"},
            "The newest token counts twice in your result.",
            "It is appended once for the cache and once more for the attention.",
            "How often do you append k and v in one step?",
            "iCog-Labs-Dev/PC-Transformers#129"),
    Mistake("key_and_value_order_differ",
            [{"sees": "values_turned"}, {"sees": "keys_flipped"}],
            "Your weights meet values of other tokens.",
            "New keys are put at one end of the cache, new values at the other.",
            "Compare the two lines that append.", "[exp]"),
    Mistake("values_not_kept", {"stores": "keys_only"},
            "Earlier tokens keep their keys in your result, but not their values.",
            "The cache has the newest value in every place.",
            "What do you store for v?", "[exp]"),
    Mistake("cache_order", [{"order": "vk"}, {"order": "read_vk"},
                            {"order": "return_vk"}],
            "From a given cache your keys and values are exchanged.",
            "The cache is (k, v), in this order, on the way in and on the way out.",
            "In which order do you unpack the cache?", "[exp]"),
    Mistake("joined_along_wrong_axis", [{"join": 0}, {"join": 1}],
            "Your cache grows along the batch or the heads; a batch of several heads fails.",
            "In (b, h, n, d) the tokens are axis 2.",
            "Along which axis do you join?", "fla-org/flash-linear-attention#126"),
)  # fmt: skip


def _one_of(mistake: Mistake) -> Mistake:
    """Makes pairs with mistakes of the attention only: sequences of calls take their time."""
    return replace(mistake, switches=[{**way, "handling": "wrong"} for way in mistake.ways])


cached_step = register(Exercise(
    "cached_step", "05", "cached_step(q, k, v, cache)",
    "Attention of one new token, q, k, v (b, h, 1, d), over all tokens so far: cache is None or "
    "(k, v) of what came before; return the output and the new cache.",
    _step, _probes,
    (*(_one_of(m) for m in _CACHE), *(m for m in ATTENTION if m.id in _SHARED)),
    drive=_steps,
    localise=_first_wrong,
))  # fmt: skip
