"""All ranks turned: what rank r does, rank 0 does r places before, as in a ring.

Every rank's partners are then as far away as any other's, and equally much goes to them in the same step. What rank 0
sends to the rank d places on, it gets from the rank d places back; so one program tells whether all steps meet, and
whether two messages ever reach a port at once. Nobody waits, if all ranks' steps take alike long.
"""

from mpitrain.analysis.estimate.costs import Costs, Crowds
from mpitrain.analysis.estimate.lines import Envelope, highest, plus
from mpitrain.analysis.estimate.sample import Part, Sample
from mpitrain.analysis.estimate.work import Work, alone, one_after_the_other, works_of

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


def bounds(sample: Sample, costs: Costs, crowds: Crowds | None = None) -> tuple[Envelope, Envelope]:
    """No rank is done before its own work; and none later than if all waited in each step for the slowest of it."""
    works = [
        works_of(rank, program, costs, crowds and crowds(rank, len(program)))
        for rank, program in sample.programs.items()
    ]
    lower = highest(line for work in works for line in alone(work))
    one_by_one = costs.wire is not None or all(len(part.receives) < 2 for part in sample.programs[0])
    if one_by_one and all(work == works[0] for work in works[1:]):
        return lower, alone(works[0])
    programs = zip(*sample.programs.values(), strict=True)
    ends: dict[tuple[int, tuple[Work, ...]], Envelope] = {}
    together = []
    for several, step in zip(programs, zip(*works, strict=True), strict=True):
        messages = len(several[0].receives)
        if (messages, step) not in ends:
            ends[messages, step] = _end(messages, step)
        together.append(ends[messages, step])
    return lower, one_after_the_other(together)


def _end(messages: int, works: tuple[Work, ...]) -> Envelope:
    """When all have ended a step that all began. Over unlike wires messages can reach a port at once: it may begin with
    all but one of them when the last is sent."""
    sending, receiving = (
        highest(line) for line in zip(*((work.sending, work.receiving) for work in works), strict=True)
    )
    waiting = [(a - a // messages, b - b // messages) for a, b in receiving]
    late = highest((a + c, b + d) for a, b in sending for c, d in waiting)
    return plus(highest((*late, *receiving)), max(work.summing for work in works))
