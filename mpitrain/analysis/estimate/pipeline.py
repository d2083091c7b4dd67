"""Segments that follow each other: two of them are walked, each further one takes as long as the busiest rank's part.

Once the ranks of a chain or of two trees have all got their first segments, they work in step: a segment more costs
what a rank has to do for it, alpha + beta b out and in at one time, gamma b where it is summed. So for an even number s
of segments of b bytes

    T(s) = T(2) + (s - 2) c

That it takes no less follows from the programs: who has done two segments has the others still before it. That it
takes no more, the tests hold against whole walks at every size up to 64 and up to 64 segments.
"""

from mpitrain.analysis.estimate.costs import Costs
from mpitrain.analysis.estimate.lines import Envelope, plus
from mpitrain.analysis.estimate.sample import Sample, parts
from mpitrain.analysis.estimate.walk import Walked
from mpitrain.analysis.estimate.work import one_after_the_other, works_of
from mpitrain.collectives.algorithm import Schedule

WALKED = 2
"""Segments."""

STEADY = 16
"""Segments after which a pipeline is surely in step."""


def of_segments(schedule: Schedule, segments: int) -> Schedule:
    """The same with another number of segments."""
    return Schedule(schedule.algorithm, schedule.size, schedule.parameters | {"segments": segments})


def beginning(schedule: Schedule) -> Schedule | None:
    """The first two segments of it alone; None if it has no more, an odd number, or other chunks than segments."""
    segments = schedule.parameters.get("segments")
    if not isinstance(segments, int) or segments <= WALKED or segments % 2 or schedule.chunks != segments:
        return None
    return of_segments(schedule, WALKED)


def pipelined(first: Sample, found: Walked, segments: int, costs: Costs) -> Envelope | None:
    """The price of all segments, if `found` is that of the first two; None if a rank's work is no line."""
    c = (0, 0)
    for rank in first.programs:
        less, more = (
            one_after_the_other(
                work.envelope for work in works_of(rank, parts(of_segments(first.schedule, count), rank), costs)
            )
            for count in (STEADY, STEADY + 2)
        )
        if len(less) > 1 or len(more) > 1 or found.lower != found.upper:
            return None
        c = max(c[0], more[0][0] - less[0][0]), max(c[1], more[0][1] - less[0][1])
    pairs = (segments - WALKED) // 2
    return plus(found.upper, (pairs * c[0], pairs * c[1]))
