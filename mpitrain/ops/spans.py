"""Parts of a flat vector, given as slices: for NumPy the pieces of a tile, for a kernel one bit an element."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

Array = Any


class Spans:
    """Ascending, disjoint parts of a vector of `count` elements, some perhaps empty; None is all of it.

    `given` are the parts as they came; in `pieces` neighbours have become one. Raises ValueError if the slices overlap,
    go back, take steps or leave the vector.
    """

    def __init__(self, spans: Sequence[slice] | None, count: int):
        self.count = count
        self.given = [slice(0, count)] if spans is None else list(spans)
        self.pieces: list[slice] = []
        end = 0
        for span in self.given:
            if span.step not in (None, 1) or not end <= span.start <= span.stop <= count:
                raise ValueError(f"spans must be ascending, disjoint parts of a vector of {count}, found {span}")
            end = span.stop
            if self.pieces and self.pieces[-1].stop == span.start:
                self.pieces[-1] = slice(self.pieces[-1].start, span.stop)
            elif span.start < span.stop:
                self.pieces.append(span)
        self.whole = count == 0 or self.pieces == [slice(0, count)]
        self._ends = [piece.stop for piece in self.pieces]
        self._bits: dict[ModuleType, Array] = {}

    def within(self, tile: slice) -> Iterator[slice]:
        """The pieces in `tile`, counted from where the tile starts."""
        for piece in self.pieces[bisect_right(self._ends, tile.start) :]:
            if piece.start >= tile.stop:
                return
            yield slice(max(piece.start, tile.start) - tile.start, min(piece.stop, tile.stop) - tile.start)

    def between(self) -> list[slice]:
        """What of the vector lies in none of them."""
        starts, stops = [0, *self._ends], [*(piece.start for piece in self.pieces), self.count]
        return [slice(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]

    def bits(self, xp: ModuleType) -> Array:
        """uint8 (ceil(count / 8),): element i is bit i % 8 of byte i // 8, set inside the spans."""
        if xp not in self._bits:
            inside = np.zeros(self.count, np.uint8)
            for piece in self.pieces:
                inside[piece] = 1
            self._bits[xp] = xp.asarray(np.packbits(inside, bitorder="little"))
        return self._bits[xp]
