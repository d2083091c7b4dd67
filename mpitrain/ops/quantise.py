"""A vector in 8 bits an element, with a scale for each group of elements: what a quantised gradient sends.

    scale = max |x| / 127        code = x * (127 / max |x|), rounded        x ~ code * scale

over each group, all in float32. A group of numbers below 1e-30 is 0. There are two ways to round:

    to nearest, ties to even: no number moves by more than half its group's scale
    down, after a random number from [0, 1) has been added: by less than the scale, and not at all in the mean

The second is what QSGD wants (Alistarh et al. 2017, section 3.1, with levels of the maximum norm): the mean of many
ranks' gradients is right although each is rough. Its random numbers are Philox's (philox.py): word i % 4 of the counter
(i / 4, step) for number i. So every machine and device rounds alike.
"""

from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.flat import check_vector
from mpitrain.ops.launch import THREADS, launch
from mpitrain.ops.philox import HALF, MASK, philox

Array = Any

LEVELS = 127  # on both sides of 0
SMALLEST = 1e-30


class Quantised(NamedTuple):
    codes: Array
    """int8 (count,), from -127 to 127."""
    scales: Array
    """float32 (ceil(count / group),)."""


def quantise(vector: Array, group: int = 1024, key: tuple[int, int] | None = None, step: int = 0) -> Quantised:
    """A contiguous vector of any floating-point type, finite, in groups of so many elements, the last perhaps fewer.

    With a `key`, such as `philox_key` makes for each rank, it is rounded by chance, by another in every `step`.
    Raises ValueError if it is none, or a group has no elements.
    """
    check_vector("vector", vector)
    if group < 1:
        raise ValueError(f"a group must have at least 1 element, found {group}")
    xp, count = namespace(vector), len(vector)
    groups = -(-count // group)
    quantised = Quantised(empty((count,), np.int8, xp), empty((groups,), np.float32, xp))
    if xp is not np:
        chance = (np.int32(key is not None), *map(np.uint32, key or (0, 0)), np.uint32(step))
        args = (vector, *quantised, np.int64(group), np.int64(count), *chance)
        launch(xp, "quantise.cu", f"quantise_{vector.dtype.name}", groups, THREADS, args)
        return quantised
    for number, part, codes in _groups(vector, quantised.codes, group):
        numbers = part.astype(np.float32)
        largest = np.abs(numbers).max(initial=np.float32(0), axis=1, keepdims=True)
        nothing = largest < SMALLEST
        quantised.scales[number : number + len(part)] = np.where(nothing, np.float32(0), largest / LEVELS)[:, 0]
        inverse = np.where(nothing, np.float32(0), LEVELS / np.where(nothing, np.float32(1), largest))
        np.multiply(numbers, inverse, out=numbers)
        if key is None:
            np.rint(numbers, out=numbers)
        else:
            numbers += _chances(number * group, part.size, key, step).reshape(part.shape)
            np.floor(numbers, out=numbers)
        codes[...] = np.clip(numbers, -LEVELS, LEVELS, out=numbers)
    return quantised


def dequantise(quantised: Quantised, out: Array, group: int = 1024) -> Array:
    """What the codes stand for, into `out`, a contiguous vector of any floating-point type, which is returned."""
    check_vector("out", out)
    xp, count = namespace(out), len(out)
    if xp is not np:
        args = (*quantised, out, np.int64(group), np.int64(count))
        launch(xp, "quantise.cu", f"dequantise_{out.dtype.name}", -(-count // group), THREADS, args)
        return out
    for number, codes, part in _groups(quantised.codes, out, group):
        part[...] = codes * quantised.scales[number : number + len(part), None]
    return out


def _chances(start: int, count: int, key: tuple[int, int], step: int) -> Array:
    """From [0, 1), float32 (count,): those of number `start` and the following."""
    first, last = start // 4, -(-(start + count) // 4)
    counter = np.zeros((4, last - first), np.uint64)
    places = np.arange(first, last, dtype=np.uint64)
    counter[0], counter[1], counter[2] = places & MASK, places >> HALF, step
    words = philox(counter, key).T.reshape(-1)[start - 4 * first :][:count]
    return (words >> np.uint64(8)).astype(np.float32) * np.float32(2**-24)


GROUPS = 64  # that go through the cache at a time


def _groups(source: Array, target: Array, group: int) -> Any:
    """Pieces of two vectors as (groups, elements), and the number of their first group; a short last one by itself."""
    whole = len(source) // group
    for number in range(0, whole, GROUPS):
        piece = slice(number * group, min(number + GROUPS, whole) * group)
        yield number, source[piece].reshape(-1, group), target[piece].reshape(-1, group)
    if whole * group < len(source):
        yield whole, source[None, whole * group :], target[None, whole * group :]
