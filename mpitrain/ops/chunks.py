"""A flat vector in chunks, each of one layer, for steps that want a norm of every layer.

A chunk goes through the cache of a core, or to a block of a GPU; a layer's sum is that of its chunks, in their order.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

Array = Any
Reduce = Callable[[Array], Array]

OUTSIDE = -1  # of all layers


class Chunk(NamedTuple):
    at: slice
    layer: int


def chunks(layers: Sequence[slice], count: int, size: int) -> Iterator[Chunk]:
    """Of at most `size` elements, ascending; what lies between the layers is `OUTSIDE`."""
    end = 0
    for number, layer in enumerate(layers):
        yield from _cut(end, layer.start, size, OUTSIDE)
        yield from _cut(layer.start, layer.stop, size, number)
        end = layer.stop
    yield from _cut(end, count, size, OUTSIDE)


def _cut(start: int, stop: int, size: int, layer: int) -> Iterator[Chunk]:
    for begin in range(start, stop, size):
        yield Chunk(slice(begin, min(begin + size, stop)), layer)


def summed(sums: Array, reduce: Reduce | None) -> Array:
    """Of sums of squares on this rank, those on all ranks together that hold parts of the vector."""
    return sums if reduce is None else reduce(sums)


def ratios(above: Array, below: Array) -> Array:
    """above / below, and 1 where either is 0: a layer that is or goes nowhere has no scale of its own yet."""
    plain = (above == 0) | (below == 0)
    return np.where(plain, 1.0, above / np.where(plain, 1.0, below))
