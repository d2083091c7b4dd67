"""Where ranks must wait for each other when they work in each other's memory, and nowhere else.

Tasks are told in an order in which they would be right if they ran one after the other, each with the memory that it
reads and writes. Two tasks conflict if one of them writes what the other one uses; the later must then wait:

    read after write    the value is there
    write after read    nobody needs the old value any more
    write after write   the last value stays

A rank does its own tasks in order, so only conflicts between ranks cost anything. What follows from other conflicts
and from the ranks' own order is left out: the least that ranks must do. A happened-before clock for each task finds it.

    Lamport, Time, clocks, and the ordering of events in a distributed system, CACM 21(7), 1978
    Mattern, Virtual time and global states of distributed systems, 1989
"""

from collections.abc import Hashable, Iterable, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import NamedTuple


class Conflicts:
    """What each task must wait for. Tasks are numbers; memory is any set of cells."""

    def __init__(self) -> None:
        self.before: dict[int, set[int]] = {}
        self._writer: dict[Hashable, int] = {}
        self._readers: dict[Hashable, set[int]] = {}

    def reads(self, task: int, cells: Iterable[Hashable]) -> None:
        """The task reads these cells as they are now."""
        before = self.before.setdefault(task, set())
        for cell in cells:
            if cell in self._writer:
                before.add(self._writer[cell])
            self._readers.setdefault(cell, set()).add(task)
        before.discard(task)

    def writes(self, task: int, cells: Iterable[Hashable]) -> None:
        """The task writes these cells, after all that was told so far."""
        before = self.before.setdefault(task, set())
        for cell in cells:
            before |= self._readers.pop(cell, set())
            if cell in self._writer:
                before.add(self._writer[cell])
            self._writer[cell] = task
        before.discard(task)


class Wait(NamedTuple):
    """Until `rank` is done with its task number `task`."""

    rank: int
    task: int


def least_waits(order: Sequence[Sequence[int]], before: dict[int, set[int]]) -> list[list[tuple[Wait, ...]]]:
    """For each rank, for each of its tasks: the waits on other ranks that nothing else implies.

    `order[rank]` are its tasks, in the order in which it does them. `graphlib.CycleError` if ranks would wait for each
    other in a circle.
    """
    place = {task: Wait(rank, at) for rank, tasks in enumerate(order) for at, task in enumerate(tasks)}
    follows = {task: set(before.get(task, ())) for task in place}
    for tasks in order:
        for earlier, later in pairwise(tasks):
            follows[later].add(earlier)
    clocks: dict[int, list[int]] = {}  # for each task, of every rank: the last task that is surely done by then
    waits: dict[int, tuple[Wait, ...]] = {}
    for task in TopologicalSorter(follows).static_order():
        rank, at = place[task]
        latest: dict[int, int] = {}  # of each rank's tasks, only the last counts
        for earlier in follows[task]:
            peer, number = place[earlier]
            latest[peer] = max(number, latest.get(peer, -1))
        known = {peer: clocks[order[peer][number]] for peer, number in latest.items()}
        waits[task] = tuple(
            Wait(peer, number)
            for peer, number in sorted(latest.items())
            if peer != rank and not any(known[other][peer] >= number for other in known if other != peer)
        )
        clock = [max(steps) for steps in zip(*known.values(), strict=True)] or [-1] * len(order)
        clock[rank] = at
        clocks[task] = clock
    return [[waits[task] for task in tasks] for tasks in order]
