"""The vocabulary in which every collective algorithm is written.

An algorithm is a pure function of (rank, size) that yields the steps of that rank's program:

    Step(send=[Send(right, 0)], recv=[Reduce(left, 3)])

A step is defined by its effect. Every send takes the value its chunks had *before* the step; what arrives is then
combined, in the listed order; the local actions come last, in the listed order. How an engine gets there is its own
affair. A step ends when all of its messages have left and arrived.

Data are cut into chunks, contiguous ranges of elements that need not be equally long and may be empty. Chunks live in
three spaces: what the caller gave (INPUT), what the caller gets (OUTPUT), and room for intermediate values (SCRATCH,
whose chunk j is as long as output chunk j modulo their number). Most programs work in place: input *is* output, and a
bare number or range names chunks of it. Messages from one rank to another match in order.
"""

from collections.abc import Iterable
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple


class ScheduleError(Exception):
    """A schedule is wrong, or an algorithm does not apply. Carries where, if that is known.

    `rank` and `step` count from 0, `chunk` names a chunk as `Chunks` prints it; each is None where it does not apply.
    """

    def __init__(
        self,
        fault: str,
        *,
        rank: int | None = None,
        step: int | None = None,
        chunk: object = None,
        expected: object = None,
        found: object = None,
    ):
        place = ", ".join(
            f"{name} {value}" for name, value in (("rank", rank), ("step", step), ("chunk", chunk)) if value is not None
        )
        outcome = "" if expected is None else f": expected {expected}, found {found}"
        super().__init__(f"{place}: {fault}{outcome}" if place else f"{fault}{outcome}")
        self.fault, self.rank, self.step, self.chunk = fault, rank, step, chunk
        self.expected, self.found = expected, found

    def at(self, rank: int, step: int, chunk: object) -> "ScheduleError":
        """The same fault, by one who knows where it is."""
        return ScheduleError(self.fault, rank=rank, step=step, chunk=chunk, expected=self.expected, found=self.found)


class Space(Enum):
    """Where chunks live. `OUTPUT[2]` is one chunk, `SCRATCH[0:4]` four in a row."""

    INPUT = "in"
    OUTPUT = "out"
    SCRATCH = "scratch"

    def __getitem__(self, index: int | slice) -> "Chunks":
        if isinstance(index, int):
            return Chunks(self, index, index + 1)
        if index.start is None or index.stop is None or index.step is not None or index.start >= index.stop:
            raise ValueError(f"chunks of {self.value}: expected [first:stop] with first < stop, found {index}")
        return Chunks(self, index.start, index.stop)


INPUT, OUTPUT, SCRATCH = Space


class Chunks(NamedTuple):
    """The chunks start, start + 1, ..., stop - 1 of one space: one contiguous piece of memory."""

    space: Space
    start: int
    stop: int

    def overlaps(self, other: "Chunks") -> bool:
        return self.space is other.space and self.start < other.stop and other.start < self.stop

    def __str__(self) -> str:
        span = str(self.start) if self.stop == self.start + 1 else f"{self.start}-{self.stop - 1}"
        return span if self.space is OUTPUT else f"{self.space.value}.{span}"


ChunksLike = int | range | Chunks


def _chunks(chunks: ChunksLike) -> Chunks:
    if isinstance(chunks, int):
        return _output_chunk(chunks)
    if isinstance(chunks, Chunks):
        return chunks
    if not isinstance(chunks, range):
        raise ValueError(
            f"chunks of one message: expected a number, a range, or INPUT, OUTPUT, SCRATCH[...], found {chunks!r}"
        )
    if chunks.step != 1 or not chunks:
        raise ValueError(f"chunks of one message: expected a range of step 1 that is not empty, found {chunks}")
    return Chunks(OUTPUT, chunks.start, chunks.stop)


@lru_cache(maxsize=1 << 14)
def _output_chunk(number: int) -> Chunks:
    """Programs on many ranks name every chunk several times."""
    return Chunks(OUTPUT, number, number + 1)


class Side(Enum):
    """Where an incoming value stands beside the one that is there (for operations that do not commute)."""

    LEFT = "left"
    RIGHT = "right"


LEFT, RIGHT = Side


class _Send(NamedTuple):
    peer: int
    chunks: Chunks
    weight: Fraction | None


class Send(_Send):
    """One message to `peer`. With a weight w, what travels is w times the value."""

    __slots__ = ()

    def __new__(cls, peer: int, chunks: ChunksLike, weight: Fraction | None = None) -> "Send":
        return tuple.__new__(cls, (peer, _chunks(chunks), weight))


class _Copy(NamedTuple):
    peer: int
    chunks: Chunks


class Copy(_Copy):
    """One message from `peer` that overwrites `chunks`."""

    __slots__ = ()

    def __new__(cls, peer: int, chunks: ChunksLike) -> "Copy":
        return tuple.__new__(cls, (peer, _chunks(chunks)))


class _Reduce(NamedTuple):
    peer: int
    chunks: Chunks
    side: Side
    weight: Fraction | None


class Reduce(_Reduce):
    """One message from `peer`, combined into `chunks`: own + incoming, or incoming + own with side=LEFT.

    With a weight w it is a mean of the two: (1 - w) own + w incoming.
    """

    __slots__ = ()

    def __new__(cls, peer: int, chunks: ChunksLike, side: Side = RIGHT, weight: Fraction | None = None) -> "Reduce":
        return tuple.__new__(cls, (peer, _chunks(chunks), side, weight))


class Move(NamedTuple):
    """Local: `target` becomes a copy of `source`."""

    source: Chunks
    target: Chunks


class Combine(NamedTuple):
    """Local: `source` is combined into `target`, standing at its `side`."""

    source: Chunks
    target: Chunks
    side: Side = RIGHT


class _Step(NamedTuple):
    send: tuple[Send, ...]
    recv: tuple[Copy | Reduce, ...]
    local: tuple[Move | Combine, ...]


class Step(_Step):
    """Messages that travel at one time, then local actions."""

    __slots__ = ()

    def __new__(
        cls, send: Iterable[Send] = (), recv: Iterable[Copy | Reduce] = (), local: Iterable[Move | Combine] = ()
    ) -> "Step":
        return tuple.__new__(cls, (tuple(send), tuple(recv), tuple(local)))

    @property
    def named(self) -> list[Chunks]:
        """All chunks that it names."""
        messages = [message.chunks for message in (*self.send, *self.recv)]
        return messages + [chunks for action in self.local for chunks in (action.source, action.target)]

    @property
    def written(self) -> list[Chunks]:
        """The chunks that it gives new values."""
        return [receive.chunks for receive in self.recv] + [action.target for action in self.local]


Program = tuple[Step, ...]
"""One rank's steps."""


def scratch_chunks(steps: Iterable[Step]) -> int:
    """How many chunks of scratch a program uses."""
    return max((chunks.stop for step in steps for chunks in step.named if chunks.space is SCRATCH), default=0)
