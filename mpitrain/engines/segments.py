"""Much data from elsewhere, in segments: a small stand-in that stays in the cache serves one after the other.

A collective that treats every element alike may be done piece by piece. Each segment is the whole program again, on
the same flags, its groups numbered on from the last; so ranks whose buffers lie in the arena and others go together.
"""

from collections.abc import Sequence

from mpitrain.analysis.conflicts import Wait
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.engines.arena import Arena
from mpitrain.engines.call import Call
from mpitrain.engines.call_memory import CallMemory
from mpitrain.engines.lanes import Lane
from mpitrain.engines.tiles import BoundGroup, bind_groups

ELEMENTWISE = ("allreduce", "reduce", "bcast", "scan", "exscan")
"""Collectives whose every element goes the same way; the others go by blocks."""

SEGMENT = 1 << 20
"""Bytes."""


def may_be_segmented(call: Call) -> bool:
    """Alike on all ranks."""
    return call.collective in ELEMENTWISE and call.array.nbytes > SEGMENT


def segment_room(call: Call, algorithm: Algorithm, arena: Arena) -> int:
    """How much room the lane must have. Alike on all ranks."""
    first = call.part(slice(0, SEGMENT // call.array.itemsize))
    return CallMemory(first, algorithm, arena).room_bytes(stand_ins=True)


def segmented_groups(
    call: Call, algorithm: Algorithm, arena: Arena, lane: Lane, positions: Sequence[int | None], first: int
) -> list[BoundGroup]:
    """This rank's groups of all segments, numbered from `first` on; the lane has the room.

    `positions`: where every rank's buffer lies in the arena, None if elsewhere.
    """
    groups: list[BoundGroup] = []
    step = SEGMENT // call.array.itemsize
    for start in range(0, call.array.size, step):
        part = call.part(slice(start, start + step))
        memory = CallMemory(part, algorithm, arena)
        offset = start * call.array.itemsize
        own = [None if (position := positions[call.rank]) is None else position + offset]
        places = [
            memory.positions([None if position is None else position + offset], lane.room) for position in positions
        ]
        there, back = memory.copies(part.buffers, own, lane.room, whole=False)
        entry, *others, leave = bind_groups(
            memory.groups, memory.view(lane.room, places, memory.private(part.buffers, own)), call.op
        )
        shift = first + start // step * memory.most_groups
        for waits, actions, done in (
            entry._replace(actions=(*there, *entry.actions)), *others, leave._replace(actions=(*leave.actions, *back))
        ):  # fmt: skip
            shifted = tuple(Wait(rank, number + shift) for rank, number in waits)
            groups.append(BoundGroup(shifted, actions, done + shift if done else 0))
    return groups
