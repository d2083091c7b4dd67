"""Walk all ranks' programs to their ends in one process, whatever a value is.

Proving, pricing and counting are three readings of one walk. A reading says what a rank sends when a step begins and
what becomes of what it receives when the step ends. The walk matches messages of each pair of ranks in order, and lets
a step end only once each of its messages has been met by its partner: as if every send were synchronous, so that what
walks through here cannot deadlock under any buffering.
"""

from collections import Counter, deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import ScheduleError, Step


class Reading(Protocol):
    """What a value is: payloads are made by `begin`, carried by the walk, and consumed by `end`."""

    def begin(self, rank: int, number: int, step: Step) -> Sequence[Any]:
        """The step begins: one payload for each of its sends."""

    def end(self, rank: int, number: int, step: Step, arrived: Sequence[Any]) -> None:
        """The step ends: `arrived` has one payload for each of its receives."""


def replay(schedule: Schedule, reading: Reading) -> None:
    """Run every rank's program through `reading`; `ScheduleError` if they cannot all come to their ends."""
    walk = _Walk(schedule, reading)
    for rank in range(schedule.size):
        walk.advance(rank)
    walk.check_all_ended()


class _Walk:
    def __init__(self, schedule: Schedule, reading: Reading):
        self.programs = schedule.programs
        self.size = schedule.size
        self.reading = reading
        self.at = [-1] * self.size  # the step each rank is in
        self.sent: Counter[tuple[int, int]] = Counter()  # (from, to): messages begun so far, by the sender
        self.awaited: Counter[tuple[int, int]] = Counter()  # and by the receiver
        self.wires: dict[tuple[int, int], deque[Any]] = {}

    def advance(self, rank: int) -> None:
        """Move `rank`, and whoever that sets free, as far as they can go."""
        ready = [rank]
        while ready:
            rank = ready.pop()
            while self._may_end(rank):
                if self.at[rank] >= 0:
                    self._end(rank)
                self.at[rank] += 1
                if self.at[rank] == len(self.programs[rank]):
                    break
                ready += self._begin(rank)

    def _begin(self, rank: int) -> set[int]:
        number = self.at[rank]
        step = self.programs[rank][number]
        partners = {message.peer for message in (*step.send, *step.recv)}
        for peer in partners:
            if not 0 <= peer < self.size or peer == rank:
                raise ScheduleError(
                    "talks to a rank that is not there", rank=rank, step=number,
                    expected=f"another rank below {self.size}", found=f"rank {peer}",
                )  # fmt: skip
        for send, payload in zip(step.send, self.reading.begin(rank, number, step), strict=True):
            self.wires.setdefault((rank, send.peer), deque()).append(payload)
            self.sent[rank, send.peer] += 1
        for receive in step.recv:
            self.awaited[receive.peer, rank] += 1
        return partners

    def _may_end(self, rank: int) -> bool:
        if self.at[rank] < 0:
            return True
        return self.at[rank] < len(self.programs[rank]) and self._missing(rank) is None

    def _missing(self, rank: int) -> int | None:
        """A partner of the current step who has not met one of its messages yet."""
        step = self.programs[rank][self.at[rank]]
        for send in step.send:
            if self.awaited[rank, send.peer] < self.sent[rank, send.peer]:
                return send.peer
        for receive in step.recv:
            if self.sent[receive.peer, rank] < self.awaited[receive.peer, rank]:
                return receive.peer
        return None

    def _end(self, rank: int) -> None:
        step = self.programs[rank][self.at[rank]]
        arrived = [self.wires[receive.peer, rank].popleft() for receive in step.recv]
        self.reading.end(rank, self.at[rank], step, arrived)

    def check_all_ended(self) -> None:
        waiting = {
            rank: peer
            for rank in range(self.size)
            if self.at[rank] < len(self.programs[rank]) and (peer := self._missing(rank)) is not None
        }
        if not waiting:
            return
        for rank, peer in waiting.items():
            if peer not in waiting:
                raise ScheduleError(
                    "waits for ever", rank=rank, step=self.at[rank],
                    expected=f"rank {peer} to meet a message", found="its program has ended",
                )  # fmt: skip
        cycle = [next(iter(waiting))]
        while cycle[-1] not in cycle[:-1]:
            cycle.append(waiting[cycle[-1]])
        cycle = cycle[cycle.index(cycle[-1]) :]
        chain = ", ".join(f"rank {a} (step {self.at[a]}) for rank {b}" for a, b in pairwise(cycle))
        raise ScheduleError(
            "deadlock", rank=cycle[0], step=self.at[cycle[0]], expected="progress", found=f"waiting: {chain}"
        )
