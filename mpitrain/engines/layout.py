"""How long the chunks of one call are, on every rank."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

from mpitrain.collectives.schedule import INPUT, OUTPUT, SCRATCH, Space


class Layout(NamedTuple):
    """`lengths` are those of the chunks of the whole; scratch is measured by them, and most collectives know no others.

    Of a gather only the root has an output as a whole, and the others give one chunk each; of a scatter the same holds
    the other way round. `exchanged`, for an alltoall of unequal blocks, are every rank's (given, wanted) lengths.
    """

    collective: str
    root: int
    lengths: Sequence[int]
    exchanged: Sequence[tuple[Sequence[int], Sequence[int]]] | None = None

    def of(self, rank: int, space: Space) -> Sequence[int]:
        """The lengths of this rank's chunks in one space; 0 for those it has no memory for."""
        if space is not SCRATCH and self.exchanged is not None:
            return self.exchanged[rank][space is OUTPUT]
        if self.collective not in ("gather", "scatter") or space is SCRATCH:
            return self.lengths
        whole, block = (OUTPUT, INPUT) if self.collective == "gather" else (INPUT, OUTPUT)
        if space is whole:
            return self.lengths if rank == self.root else [0] * len(self.lengths)
        return [length if space is block and chunk == rank else 0 for chunk, length in enumerate(self.lengths)]

    def cuts(self, rank: int, space: Space) -> Sequence[int]:
        """Where this rank's chunks begin and end in that space."""
        return cuts_of(self.of(rank, space))


@lru_cache(maxsize=64)
def even_cuts(count: int, chunks: int) -> tuple[int, ...]:
    """Boundaries of `chunks` ranges of `count` elements, as even as can be. Kept: many ranks may share them."""
    return tuple(i * count // chunks for i in range(chunks + 1))


@lru_cache(maxsize=64)
def even_lengths(count: int, chunks: int) -> tuple[int, ...]:
    """How long those ranges are."""
    return tuple(stop - start for start, stop in pairwise(even_cuts(count, chunks)))


def cuts_of(lengths: Sequence[int]) -> tuple[int, ...]:
    return _cuts_of(tuple(lengths))


@lru_cache(maxsize=64)
def _cuts_of(lengths: tuple[int, ...]) -> tuple[int, ...]:
    return (0, *accumulate(lengths))


def scratch_cuts(lengths: Sequence[int], used: int) -> tuple[int, ...]:
    """Where `used` chunks of scratch begin: each is as long as the chunk of its number, modulo their number."""
    return cuts_of([lengths[j % len(lengths)] for j in range(used)])
