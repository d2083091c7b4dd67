"""Where ranks must wait for each other when a schedule runs in shared memory, and nowhere else.

In shared memory nothing need be sent: the receiver q reads the chunks straight from the memory of the sender r. What
the message took care of must then be ensured by waiting. Of each message that r sends in step i and q receives in j:

    rank r   ... step w writes the chunks      step i ... step k >= i writes them next
                                    \\                       /
                    read after write \\                     / write after read
                                      \\                   /
    rank q                             step j reads them

Two events of a step count: it reads from its peers, each message when its value is there, and then it writes its own
chunks. That k may be i, the very step that "sends" the value of before, is the exchange race: both partners of an
exchange would overwrite what the other is still to read.

The caller takes part. Step -1 is what a rank's caller wrote before it entered; the step after the last is the caller's
own again, who may overwrite everything once the rank has returned.

What follows from other conflicts and from the order of a rank's own steps is left out: the least that ranks must do.
A happened-before clock for each step finds it.

    Lamport, Time, clocks, and the ordering of events in a distributed system, CACM 21(7), 1978
    Mattern, Virtual time and global states of distributed systems, 1989
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from enum import Enum
from graphlib import TopologicalSorter
from typing import NamedTuple

from mpitrain.analysis.replay import replay
from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import Chunks, Program, Space, Step


class Kind(Enum):
    """Named, as usual, by the later access first."""

    READ_AFTER_WRITE = "read after write"
    WRITE_AFTER_READ = "write after read"


READ_AFTER_WRITE, WRITE_AFTER_READ = Kind


class Access(NamedTuple):
    """What a step does to memory: it reads what receive number `receive` brings, or, if None, writes its own chunks."""

    rank: int
    step: int
    receive: int | None = None


class Conflict(NamedTuple):
    """`then` must wait until `first` is done. One reads, one writes `chunks`, in the memory of the one that writes."""

    kind: Kind
    first: Access
    then: Access
    chunks: Chunks

    @property
    def reader(self) -> Access:
        return self.then if self.kind is READ_AFTER_WRITE else self.first

    @property
    def writer(self) -> Access:
        return self.first if self.kind is READ_AFTER_WRITE else self.then

    def __str__(self) -> str:
        (reader, reading, _), (writer, writing, _) = self.reader, self.writer
        order = "after" if self.kind is READ_AFTER_WRITE else "before"
        return f"rank {reader} step {reading} reads {self.chunks} of rank {writer} {order} its step {writing} writes it"


def conflicts(schedule: Schedule) -> tuple[Conflict, ...]:
    """All conflicts between ranks that no others imply, in the order of the ranks and steps that must wait.

    A `ScheduleError` of the walk (such as a deadlock) is passed on. A schedule that can be walked never waits in a
    circle here, as long as a step reads its messages in whatever order their values come.
    """
    matched = _Matched()
    replay(schedule, matched)
    writes = [_Writes(program) for program in schedule.programs]
    found = []
    for reader, writer, sent, chunks in matched.reads:
        wrote = Access(writer, writes[writer].last_before(sent, chunks))
        found.append(Conflict(READ_AFTER_WRITE, wrote, reader, chunks))
        writes_next = Access(writer, writes[writer].first_from(sent, chunks))
        found.append(Conflict(WRITE_AFTER_READ, reader, writes_next, chunks))
    done = _done_before(schedule, found)
    needed = (conflict for conflict in found if not _is_implied(conflict, done))
    return tuple(sorted(needed, key=lambda conflict: conflict.then[:2]))


def exchange_races(schedule: Schedule) -> tuple[tuple[int, int], ...]:
    """Every (rank, step) that writes a chunk which it also sends: peers must have read it before the step writes."""
    return tuple(
        (rank, number)
        for rank, program in enumerate(schedule.programs)
        for number, step in enumerate(program)
        if not _cells(send.chunks for send in step.send).isdisjoint(_cells(_written(step)))
    )


class _Read(NamedTuple):
    """`reader` reads `chunks` of rank `writer` as they were before its step `sent`."""

    reader: Access
    writer: int
    sent: int
    chunks: Chunks


class _Matched:
    """A reading: which receive belongs to which send."""

    def __init__(self) -> None:
        self.reads: list[_Read] = []

    def begin(self, rank: int, number: int, step: Step) -> Sequence[tuple[int, int, Chunks]]:
        return [(rank, number, send.chunks) for send in step.send]

    def end(self, rank: int, number: int, step: Step, arrived: Sequence[tuple[int, int, Chunks]]) -> None:
        self.reads += [_Read(Access(rank, number, receive), *message) for receive, message in enumerate(arrived)]


class _Writes:
    """In which steps of a program each chunk is written."""

    def __init__(self, program: Program):
        self.end = len(program)
        self.steps: dict[tuple[Space, int], list[int]] = {}
        for number, step in enumerate(program):
            for cell in _cells(_written(step)):
                self.steps.setdefault(cell, []).append(number)

    def last_before(self, step: int, chunks: Chunks) -> int:
        earlier = [steps[at - 1] for steps, at in self._at(step, chunks) if at > 0]
        return max(earlier, default=-1)

    def first_from(self, step: int, chunks: Chunks) -> int:
        later = [steps[at] for steps, at in self._at(step, chunks) if at < len(steps)]
        return min(later, default=self.end)

    def _at(self, step: int, chunks: Chunks) -> list[tuple[list[int], int]]:
        """For each chunk the steps that write it, and how many of them come before `step`."""
        written = [self.steps.get(cell, []) for cell in _cells([chunks])]
        return [(steps, bisect_left(steps, step)) for steps in written]


def _written(step: Step) -> list[Chunks]:
    return [receive.chunks for receive in step.recv] + [action.target for action in step.local]


def _cells(pieces: Iterable[Chunks]) -> set[tuple[Space, int]]:
    return {(piece.space, chunk) for piece in pieces for chunk in range(piece.start, piece.stop)}


Done = dict[tuple[int, int], list[int]]
"""For each (rank, step): the last step of every rank that is surely done when this one is."""


def _done_before(schedule: Schedule, found: Iterable[Conflict]) -> Done:
    after: dict[tuple[int, int], set[tuple[int, int]]] = {
        (rank, number): {(rank, number - 1)} if number >= 0 else set()
        for rank, program in enumerate(schedule.programs)
        for number in range(-1, len(program) + 1)
    }
    for kind, first, then, _ in found:
        # A step's reads come after the rank's step before, and before the step's own writes.
        earlier = first.step if kind is READ_AFTER_WRITE else first.step - 1
        after[then.rank, then.step].add((first.rank, earlier))
    done: Done = {}
    for rank, number in TopologicalSorter(after).static_order():
        known = [max(steps) for steps in zip(*(done[step] for step in after[rank, number]), strict=True)]
        done[rank, number] = known or [-2] * schedule.size  # -2: not even entered
        done[rank, number][rank] = number
    return done


def _is_implied(conflict: Conflict, done: Done) -> bool:
    reader, writer = conflict.reader, conflict.writer
    if conflict.kind is READ_AFTER_WRITE:
        return done[reader.rank, reader.step - 1][writer.rank] >= writer.step
    return done[writer.rank, writer.step][reader.rank] >= reader.step
