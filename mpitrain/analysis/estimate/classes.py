"""Classes of ranks that do alike, such as the core, hosts and guests of a fold: bounds, which meet if nobody waits.

No rank is done before it has done its own work: all that it sends and receives at its ports, and all that it sums. That
is a lower bound, of any rank. The upper bound takes a class for as late as the latest of it: a step ends once all whom
it meets have begun theirs and done their sending. Where the slowest class waits for nobody, the two are equal.

Who is in a class, and whom its steps meet, is seen on a sample: some ranks' programs and some of their partners'.
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from mpitrain.analysis.estimate.costs import Costs, Crowds
from mpitrain.analysis.estimate.lines import ZERO, Envelope, Line, highest, later, plus
from mpitrain.analysis.estimate.sample import HEAVY, LIGHT, Sample
from mpitrain.analysis.estimate.work import Work, alone, one_after_the_other, works_of

ASKED = 4
"""Messages of a step whose other end is looked up."""

PARTNERS_IF_LIGHT, PARTNERS, PARTNERS_IF_HEAVY = 1000, 6, 2
"""Whose programs join the sample."""


class Meeting(NamedTuple):
    """A message between two steps; `place`: which of its sender's step it is."""

    sender: tuple[int, int]  # rank and step
    receiver: tuple[int, int]
    place: int


def bounds(sample: Sample, costs: Costs, crowds: Crowds | None = None) -> tuple[Envelope, Envelope | None]:
    """Lower and upper; no upper one if the steps of a class wait for later ones of its own."""
    meetings = _meetings(sample)
    works = {
        rank: works_of(rank, program, costs, crowds and crowds(rank, len(program)))
        for rank, program in sample.programs.items()
    }
    named: dict[tuple[Work, ...], int] = {}
    class_of = {rank: named.setdefault(tuple(work), len(named)) for rank, work in works.items()}
    lower = highest(line for work in named for line in alone(work))

    senders: dict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
    at_once: dict[tuple[int, int], list[int]] = defaultdict(list)
    for (source, sent), (target, received), place in meetings:
        senders[class_of[target], received].add((class_of[source], sent))
        at_once[target, received].append(place)
    clashes: dict[tuple[int, int], Line] = {}
    for (rank, number), places in at_once.items():
        lengths = [chunks for _, chunks in sample.programs[rank][number].receives]
        alike = costs.wire is not None and len(set(lengths)) == 1
        if len(lengths) > 1 and (len(set(places)) < len(places) or not alike):
            a, b = works[rank][number].receiving
            # Of messages that are alike, the first is taken while it is sent.
            clashes[class_of[rank], number] = (a - a // len(lengths), b - b // len(lengths)) if alike else (a, b)
    classes = [list(work) for work in named]
    upper = _latest(classes, senders, clashes)
    if upper is None and all(sent == received for (_, sent), (_, received), _ in meetings):
        upper = _in_step(classes, clashes)
    return lower, upper


def _in_step(classes: list[list[Work]], clashes: dict[tuple[int, int], Line]) -> Envelope | None:
    """When all are done, if a step begins once everybody has ended the one before: for messages that come in the step
    in which they are sent. Then it need not be known whom a class meets."""
    if len(set(map(len, classes))) > 1:
        return None
    steps = []
    for at, works in enumerate(zip(*classes, strict=True)):
        sending = highest(work.sending for work in works)
        clash = highest(clashes.get((number, at), (0, 0)) for number in range(len(works)))
        late = highest((a + c, b + d) for a, b in sending for c, d in clash)
        busy = highest((*late, *(work.receiving for work in works)))
        steps.append(plus(busy, max(work.summing for work in works)))
    return one_after_the_other(steps)


def _latest(
    classes: list[list[Work]],
    senders: dict[tuple[int, int], set[tuple[int, int]]],
    clashes: dict[tuple[int, int], Line],
) -> Envelope | None:
    """When the last class is done, if each waits for the latest of all that it meets."""
    starts: list[list[Envelope]] = [[ZERO] for _ in classes]
    moved = True
    while moved:
        moved = False
        for number, works in enumerate(classes):
            while (at := len(starts[number]) - 1) < len(works):
                met = senders.get((number, at), set())
                if works[at].receiving != (0, 0) and not met:
                    return None
                if any(len(starts[other]) <= step for other, step in met):
                    break
                starts[number].append(
                    _end(
                        works[at],
                        starts[number][at],
                        clashes.get((number, at), (0, 0)),
                        [(starts[other][step], classes[other][step]) for other, step in met],
                    )
                )
                moved = True
    if any(len(start) <= len(works) for start, works in zip(starts, classes, strict=True)):
        return None
    return highest(line for start in starts for line in start[-1])


def _end(work: Work, start: Envelope, clash: Line, met: list[tuple[Envelope, Work]]) -> Envelope:
    """A step's end. What comes one after the other has come when all is sent and the port has taken it; where messages
    may come at once, the port may begin with all but one of them (`clash`) when the last is sent."""
    end = plus(start, work.sending)
    begun = start
    for other, _ in met:
        begun = later(begun, other)
    end = later(end, plus(begun, work.receiving))
    for _, sender in met:
        end = later(end, plus(plus(begun, sender.sending), clash))
    return plus(end, work.summing)


@lru_cache(maxsize=1)
def _meetings(sample: Sample) -> list[Meeting]:
    """Of some messages of the sampled ranks, both ends; their programs join the sample."""
    room = PARTNERS_IF_LIGHT if sample.weight <= LIGHT else PARTNERS if sample.weight < HEAVY else PARTNERS_IF_HEAVY
    found: list[Meeting] = []
    for rank in list(sample.programs):
        for number, part in enumerate(sample.program(rank)):
            for outwards, messages in ((True, part.sends), (False, part.receives)):
                for peer in dict.fromkeys(peer for peer, _ in _some(messages)):
                    if peer not in sample.programs:
                        if room == 0:
                            continue
                        room -= 1
                    found += (
                        _between(sample, rank, peer, number) if outwards else _between(sample, peer, rank, None, number)
                    )
    return list(dict.fromkeys(found))


def _some(messages: tuple[tuple[int, int], ...]) -> Iterator[tuple[int, int]]:
    step = -(-len(messages) // ASKED) or 1
    return iter((*messages[::step], *messages[-1:]))


def _between(
    sample: Sample, source: int, target: int, sent: int | None, received: int | None = None
) -> Iterator[Meeting]:
    """The messages from one rank to another that are sent, or received, in one step."""
    for (number, place), (other, _) in sample.between(source, target, sent, received):
        yield Meeting((source, number), (target, other), place)
