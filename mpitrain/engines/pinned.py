"""Through the host: arrays of a device come down to pinned memory, a host world's plan runs there, and up they go.

Data whose elements each go their own way (allreduce, reduce, bcast) are cut into pieces. While one piece travels, the
next comes down and the last goes up:

    down      | 0 | 1 | 2 |
    travels       | 0   | 1   | 2   |
    up                  | 0 |   | 1 | | 2 |

Pieces set out in the order in which their works began, which is alike on all ranks. The host must see them off: it does
so while somebody waits, and whenever the program says `move_on`.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mpitrain.engines.call import Call
from mpitrain.engines.device_clock import Mark
from mpitrain.engines.device_work import Lane, StreamWork
from mpitrain.engines.plan import EnginePlan
from mpitrain.event import Operation
from mpitrain.world import Array, Plan, Work

IN_FLIGHT = 2
"""Pieces that travel at one time: the network need not wait until the host has seen off the next."""


class Stand(NamedTuple):
    """Memory of the device, and the pinned memory of the host that stands for it; of one type and length."""

    device: Array
    host: np.ndarray

    def part(self, part: slice) -> "Stand":
        return Stand(self.device[part], self.host[part])


def pinned(lane: Lane, array: Array) -> Stand:
    """New memory for a flat array."""
    memory = lane.xp.cuda.alloc_pinned_memory(max(array.nbytes, 1))
    return Stand(array, np.frombuffer(memory, np.uint8, array.nbytes).view(array.dtype))


class Piece(NamedTuple):
    """What comes down, the host's plan, and what goes up."""

    down: Stand
    plan: Plan
    up: Stand


def goes_down(call: Call, given: Stand) -> Stand:
    """What the host must know of this rank's data."""
    if call.collective == "bcast" and call.rank != call.root:
        return given.part(slice(0))
    return given.part(_own(call)) if call.collective == "allgather" else given


def goes_up(call: Call, received: Stand) -> Stand:
    """What the device must learn."""
    if (call.collective == "bcast" and call.rank == call.root) or call.result is None:
        return received.part(slice(0))
    return received.part(_own(call)) if call.collective == "reduce_scatter" else received


def _own(call: Call) -> slice:
    start = sum(call.counts[: call.rank])
    return slice(start, start + call.counts[call.rank])


class PinnedPlan(EnginePlan):
    """Pieces on their way down, among the ranks, and up."""

    def __init__(self, lane: Lane, rising: Any, pieces: Sequence[Piece], operation: Operation, why: str, result: Any):
        """`rising` is the stream in which pieces go up; they come down in the lane's."""
        super().__init__(lane.progress, operation, why, result)
        self.lane, self.rising, self.pieces = lane, rising, pieces

    def begin(self) -> "PinnedWork":
        self.check_may_start()
        self.progress.move_others(None)
        self.work = PinnedWork(self)
        return self.work

    def free(self) -> None:
        self.check_idle("it is freed")
        if self.work is not None:
            self.work.settle()  # the pinned memory is the stream's until then
        for piece in self.pieces:
            piece.plan.free()
        self.pieces, self.freed = (), True


class PinnedWork(StreamWork):
    """Under way: pieces that wait to set out, and those that travel."""

    def __init__(self, plan: PinnedPlan):
        self._pieces, self._rising = plan.pieces, plan.rising
        self.waiting = deque[tuple[Piece, Mark]]()
        self._travelling = deque[tuple[Piece, Work]]()
        super().__init__(plan, plan.lane)

    def begin(self) -> None:
        lane = self.lane
        lane.follow_caller()
        self.first = lane.mark()
        for piece in self._pieces:
            if piece.down.host.size:
                piece.down.device.get(stream=lane.stream, out=piece.down.host, blocking=False)
            self.waiting.append((piece, lane.mark()))
        self._see_off()

    def move_on(self) -> None:
        if self.last is None and not self.done:
            self.guarded(self._see_off)
        super().move_on()

    def wait_and_move(self) -> None:
        self.guarded(self._wait)

    def _wait(self) -> None:
        """For what must come first."""
        turn = self._whose_turn()
        if self.waiting and turn is not self:
            turn.wait_and_move()
        elif self.waiting and len(self._travelling) < IN_FLIGHT:
            self.waiting[0][1].synchronize()
        else:
            self._travelling[0][1].wait()
        self._see_off()

    def _see_off(self) -> None:
        """Whatever can set out, or go up."""
        while self.waiting and len(self._travelling) < IN_FLIGHT and self._whose_turn() is self:
            piece, down = self.waiting[0]
            if not down.done:
                break
            self.waiting.popleft()
            self._travelling.append((piece, piece.plan.start()))
        for _ in range(len(self._travelling)):
            piece, work = self._travelling.popleft()
            if not work.test():
                self._travelling.append((piece, work))  # once round: their order remains
            elif piece.up.host.size:
                piece.up.device.set(piece.up.host, stream=self._rising)
        if not self.waiting and not self._travelling and self.last is None:
            self.last = self.lane.clock.mark(self._rising)

    def _whose_turn(self) -> "PinnedWork":
        """The earliest work that has pieces left to set out, alike on all ranks."""
        works = (work for work in self.progress.under_way if isinstance(work, PinnedWork))
        return next((work for work in works if work.waiting), self)
