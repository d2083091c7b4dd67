"""Calls without a plan in shared memory: where the others' buffers lie is learned when they have entered."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from mpitrain.collectives.algorithm import Algorithm
from mpitrain.engines.actions import Action
from mpitrain.engines.call import Call, finish
from mpitrain.engines.call_memory import Buffers, CallMemory
from mpitrain.engines.lanes import STRIDE, Lane
from mpitrain.engines.plan import Again, EnginePlan
from mpitrain.engines.segments import may_be_segmented, segment_room, segmented_groups
from mpitrain.engines.shared import LANES, SharedEngine
from mpitrain.engines.tally import TALLY
from mpitrain.engines.tiles import BoundGroup
from mpitrain.engines.window_plan import WindowPlan, WindowWork
from mpitrain.event import Event, Operation

WHOLE = 256 << 10
"""Bytes up to which a buffer elsewhere is copied to its stand-in as a whole, rather than as far as others use it: that
costs less than binding the groups to the buffer itself."""

INSTEAD = STRIDE // 2
"""What a rank posts in the place of its entry if its buffer lies elsewhere and another way is better then.

It goes that way at once, without waiting, and may have gone on to later calls by the time that others look: they find
its flag at this or beyond. A rank that takes part never is there before all others have looked, if the program keeps
the ranks in step. So all ranks find the same.
"""

ELSEWHERE = -1
"""What a rank shows in the place of a position if its buffer will go through stand-ins in segments."""

KEPT = 64
"""For how many combinations of buffers the bound groups of one kind of call are kept."""


class AlikeCalls:
    """Calls that are alike but for their buffers: most calls of a program are made by the thousand."""

    def __init__(
        self, shared: SharedEngine, call: Call, algorithm: Algorithm, operation: Operation, elsewhere: EnginePlan | None
    ):
        """`elsewhere` is the plan to run instead if some rank's buffer lies elsewhere."""
        self.shared, self.operation = shared, operation
        self.finish = finish(call)
        self._algorithm, self._op = algorithm, call.op
        self._memory = CallMemory(call, algorithm, shared.arena)
        self._instead = elsewhere.again() if elsewhere is not None and self._memory.lowered.in_step else None
        self._call_on = partial(
            Call, call.collective, call.rank, call.size, op=call.op, root=call.root, counts=None, received=None
        )
        self._whole, self._segmented = operation.nbytes <= WHOLE, may_be_segmented(call)
        self._room_bytes = self._memory.room_bytes(stand_ins=not self._segmented)
        if self._segmented:
            self._room_bytes = max(self._room_bytes, segment_room(call, algorithm, shared.arena))
        self._bound: dict[tuple[Any, ...], list[BoundGroup]] = {}

    def run(self, buffers: Buffers) -> Any:
        """One blocking call, with nothing else under way; the result as `finish` gives it."""
        shared, progress = self.shared, self.shared.progress
        lane, first = shared.call_lanes[0], buffers[0]
        TALLY.collectives += 1
        event = Event(self.operation, begun := progress.now(), begun)
        if self._instead is None:
            own, before, after = self.prepare(lane, buffers)
        else:
            position = shared.arena.position_of(first)
            if position is None:
                lane.base += STRIDE
                lane.own[0] = lane.base + INSTEAD
                return self._instead(first)
            own, before, after = [position], [partial(lane.show, (position, position))], []
        lane.base += STRIDE
        for action in before:
            action()
        shared.replay(lane, shared.entry)
        if self._instead is not None and any(flag[0] >= lane.base + INSTEAD for flag in lane.flags):
            return self._instead(first)
        shared.replay(lane, self.groups(lane, buffers, own))
        for action in after:
            action()
        result = first if self.finish is None else self.finish(first)
        event.ended = progress.now()
        if progress.observers:
            progress.tell(event)
        return result

    def prepare(self, lane: Lane, buffers: Buffers) -> tuple[list[int | None], list[Action], list[Action]]:
        """Where this rank's buffers lie, what it must do before it enters, and what once it has left."""
        memory = self._memory
        own = memory.own_positions(buffers)
        lane.widen(self._room_bytes)
        if self._segmented:
            position = ELSEWHERE if own[0] is None else own[0]
            return own, [partial(lane.show, (position, position))], []
        before, after = memory.copies(buffers, own, lane.room, self._whole)
        before.append(partial(lane.show, memory.positions(own, lane.room)))
        return own, before, after

    def groups(self, lane: Lane, buffers: Buffers, own: Sequence[int | None]) -> list[BoundGroup]:
        """All groups but the entry, once all have entered. What is kept saves time only: no rank depends on it."""
        memory, positions = self._memory, lane.shown()
        if self._segmented and any(first == ELSEWHERE for first, _ in positions):
            everywhere = [None if first == ELSEWHERE else first for first, _ in positions]
            call = self._call_on(buffer=buffers[0])
            return segmented_groups(call, self._algorithm, self.shared.arena, lane, everywhere, first=1)
        lane.widen(memory.room_bytes(stand_ins=False))  # no less than that if stand-ins may have been needed
        private = {} if self._whole else memory.private(buffers, own)
        if private:
            return self.shared.bind(memory, self._op, lane, positions, private)[1:]
        key = (lane.room, positions)
        groups = self._bound.get(key)
        if groups is None:
            if len(self._bound) >= KEPT:
                self._bound.clear()
            groups = self._bound[key] = self.shared.bind(memory, self._op, lane, positions, private)[1:]
        return groups


class CallPlan(WindowPlan):
    """One call, to be run or started once."""

    def __init__(self, alike: AlikeCalls, buffers: Buffers, why: str, result: Any):
        super().__init__(alike.shared, alike.shared.call_lanes[0], alike.operation, why, result)
        self._alike, self._buffers = alike, buffers

    def run(self) -> Any:
        self.shared.progress.wait_for_all()  # of which other ranks may have more or fewer left
        self._alike.run(self._buffers)
        return self.result

    def begin(self) -> WindowWork:
        number = self.shared.calls % LANES
        self.shared.calls += 1
        earlier = self.shared.latest[number]
        if earlier is not None:
            earlier.wait()
        self.shared.latest[number] = work = self._on(self.shared.call_lanes[1 + number])
        return work

    def free(self) -> None:
        """Nothing to give back: the lane serves the next call."""

    def again(self) -> Again | None:
        if len(self._buffers) > 1:
            return None
        run = self._alike.run

        def again(array: np.ndarray) -> Any:
            flat = array if array.ndim == 1 else array.reshape(-1)
            result = run((flat,))
            return array if result is flat else result

        return again

    def _on(self, lane: Lane) -> WindowWork:
        self.lane = lane
        own, self.before, after = self._alike.prepare(lane, self._buffers)
        finish = self._alike.finish
        self.after = [*after, partial(finish, self._buffers[0])] if finish else after
        entry, *others = self.shared.entry
        groups = self.groups = [entry, *others]
        bind = partial(self._bind, groups, own)
        groups.append(BoundGroup((), (bind,), 0))
        return super().begin()

    def _bind(self, groups: list[BoundGroup], own: Sequence[int | None]) -> None:
        """All have entered: the rest of the groups is known."""
        groups += self._alike.groups(self.lane, self._buffers, own)
