"""Some ranks' programs, as what they cost: who speaks for all, where all do alike.

Ranks at both ends are among them, where guests and hosts, roots and last nodes are; the others lie between.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from mpitrain.analysis.estimate.walk import combined_chunks
from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import Copy, Reduce, Send

LIGHT, HEAVY = 400, 20_000
"""Messages and steps of a program that is quickly made, and of one that takes a good part of a second."""

BUDGET = 500_000
"""Messages and steps of all programs of a sample, about."""

FEWEST, MOST, MOST_IF_LIGHT = 2, 4, 24
"""Ranks of a sample."""


class Part(NamedTuple):
    """A step: (peer, chunks) of each message, and how many chunks it sums."""

    sends: tuple[tuple[int, int], ...]
    receives: tuple[tuple[int, int], ...]
    sums: int


Parts = list[Part]

End = tuple[int, int]
"""Of a message: the step, and its place among those of the step."""


def parts(schedule: Schedule, rank: int) -> Parts:
    """One rank's steps; those without messages, that sum nothing, are left away."""
    found = []
    for step in schedule.algorithm(rank, schedule.size, **schedule.parameters):
        send, recv, local = step
        sums = combined_chunks(step) if recv or local else 0
        if send or recv or sums:
            found.append(Part(_messages(send), _messages(recv), sums))
    return found


def _messages(messages: tuple[Send, ...] | tuple[Copy | Reduce, ...]) -> tuple[tuple[int, int], ...]:
    return tuple([(message[0], message[1][2] - message[1][1]) for message in messages])


class Sample:
    """`programs`: of the ranks that were asked."""

    def __init__(self, schedule: Schedule):
        self.schedule = schedule
        self.programs: dict[int, Parts] = {}
        self._ends: dict[tuple[int, bool], dict[int, list[tuple[int, int]]]] = {}
        self._between: dict[tuple[int, int], dict[tuple[bool, int | None], list[tuple[End, End]]]] = {}
        first = self.program(0)
        self.weight = len(first) + sum(len(part.sends) + len(part.receives) for part in first)
        most = MOST_IF_LIGHT if self.weight <= LIGHT else MOST
        room = max(FEWEST, min(most, BUDGET // (self.weight + 1)))
        for rank in ranks_of(schedule.size, room):
            self.program(rank)

    def program(self, rank: int) -> Parts:
        if rank not in self.programs:
            self.programs[rank] = parts(self.schedule, rank)
        return self.programs[rank]

    def ends(self, rank: int, peer: int, outwards: bool) -> list[tuple[int, int]]:
        """The rank's messages to a peer, or from it: the step of each, and its place among those of the step."""
        if (rank, outwards) not in self._ends:
            found: dict[int, list[tuple[int, int]]] = {}
            for number, part in enumerate(self.program(rank)):
                for place, (other, _) in enumerate(part.sends if outwards else part.receives):
                    found.setdefault(other, []).append((number, place))
            self._ends[rank, outwards] = found
        return self._ends[rank, outwards].get(peer, [])

    def between(self, source: int, target: int, sent: int | None, received: int | None) -> list[tuple[End, End]]:
        """Both ends of the messages from one rank to another that leave in a step, or come in a step."""
        found = self._between.get((source, target))
        if found is None:
            found = self._between[source, target] = {}
            for ends in zip(self.ends(source, target, True), self.ends(target, source, False), strict=True):
                found.setdefault((True, ends[0][0]), []).append(ends)
                found.setdefault((False, ends[1][0]), []).append(ends)
        return found.get((True, sent) if sent is not None else (False, received), [])

    @cached_property
    def messages(self) -> int:
        """Of all ranks, about: ranks at the ends are counted once, others stand for the rest."""
        sent = {rank: sum(len(part.sends) for part in program) for rank, program in self.programs.items()}
        inner = [count for rank, count in sent.items() if rank != self.schedule.root] or [0]
        return sent.get(self.schedule.root, 0) + self.schedule.size * max(1, -(-sum(inner) // len(inner)))


def ranks_of(size: int, count: int) -> Sequence[int]:
    """So many ranks: the last, the first ones, and some between, of which none divides the world evenly."""
    ends = [0, size - 1, 1, size - 2, 2, size - 3, 3]
    between = [size * (2 * at + 1) // (2 * count + 1) for at in range(count)]
    mixed = [rank for pair in zip(ends, between, strict=False) for rank in pair] + between[len(ends) :]
    return list(dict.fromkeys(rank for rank in mixed if 0 <= rank < size))[:count]
