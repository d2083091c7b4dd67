"""A flat vector in chunks, each of one layer, for steps that want a norm of every layer.

A chunk goes through the cache of a core, or to a block of a GPU; a layer's sum is that of its chunks, in their order.
"""

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from mpitrain.ops.spans import Spans

Array = Any
Reduce = Callable[[Array], Array]

OUTSIDE = -1  # of all layers
DEVICE_CHUNK = 1 << 14  # elements that a block does; a thread takes 16 bytes of them 16 times


class Chunk(NamedTuple):
    at: slice
    layer: int


class Table(NamedTuple):
    """The chunks on a device, and of each layer which they are."""

    edges: Array  # int64 (chunks, 2): first element, and the one behind the last
    layer: Array  # int32 (chunks,)
    ranges: Array  # int64 (layers, 2): first chunk, and the one behind the last


class Layers:
    """The layers of a vector of `count` elements, slices as in `Spans`; None is one layer of all."""

    def __init__(self, spans: Sequence[slice] | None, count: int):
        self.slices, self.count = Spans(spans, count).given, count
        self._tables: dict[ModuleType, Table] = {}

    def __len__(self) -> int:
        return len(self.slices)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Of at most `size` elements, ascending; what lies between the layers is `OUTSIDE`."""
        end = 0
        for number, layer in enumerate(self.slices):
            yield from _cut(end, layer.start, size, OUTSIDE)
            yield from _cut(layer.start, layer.stop, size, number)
            end = layer.stop
        yield from _cut(end, self.count, size, OUTSIDE)

    def table(self, xp: ModuleType) -> Table:
        """The same on a device, made once."""
        if xp not in self._tables:
            chunks = list(self.chunks(DEVICE_CHUNK))
            edges = np.array([(chunk.at.start, chunk.at.stop) for chunk in chunks], np.int64).reshape(-1, 2)
            layer = np.array([chunk.layer for chunk in chunks], np.int32)
            ranges = np.zeros((len(self), 2), np.int64)
            for number in range(len(self)):
                own = np.flatnonzero(layer == number)
                ranges[number] = (own[0], own[-1] + 1) if len(own) else 0
            self._tables[xp] = Table(xp.asarray(edges), xp.asarray(layer), xp.asarray(ranges))
        return self._tables[xp]


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
