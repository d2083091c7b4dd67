"""What a rank does between one wait and the next, and on which memory: the grain in which a call's time is told.

A part is counted (calls of Python, messages, waits) and touches cells of memory, one for each chunk that some rank
holds. How the lowered groups of shared memory become parts is told here, how messages do in `message_parts`.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mpitrain.analysis.lowering import lower
from mpitrain.analysis.tasks import Place
from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import INPUT, OUTPUT, Combine, Reduce, Space

Cell = Hashable
"""One chunk in the memory of one rank."""


class Touch(NamedTuple):
    """`target` becomes `source` (copy; pull: by the kernel, as a message) or combines with it. Bytes of one cell."""

    how: str
    source: tuple[Cell, ...]
    target: tuple[Cell, ...]
    nbytes: float


@dataclass(frozen=True)
class Part:
    """Begins once the rank's last part and the parts `after`, as (rank, number), of others are done."""

    rank: int
    after: tuple[tuple[int, int], ...] = ()
    counts: dict[str, float] = field(default_factory=dict)
    touches: tuple[Touch, ...] = ()


class Placed(NamedTuple):
    """A part in the order of all ranks' parts, and the places in it of what it comes after, but for its own rank's."""

    part: Part
    after: tuple[int, ...]


def in_order(programs: Sequence[Sequence[Part]]) -> list[Placed]:
    """All ranks' parts in an order in which each comes after what it waits for."""
    order: list[Placed] = []
    place: dict[tuple[int, int], int] = {}
    at = [0] * len(programs)
    while len(order) < sum(map(len, programs)):
        before = len(order)
        for rank, program in enumerate(programs):
            while at[rank] < len(program) and all(other in place for other in program[at[rank]].after):
                part = program[at[rank]]
                place[rank, at[rank]] = len(order)
                order.append(Placed(part, tuple(place[other] for other in part.after)))
                at[rank] += 1
        assert len(order) > before, "parts wait for each other in a circle"
    return order


def group_parts(schedule: Schedule, nbytes: float, tile: int) -> list[list[Part]]:
    """Of every rank, in shared memory: a part for each lowered group. `tile`: bytes that one call of NumPy takes."""
    lowered, in_place = lower(schedule), schedule.algorithm.kind.in_place
    chunk = nbytes / schedule.chunks

    def cells(place: Place) -> tuple[Cell, ...]:
        rank, (space, start, stop), staged = place
        where: Hashable = staged
        if staged is None:
            where = _space(space, in_place and rank not in lowered.kept)
        return tuple((rank, where, number) for number in range(start, stop))

    programs = []
    for rank, groups in enumerate(lowered.groups):
        program = []
        for number, group in enumerate(groups):
            counts: dict[str, float] = {"group": 1, "wait": len(group.waits), "post": group.awaited}
            if number == 0:
                counts["call"] = 1
            touches = []
            for action in group.actions:
                target = cells(action.target)
                combines = isinstance(action.how, Reduce | Combine)
                calls = "combines" if combines else "copies"
                counts[calls] = counts.get(calls, 0) + max(1, math.ceil(len(target) * chunk / tile))
                touches.append(Touch("combine" if combines else "copy", cells(action.source), target, chunk))
            program.append(Part(rank, tuple((w.rank, w.task) for w in group.waits), counts, tuple(touches)))
        programs.append(program)
    return programs


def _space(space: Space, in_place: bool) -> str:
    """Where input is output, they are one memory."""
    return str(OUTPUT if in_place and space is INPUT else space)
