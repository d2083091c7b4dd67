"""A vector in 8 bits an element, with a scale for each group of elements: what a quantised gradient sends.

    scale = max |x| / 127        code = x * (127 / max |x|), rounded to nearest, ties to even        x ~ code * scale

over each group, all in float32. So no number moves by more than half its group's scale (the uniform levels of Alistarh
et al. 2017, QSGD, section 3, by the maximum norm and rounded to nearest). A group of numbers below 1e-30 is 0.
"""

from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.flat import check_vector
from mpitrain.ops.launch import THREADS, launch

Array = Any

LEVELS = 127  # on both sides of 0
SMALLEST = 1e-30


class Quantised(NamedTuple):
    codes: Array
    """int8 (count,), from -127 to 127."""
    scales: Array
    """float32 (ceil(count / group),)."""


def quantise(vector: Array, group: int = 1024) -> Quantised:
    """A contiguous vector of any floating-point type, finite, in groups of so many elements, the last perhaps fewer.

    Raises ValueError if it is none, or a group has no elements.
    """
    check_vector("vector", vector)
    if group < 1:
        raise ValueError(f"a group must have at least 1 element, found {group}")
    xp, count = namespace(vector), len(vector)
    groups = -(-count // group)
    quantised = Quantised(empty((count,), np.int8, xp), empty((groups,), np.float32, xp))
    if xp is not np:
        args = (vector, *quantised, np.int64(group), np.int64(count))
        launch(xp, "quantise.cu", f"quantise_{vector.dtype.name}", groups, THREADS, args)
        return quantised
    for number, part, codes in _groups(vector, quantised.codes, group):
        numbers = part.astype(np.float32)
        largest = np.abs(numbers).max(initial=np.float32(0), axis=1, keepdims=True)
        nothing = largest < SMALLEST
        quantised.scales[number : number + len(part)] = np.where(nothing, np.float32(0), largest / LEVELS)[:, 0]
        inverse = np.where(nothing, np.float32(0), LEVELS / np.where(nothing, np.float32(1), largest))
        np.multiply(numbers, inverse, out=numbers)
        np.rint(numbers, out=numbers)
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


GROUPS = 64  # that go through the cache at a time


def _groups(source: Array, target: Array, group: int) -> Any:
    """Pieces of two vectors as (groups, elements), and the number of their first group; a short last one by itself."""
    whole = len(source) // group
    for number in range(0, whole, GROUPS):
        piece = slice(number * group, min(number + GROUPS, whole) * group)
        yield number, source[piece].reshape(-1, group), target[piece].reshape(-1, group)
    if whole * group < len(source):
        yield whole, source[None, whole * group :], target[None, whole * group :]
