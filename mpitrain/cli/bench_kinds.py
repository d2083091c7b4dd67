"""What to measure: a line for each collective. A new one needs no more than its line here.

Bus factors are those of nccl-tests: what a perfect algorithm must carry over each rank's link, as a share of the whole
buffer; for a scan, which nccl-tests do not have, its data. They bound every algorithm from below (`bench_bounds`).

    https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md

What is asked of a result is told in terms of what the ranks brought: a table of 251 small whole numbers for each rank,
repeated. Sums are exact in every type, and since 251 is a prime no chunk looks like another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mpitrain.engines.layout import even_cuts

PERIOD = 251
ROOT = 0


@dataclass(frozen=True)
class Given:
    """What the ranks brought to a collective of `count` elements, as one rank needs it to tell what it must get."""

    rank: int
    count: int
    numbers: np.ndarray  # a row a rank

    @classmethod
    def seeded(cls, rank: int, size: int, count: int, seed: int) -> "Given":
        return cls(rank, count, np.random.default_rng(seed).integers(0, 4, (size, PERIOD)))

    def of(self, rank: int) -> np.ndarray:
        return np.resize(self.numbers[rank], self.count)

    def sum(self, ranks: int | None = None) -> np.ndarray:
        """Of the first so many ranks, or of all."""
        return np.resize(self.numbers[:ranks].sum(0), self.count)

    def block(self, rank: int) -> slice:
        start, stop = even_cuts(self.count, len(self.numbers))[rank : rank + 2]
        return slice(start, stop)

    def gathered(self) -> np.ndarray:
        """Every rank's own block."""
        found = np.empty(self.count, self.numbers.dtype)
        for rank, (start, stop) in enumerate(pairwise(even_cuts(self.count, len(self.numbers)))):
            found[start:stop] = self.of(rank)[start:stop]
        return found

    def exchanged(self) -> np.ndarray:
        """This rank's block of every rank."""
        return np.concatenate([self.of(rank)[self.block(self.rank)] for rank in range(len(self.numbers))])


class Part(Enum):
    """Of the whole buffer: what a rank gives, or gets in memory apart."""

    WHOLE = "whole"
    BLOCK = "its own block"
    AT_ROOT = "the whole at the root, nothing elsewhere"
    NOTHING = "nothing"

    def of(self, whole: np.ndarray, rank: int, size: int) -> np.ndarray | None:
        """This part of a whole buffer, or of numbers that might lie in it."""
        if self is Part.NOTHING or (self is Part.AT_ROOT and rank != ROOT):
            return None
        start, stop = even_cuts(whole.size, size)[rank : rank + 2] if self is Part.BLOCK else (0, whole.size)
        return whole[start:stop]


class Kind(NamedTuple):
    """`bus` is the bus factor at so many ranks, None for a collective without data; `wanted` what this rank must get,
    None where nothing is promised to it. What a rank `gives`, and what it `gets` in memory apart from that; nothing
    for collectives in place. `equal`: all ranks' blocks must be equally long."""

    bus: Callable[[int], float] | None
    wanted: Callable[[Given], np.ndarray | None]
    gives: Part = Part.WHOLE
    gets: Part = Part.NOTHING
    equal: bool = False

    def elements(self, nbytes: int, itemsize: int, ranks: int) -> int:
        """Elements that make so many bytes; or a few more, so that blocks are equally long."""
        count = 0 if self.bus is None else nbytes // itemsize
        return count + -count % ranks if self.equal else count

    def room(self, count: int) -> int:
        """Elements of memory for `count` elements of data, alike on all ranks."""
        return count if self.gets is Part.NOTHING else 2 * count


KINDS: dict[str, Kind] = {
    "allreduce": Kind(lambda p: 2 * (p - 1) / p, lambda given: given.sum()),
    "reduce_scatter": Kind(lambda p: (p - 1) / p, lambda given: given.sum()[given.block(given.rank)]),
    "allgather": Kind(lambda p: (p - 1) / p, lambda given: given.gathered()),
    "bcast": Kind(lambda p: 1, lambda given: given.of(ROOT)),
    "reduce": Kind(lambda p: 1, lambda given: given.sum() if given.rank == ROOT else None),
    "gather": Kind(
        lambda p: (p - 1) / p, lambda given: given.gathered() if given.rank == ROOT else None, Part.BLOCK, Part.AT_ROOT,
        equal=True,
    ),
    "scatter": Kind(
        lambda p: (p - 1) / p, lambda given: given.of(ROOT)[given.block(given.rank)], Part.AT_ROOT, Part.BLOCK,
        equal=True,
    ),
    "alltoall": Kind(lambda p: (p - 1) / p, lambda given: given.exchanged(), Part.WHOLE, Part.WHOLE, equal=True),
    "scan": Kind(lambda p: 1, lambda given: given.sum(given.rank + 1)),
    "exscan": Kind(lambda p: 1, lambda given: given.sum(given.rank) if given.rank else None),
    "barrier": Kind(None, lambda given: None, Part.NOTHING),
}  # fmt: skip
