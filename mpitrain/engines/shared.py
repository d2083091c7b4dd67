"""The engine of one node: schedules run in memory that all ranks share.

A program is lowered once: who reads and writes whose memory, and who waits for whom (`analysis.lowering`). Here its
groups are bound to the ranks' buffers and replayed; ranks wait for each other by flags (`lanes`).

A buffer that lies in the arena (`World.empty`) is worked on where it is. Any other is shown in the arena as far as
others use it: copied there before the rank enters, and back once it has left. That is a rank's own affair: to the
others, all buffers lie in the arena.
"""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from mpitrain.analysis.conflicts import Wait
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import Space
from mpitrain.engines.actions import Action
from mpitrain.engines.arena import Arena
from mpitrain.engines.call import Call
from mpitrain.engines.call_memory import CallMemory, Positions
from mpitrain.engines.lanes import Lane
from mpitrain.engines.progress import Progress
from mpitrain.engines.reduction import Op
from mpitrain.engines.segments import may_be_segmented, segment_room, segmented_groups
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
        others = tuple(Wait(rank, 0) for rank in range(comm.Get_size()) if rank != comm.Get_rank())
        self.entry = (BoundGroup((), (), 1), BoundGroup(others, (), 0))

    def any_elsewhere(self, buffers: Sequence[np.ndarray]) -> bool:
        """Whether some rank's memory is not in the arena."""
        self.progress.wait_for_all()
        here = [self.arena.position_of(buffer) is not None for buffer in buffers]
        return self.comm.allreduce(not all(here), MPI.LOR)

    def plan(self, call: Call, algorithm: Algorithm, operation: Operation, why: str) -> WindowPlan:
        """A plan to keep."""
        self.progress.wait_for_all()
        lane = self._given_back.pop() if self._given_back else Lane(self.arena)
        plan = WindowPlan(self, lane, operation, why, call.result)
        memory, buffers = CallMemory(call, algorithm, self.arena), call.buffers
        own = memory.own_positions(buffers)
        everywhere = self.comm.allgather(own)
        elsewhere = any(None in positions for positions in everywhere)
        after: list[Action] = []
        if elsewhere and may_be_segmented(call):
            lane.widen(segment_room(call, algorithm, self.arena))
            positions = [first for first, *_ in everywhere]
            plan.groups = segmented_groups(call, algorithm, self.arena, lane, positions, first=0)
        else:
            lane.widen(memory.room_bytes(elsewhere))
            plan.before, after = memory.copies(buffers, own, lane.room, whole=False)
            places = [memory.positions(positions, lane.room) for positions in everywhere]
            plan.groups = self.bind(memory, call.op, lane, places, memory.private(buffers, own))
        plan.after = [*after, *call.epilogue()]
        return plan

    def bind(
        self, memory: CallMemory, op: Op, lane: Lane, positions: Positions, private: Mapping[Space, np.ndarray]
    ) -> list[BoundGroup]:
        return bind_groups(memory.groups, memory.view(lane.room, positions, private), op)

    def replay(self, lane: Lane, groups: Sequence[BoundGroup]) -> None:
        """Wait, act and post, group after group."""
        base, flags, own, sync = lane.base, lane.flags, lane.own, self.sync
        for waits, actions, done in groups:
            if waits:
                for rank, number in waits:
                    if flags[rank][0] <= base + number:
                        self.wait(flags[rank], base + number)
                sync()
            for action in actions:
                action()
            if done:
                sync()
                own[0] = base + done

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
