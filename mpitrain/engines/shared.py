"""The engine of one node: schedules run in memory that all ranks share.

A program is lowered once: who reads and writes whose memory, and who waits for whom (`analysis.lowering`). Here its
groups are bound to the ranks' buffers and replayed; ranks wait for each other by flags (`lanes`).

A buffer that lies in the arena (`World.empty`) is worked on where it is. Any other is shown in the arena as far as
others use it: copied there before the rank enters, and back once it has left. That is a rank's own affair: to the
others, all buffers lie in the arena.
"""

import os
from typing import Any

from mpitrain.analysis.conflicts import Wait
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.engines.arena import Arena
from mpitrain.engines.call import Call
from mpitrain.engines.call_memory import CallMemory, Positions
from mpitrain.engines.lanes import Lane
from mpitrain.engines.progress import Progress
from mpitrain.engines.start import MPI
from mpitrain.engines.tiles import BoundGroup, bind_groups
from mpitrain.engines.window_plan import WindowPlan, WindowWork
from mpitrain.event import Operation

LANES = 8
"""How many nonblocking calls without a plan may be under way at once; the next one waits for the oldest."""

SPINS = 2000
"""How often to look at a flag before letting others have the core: some 0.1 ms."""


class SharedEngine:
    """Runs programs on the ranks of `comm`, which share a node. Collective to make, and so are its methods.

    `crowded`: ranks outnumber cores, so that who waits lets others run at once.
    """

    def __init__(self, comm: MPI.Intracomm, progress: Progress, crowded: bool):
        self.comm, self.progress = comm, progress
        self.arena = Arena(comm, progress.wait_for_all)
        self.sync = self.arena.sync
        self._spins = 0 if crowded else SPINS
        self._given_back: list[Lane] = []
        self.call_lanes = [Lane(self.arena) for _ in range(1 + LANES)]
        self.latest: list[WindowWork | None] = [None] * LANES
        self.calls = 0

    def plan(self, call: Call, algorithm: Algorithm, operation: Operation, why: str) -> WindowPlan:
        """A plan to keep."""
        self.progress.wait_for_all()
        memory = CallMemory(call, algorithm, self.arena)
        elsewhere = self.comm.allreduce(memory.elsewhere, MPI.LOR)
        lane = self._given_back.pop() if self._given_back else Lane(self.arena)
        lane.widen(memory.room_bytes(elsewhere))
        plan = WindowPlan(self, lane, operation, why, call.result)
        positions = self.comm.allgather(memory.positions(lane.room))
        before, after = memory.copies(lane.room)
        plan.before, plan.after = before, [*after, *call.epilogue()]
        plan.groups = self.bound(call, memory, lane, positions)
        return plan

    def call(self, call: Call, algorithm: Algorithm, operation: Operation, why: str) -> "CallPlan":
        """A plan to run or start once."""
        return CallPlan(self, call, CallMemory(call, algorithm, self.arena), operation, why)

    def bound(self, call: Call, memory: CallMemory, lane: Lane, positions: Positions) -> list[BoundGroup]:
        groups = memory.lowered.groups[call.rank]
        return bind_groups(groups, memory.view(lane.room, positions), call.op)

    def give_back(self, lane: Lane) -> None:
        """A plan was freed: the next one may have its lane."""
        self._given_back.append(lane)

    def wait(self, flag: memoryview, value: int, work: WindowWork | None = None) -> None:
        """Return once `flag` is above `value`; works under way but `work` move on meanwhile."""
        turns, progress = 0, self.progress
        while flag[0] <= value:
            turns += 1
            if turns > self._spins:
                os.sched_yield()
            if progress.under_way:
                progress.move_others(work)

    def close(self) -> None:
        self.arena.close()


class CallPlan(WindowPlan):
    """A call without a plan: where the others' buffers lie is learned when they have entered."""

    def __init__(self, engine: SharedEngine, call: Call, memory: CallMemory, operation: Operation, why: str):
        super().__init__(engine, engine.call_lanes[0], operation, why, call.result)
        self._call, self._memory = call, memory

    def run(self) -> Any:
        self._prepare(self.shared.call_lanes[0])
        return super().run()

    def start(self) -> WindowWork:
        number = self.shared.calls % LANES
        self.shared.calls += 1
        earlier = self.shared.latest[number]
        if earlier is not None:
            earlier.wait()
        self._prepare(self.shared.call_lanes[1 + number])
        self.shared.latest[number] = work = super().start()
        return work

    def free(self) -> None:
        """Nothing to give back: the lane serves the next call."""

    def _prepare(self, lane: Lane) -> None:
        memory = self._memory
        lane.widen(memory.room_bytes(elsewhere=True))
        before, after = memory.copies(lane.room)
        self.lane = lane
        self.before = [*before, lambda: lane.show(memory.positions(lane.room))]
        self.after = [*after, *self._call.epilogue()]
        everybody = tuple(Wait(rank, 0) for rank in range(self._call.size) if rank != self._call.rank)
        self.groups = [BoundGroup((), (), 1), BoundGroup(everybody, (self._bind,), 0)]

    def _bind(self) -> None:
        """All have entered."""
        groups = self.shared.bound(self._call, self._memory, self.lane, self.lane.shown())
        self.groups += groups[1:]
