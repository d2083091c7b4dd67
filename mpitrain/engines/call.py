"""One collective call: its arguments, checked and turned into arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mpitrain.collectives.kinds import KINDS
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.actions import HOST, Action, Arithmetic
from mpitrain.engines.buffers import Buffers, Counts, in_place, of_alltoall, of_gather, of_scatter
from mpitrain.engines.layout import Layout, cuts_of, even_lengths
from mpitrain.engines.reduction import OPS, Op, as_op, check_dtype, divide
from mpitrain.world import Array


class Call:
    """What one rank passes to a collective.

    `array` is its buffer, flat, and `received` where its result arrives: the buffer itself for collectives in place.
    `counts` are the ranks' blocks, empty where there are none. `count` and `nbytes`, the size of the whole, are alike
    on all ranks: 0 for an alltoall to which counts were given, of which no rank knows the whole.
    """

    def __init__(
        self,
        collective: str,
        rank: int,
        size: int,
        buffer: Array | None,
        op: str | Op | Callable[[Any, Any], Any] = "sum",
        root: int = 0,
        counts: Counts = None,
        received: Array | None = None,
        received_counts: Counts = None,
    ):
        self.collective, self.rank, self.size, self.root = collective, rank, size, root
        if collective not in KINDS:
            raise ScheduleError(f"no collective {collective!r}: expected one of {', '.join(KINDS)}")
        self.kind = KINDS[collective]
        if self.kind.rooted and not 0 <= root < size:
            raise ValueError(f"{collective}: root {root}: expected a rank below {size}")
        found = self._buffers(buffer, counts, received, received_counts)
        self.array, self.received, self.returned, self.counts, self.exchanged = found
        self.op = as_op("max" if collective == "barrier" else op)
        if self.reduces:
            check_dtype(self.op, self.array.dtype)
        self.dtype = self.array.dtype
        self.count = 0 if self.exchanged else sum(self.counts) if self.counts else self.array.size
        self.nbytes = self.count * self.dtype.itemsize
        self.known: Sequence[tuple[Sequence[int], Sequence[int]]] | None = None

    @property
    def reduces(self) -> bool:
        return self.kind.reduces

    def part(self, part: slice) -> "Call":
        """The same call on some of its elements."""
        return Call(self.collective, self.rank, self.size, self.array[part], self.op, self.root)

    def layout(self, chunks: int) -> Layout:
        """How long the chunks are, if the data are cut into so many (by blocks: as many as there are ranks).

        Of an alltoall to which counts were given, other ranks' chunks are `known` once the ranks have told each other.
        """
        if self.exchanged is None:
            return Layout(self.collective, self.root, self.counts or even_lengths(self.array.size, chunks))
        nothing = [0] * self.size
        known = self.known or [self.exchanged if r == self.rank else (nothing, nothing) for r in range(self.size)]
        return Layout(self.collective, self.root, self.counts, known)

    def _buffers(
        self, buffer: Array | None, counts: Counts, received: Array | None, received_counts: Counts
    ) -> Buffers:
        collective, place = self.collective, (self.rank, self.size, self.root)
        if collective == "scatter":
            return of_scatter(buffer, received, *place, counts)
        if collective == "gather":
            return of_gather(buffer, received, *place, counts)
        if collective == "alltoall":
            return of_alltoall(buffer, received, self.size, counts, received_counts)
        if collective == "barrier" and buffer is None:
            buffer = np.zeros(1, np.uint8)  # the token
        return in_place(collective, buffer, self.size, counts, self.kind.by_blocks)

    @property
    def buffers(self) -> tuple[np.ndarray, ...]:
        """All memory that the caller gave."""
        return (self.array,) if self.received is self.array else (self.array, self.received)

    @property
    def block(self) -> np.ndarray:
        """This rank's own block of the buffer."""
        cuts = cuts_of(self.counts)
        return self.array[cuts[self.rank] : cuts[self.rank + 1]]

    @property
    def result(self) -> Any:
        """What the call returns, once it is done."""
        if self.collective in ("reduce", "gather") and self.rank != self.root:
            return None
        return self.block if self.collective == "reduce_scatter" else self.returned

    @property
    def divisor(self) -> int:
        """By what this rank divides its result once all is summed, for a mean; 0 where it does not."""
        if not self.reduces or self.op is not OPS["mean"] or self.result is None:
            return 0
        return {"scan": self.rank + 1, "exscan": self.rank}.get(self.collective, self.size)

    def epilogue(self, arithmetic: Arithmetic = HOST) -> list[Action]:
        """What is left to do once all is summed."""
        return [arithmetic.dividing(self.result, self.divisor)] if self.divisor else []


def finish(call: Call, blocks_come_first: bool = False) -> Callable[[np.ndarray], Any] | None:
    """What is left to do to an array in which such a call was made, and its result; None if it is the result as it is.

    `blocks_come_first`: every rank's block was put at the beginning, as MPI does.
    """
    divisor = call.divisor
    if call.collective == "reduce" and call.rank != call.root:
        return lambda array: None
    if call.collective != "reduce_scatter" and not divisor:
        return None
    by_blocks = call.collective == "reduce_scatter"
    start, stop = cuts_of(call.counts)[call.rank : call.rank + 2] if by_blocks else (0, 0)

    def finished(array: np.ndarray) -> np.ndarray:
        result = array.reshape(-1)[start:stop] if by_blocks else array
        if start and blocks_come_first:
            result[...] = array.reshape(-1)[: stop - start]
        if divisor:
            divide(result, divisor)
        return result

    return finished
