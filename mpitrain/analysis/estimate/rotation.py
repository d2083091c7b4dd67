"""All ranks turned: what rank r does, rank 0 does r places before, as in a ring.

Every rank's partners are then as far away as any other's, and equally much goes to them in the same step. What rank 0
sends to the rank d places on, it gets from the rank d places back; so one program tells whether all steps meet, and
whether two messages ever reach a port at once. Nobody waits, if all ranks' steps take alike long.
"""

from mpitrain.analysis.estimate.costs import Costs
from mpitrain.analysis.estimate.lines import Envelope, highest, plus
from mpitrain.analysis.estimate.sample import Part, Sample
from mpitrain.analysis.estimate.work import one_after_the_other, works_of

Turned = tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]
"""Messages out and in, by how many places their partners are away; the order of the latter does not matter."""


def turned(sample: Sample) -> list[Turned] | None:
    """Each step of all sampled ranks, if they do alike, each from where it stands, every message is received in the
    step in which it is sent, and no two of them reach a port at once."""
    size = sample.schedule.size
    (first, program), *others = sample.programs.items()
    seen = [_turned(part, first, size) for part in program]
    for sends, receives in dict.fromkeys(seen):
        if len({chunks for _, chunks in sends}) > 1 or len({place for place, _ in sends}) < len(sends):
            return None
        if tuple(sorted([(-place % size, chunks) for place, chunks in sends])) != receives:
            return None
    for rank, program in others:
        if len(program) != len(seen):
            return None
        if any(_turned(part, rank, size) != step for part, step in zip(program, seen, strict=True)):
            return None
    return seen


def _turned(part: Part, rank: int, size: int) -> Turned:
    if len(part.sends) == len(part.receives) == 1:  # as in all long programs but few
        (right, sent), (left, received) = part.sends[0], part.receives[0]
        return (((right - rank) % size, sent),), (((left - rank) % size, received),)
    sends = tuple([((peer - rank) % size, chunks) for peer, chunks in part.sends])
    receives = [((peer - rank) % size, chunks) for peer, chunks in part.receives]
    return sends, tuple(sorted(receives)) if len(receives) > 1 else tuple(receives)


def bounds(sample: Sample, costs: Costs) -> tuple[Envelope, Envelope]:
    """No rank is done before its own work; and none later than if all waited in each step for the slowest of it."""
    works = [works_of(rank, program, costs) for rank, program in sample.programs.items()]
    lower = highest(line for work in works for line in one_after_the_other(step.envelope for step in work))
    slowest = works[0] if all(work == works[0] for work in works[1:]) else None
    if slowest is not None:
        return lower, one_after_the_other(step.envelope for step in slowest)
    together = []
    for step in zip(*works, strict=True):
        busy = highest(line for work in step for line in (work.sending, work.receiving))
        together.append(plus(busy, max(work.summing for work in step)))
    return lower, one_after_the_other(together)
