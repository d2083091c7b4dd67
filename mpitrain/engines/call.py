"""One collective call: its arguments, checked and turned into arrays."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from mpitrain.array import as_array
from mpitrain.engines.actions import Action
from mpitrain.engines.binding import cuts_of, even_cuts
from mpitrain.engines.reduction import OPS, Op, as_op, check_dtype, divide
from mpitrain.world import Array

REDUCING = ("allreduce", "reduce", "reduce_scatter", "exscan")
ROOTED = ("reduce", "bcast")
BY_BLOCKS = ("reduce_scatter", "allgather", "alltoall")


class Call:
    """What one rank passes to a collective.

    `array` is its buffer, flat; `counts` are the ranks' blocks, empty where there are none; `received` is where an
    alltoall arrives, the buffer itself for all others.
    """

    def __init__(
        self,
        collective: str,
        rank: int,
        size: int,
        buffer: Array,
        op: str | Op | Callable[[Any, Any], Any],
        root: int,
        counts: Sequence[int] | None,
        received: Array | None,
    ):
        self.collective, self.rank, self.size, self.root = collective, rank, size, root
        self.returned = as_array(buffer)  # in the caller's shape
        self.array = self.received = flat(collective, self.returned)
        self.reduces = collective in REDUCING
        self.op = as_op(op)
        if self.reduces:
            check_dtype(self.op, self.array.dtype)
        if collective in ROOTED and not 0 <= root < size:
            raise ValueError(f"{collective}: root {root}: expected a rank below {size}")
        if counts is not None and collective not in ("reduce_scatter", "allgather"):
            raise ValueError(f"{collective}: takes no counts: expected them for reduce_scatter and allgather only")
        self.counts = self._counts(counts) if collective in BY_BLOCKS else []
        if collective == "alltoall":
            self.returned = np.empty_like(self.array) if received is None else as_array(received)
            self.received = self._checked(flat(collective, self.returned))

    def part(self, part: slice) -> "Call":
        """The same call on some of its elements."""
        return Call(self.collective, self.rank, self.size, self.array[part], self.op, self.root, None, None)

    def _counts(self, counts: Sequence[int] | None) -> list[int]:
        count = self.array.size
        if counts is None:
            if self.collective == "alltoall" and count % self.size:
                raise ValueError(f"alltoall: {count} elements: expected a multiple of the {self.size} ranks")
            return [stop - start for start, stop in pairwise(even_cuts(count, self.size))]
        if len(counts) != self.size or sum(counts) != count or min(counts) < 0:
            raise ValueError(
                f"{self.collective}: counts {list(counts)}: expected {self.size} counts, one a rank, of sum {count}"
            )
        return list(counts)

    def _checked(self, received: np.ndarray) -> np.ndarray:
        if received.size != self.array.size or received.dtype != self.array.dtype:
            raise ValueError(
                f"alltoall: receives {received.size} x {received.dtype}: "
                f"expected {self.array.size} x {self.array.dtype}, as is sent"
            )
        if np.may_share_memory(received, self.array):
            raise ValueError("alltoall: sends and receives in one buffer: expected two, or none to receive in")
        return received

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
        if self.collective == "reduce" and self.rank != self.root:
            return None
        return self.block if self.collective == "reduce_scatter" else self.returned

    @property
    def divisor(self) -> int:
        """By what this rank divides its result once all is summed, for a mean; 0 where it does not."""
        if not self.reduces or self.op is not OPS["mean"] or self.result is None:
            return 0
        return self.rank if self.collective == "exscan" else self.size

    def epilogue(self) -> list[Action]:
        """What is left to do once all is summed."""
        return [partial(divide, self.result, self.divisor)] if self.divisor else []


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


def flat(call: str, buffer: Array, written: bool = True) -> np.ndarray:
    """`buffer` as a flat array over the same memory. `ValueError` for gaps, or if it is to be `written` and may not."""
    array = as_array(buffer)
    if not array.flags.c_contiguous:
        raise ValueError(f"{call}: a buffer of shape {array.shape} with gaps: expected contiguous memory")
    if written and not array.flags.writeable:
        raise ValueError(f"{call}: a read-only buffer: expected one that may be written")
    return array.reshape(-1)
