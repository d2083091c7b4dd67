"""What the messages of a schedule become in shared memory: tasks, each done by one rank on the memory of two.

Whoever reduces *pulls*. A copy is *pushed* by a sender that made the value itself, while it is in its cache. What a
caller gave is pulled by a receiver that passes it on, or copied by the side that has less to do, so that a broadcast's
work is shared.

Where a step both sends and overwrites a chunk, partners would overwrite what the other is still to read (the exchange
race). Such a message is *staged*: read to private memory, and combined once what follows from the conflicts allows it.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from graphlib import TopologicalSorter
from itertools import count
from typing import NamedTuple

from mpitrain.analysis.conflicts import Conflicts
from mpitrain.analysis.kept import kept_chunks, moves
from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Chunks,
    Combine,
    Copy,
    Move,
    Reduce,
    Send,
    Space,
    Step,
    scratch_chunks,
)

Cell = tuple[int, Space, int] | tuple[int, int]
"""One chunk of a rank's memory, or a message that it staged."""


class Place(NamedTuple):
    """Chunks in the memory of one rank; `staged` numbers a message in that rank's private memory instead."""

    rank: int
    chunks: Chunks
    staged: int | None = None

    def cells(self) -> Iterator[Cell]:
        if self.staged is not None:
            yield (self.rank, self.staged)
        else:
            space, start, stop = self.chunks
            for chunk in range(start, stop):
                yield (self.rank, space, chunk)

    def __str__(self) -> str:
        return f"message {self.staged}" if self.staged is not None else f"rank {self.rank}'s {self.chunks}"


class Action(NamedTuple):
    """`target` becomes `source`, or combines with it as `how` says; `weight` scales the source first."""

    source: Place
    target: Place
    how: Copy | Reduce | Move | Combine
    weight: Fraction | None = None

    def __str__(self) -> str:
        return f"{self.target} {'+=' if isinstance(self.how, Reduce | Combine) else '='} {self.source}"


class Caller(NamedTuple):
    """What becomes of the memory that a rank's caller gave, by (space, chunk).

    `shared`: other ranks read or write it, or it is named together with such; `read`: the caller's value is used;
    `written`: it gets another value.
    """

    shared: frozenset[tuple[Space, int]]
    read: frozenset[tuple[Space, int]]
    written: frozenset[tuple[Space, int]]


class Tasks:
    """A reading of the walk: every action, who does it, and the conflicts between them."""

    def __init__(self, schedule: Schedule, direct: bool):
        self.schedule, self.direct = schedule, direct
        self.conflicts = Conflicts()
        self.ranks: list[int] = []  # who does each task
        self.actions: list[Action | None] = []
        self.turns: list[int] = []  # when it ends in the walk
        self._turn = count()
        self.made: set[Cell] = set()  # cells whose value is no longer the caller's
        self._used: set[Cell] = set()  # cells whose caller's value is read
        self._movable: list[int] = []  # copies of what a caller gave: they are no better pushed than pulled
        self.moved = [kept_chunks(schedule, rank) for rank in range(schedule.size)]
        for rank in range(schedule.size):
            self._own_all(rank)
        for rank, program in enumerate(schedule.programs):
            for chunks in moves(program, self.moved[rank]):
                source, target = Place(rank, INPUT[chunks.start : chunks.stop]), Place(rank, chunks)
                self._write(self._read(source), rank, Action(source, target, Move(source.chunks, chunks)))

    def leave(self) -> None:
        """All callers have their memory again. Until now nobody had to know who does what: the work is evened out."""
        work = [0] * self.schedule.size
        for rank, action in zip(self.ranks, self.actions, strict=True):
            work[rank] += _length(action) if action is not None else 0
        for task in self._movable:
            action = self.actions[task]
            assert action is not None
            if work[action.source.rank] >= work[action.target.rank] + 2 * _length(action):
                self.ranks[task] = action.target.rank
                work[action.source.rank] -= _length(action)
                work[action.target.rank] += _length(action)
        for rank in range(self.schedule.size):
            self._own_all(rank)

    def begin(self, rank: int, number: int, step: Step) -> Sequence[tuple[int, Place, Send, bool]]:
        messages = []
        for send in step.send:
            source = self._place(rank, send.chunks)
            messages.append((self._read(source), source, send, not self.made.isdisjoint(source.cells())))
        return messages

    def end(self, rank: int, number: int, step: Step, arrived: Sequence[tuple[int, Place, Send, bool]]) -> None:
        for receive, (task, source, send, made) in zip(step.recv, arrived, strict=True):
            target = self._place(rank, receive.chunks)
            if self._must_stage(step, receive, send):
                staged = Place(rank, receive.chunks, staged=task)
                self._write(task, rank, Action(source, staged, Copy(source.rank, receive.chunks), send.weight))
                self._write(self._read(staged), rank, Action(staged, target, receive))
            else:
                later = self.schedule.programs[rank][number + 1 :]
                pushed = isinstance(receive, Copy) and (made or not _is_sent(receive.chunks, later))
                self._write(task, source.rank if pushed else rank, Action(source, target, receive))
                if pushed and not made:
                    self._movable.append(task)
        for action in step.local:
            source = self._place(rank, action.source)
            self._write(self._read(source), rank, Action(source, self._place(rank, action.target), action))

    def in_order(self) -> list[list[int]]:
        """Each rank's tasks, in an order without circles, as near to the walk's as can be."""
        sorter = TopologicalSorter(self.conflicts.before)
        sorter.prepare()
        order: list[list[int]] = [[] for _ in range(self.schedule.size)]
        ready: list[tuple[int, int]] = []
        while sorter.is_active():
            for task in sorter.get_ready():
                heapq.heappush(ready, (self.turns[task], task))
            _, task = heapq.heappop(ready)
            order[self.ranks[task]].append(task)
            sorter.done(task)
        return order

    def callers(self) -> tuple[Caller, ...]:
        """Of every rank."""
        done = [(rank, action) for rank, action in zip(self.ranks, self.actions, strict=True) if action is not None]
        places = {place for _, action in done for place in (action.source, action.target) if place.staged is None}
        shared = {
            cell
            for rank, action in done
            for place in (action.source, action.target)
            if place.staged is None and place.rank != rank
            for cell in place.cells()
        }
        named = [set(place.cells()) for place in places]
        while more := {cell for cells in named if not shared.isdisjoint(cells) for cell in cells - shared}:
            shared |= more
        return tuple(
            Caller(*(_of_rank(rank, cells) for cells in (shared, self._used, self.made)))
            for rank in range(self.schedule.size)
        )

    def _place(self, rank: int, chunks: Chunks) -> Place:
        kept_input = self.moved[rank] and chunks.space is OUTPUT and chunks.start not in self.moved[rank]
        return Place(rank, INPUT[chunks.start : chunks.stop] if kept_input else chunks)

    def _must_stage(self, step: Step, receive: Copy | Reduce, send: Send) -> bool:
        return (
            not self.direct
            or send.weight is not None
            or (isinstance(receive, Reduce) and receive.weight is not None)
            or _is_sent(receive.chunks, (step,))
        )

    def _task(self, rank: int) -> int:
        self.ranks.append(rank)
        self.actions.append(None)
        self.turns.append(next(self._turn))
        return len(self.ranks) - 1

    def _own_all(self, rank: int) -> int:
        """The caller may have written, or may write, everything."""
        task = self._task(rank)
        chunks = self.schedule.chunks
        scratch = scratch_chunks(self.schedule.programs[rank])
        for everything in (Chunks(INPUT, 0, chunks), Chunks(OUTPUT, 0, chunks), Chunks(SCRATCH, 0, scratch)):
            self.conflicts.writes(task, Place(rank, everything).cells())
        return task

    def _read(self, source: Place) -> int:
        task = self._task(source.rank)
        self.conflicts.reads(task, source.cells())
        self._used.update(set(source.cells()) - self.made)
        return task

    def _write(self, task: int, rank: int, action: Action) -> None:
        self.ranks[task], self.actions[task] = rank, action
        self.turns[task] = next(self._turn)
        self.conflicts.writes(task, action.target.cells())
        if isinstance(action.how, Reduce | Combine):
            self._used.update(set(action.target.cells()) - self.made)
        self.made.update(action.target.cells())


def _length(action: Action) -> int:
    """In chunks."""
    return action.target.chunks.stop - action.target.chunks.start


def _of_rank(rank: int, cells: set[Cell]) -> frozenset[tuple[Space, int]]:
    return frozenset((cell[1], cell[2]) for cell in cells if cell[0] == rank and len(cell) == 3)


def _is_sent(chunks: Chunks, steps: Iterable[Step]) -> bool:
    return any(send.chunks.overlaps(chunks) for step in steps for send in step.send)
