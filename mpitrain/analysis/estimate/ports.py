"""Who shares a node's port: how many of a node's ranks send to other nodes, or receive from there, about each step.

A rank has one message on its way at a time, so no more leave a node than it has ranks that send to others. Ranks need
not keep in step: who has stayed in its node may be a step ahead. So who sends a step before or after counts as well.

Where the nodes do alike, as many come in as ranks wait for them. Where they do not, a quick node's messages come early:
then all whom a rank receives from about that step count, and where programs differ in length, in its fullest step.

What all ranks of a node send to others passes its port, whatever the order: that is a lower bound of the time.
"""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from mpitrain.analysis.estimate.costs import Crowd
from mpitrain.analysis.estimate.rotation import Turned
from mpitrain.analysis.estimate.sample import Parts, Sample, parts
from mpitrain.network.topology import Nodes

COUNTED = 60_000
"""Messages and steps of the programs that are made to count, about."""


class Far(NamedTuple):
    """Of a rank's step: whom it sends to in other nodes, whom it receives from there, and how many chunks."""

    targets: frozenset[int]
    sources: frozenset[int]
    out: int
    into: int


class Ports:
    """Those of the sampled ranks' nodes; `turned`: what all ranks do alike, if they do."""

    def __init__(self, sample: Sample, topology: Nodes, turned: list[Turned] | None):
        self.each, self.size = topology.ranks_per_node, sample.schedule.size
        self.of_all: Sequence[Crowd] | None = None
        self.busiest = 0
        """How many chunks pass the busiest port that was looked at, one way."""
        self.nodes: dict[int, list[list[Far]]] = {}
        if turned is not None:
            self.of_all, self.busiest = _turned(turned, self.size, self.each)
            return
        room = COUNTED
        for node in dict.fromkeys(rank // self.each for rank in list(sample.programs)):
            ranks = range(node * self.each, min((node + 1) * self.each, self.size))
            room -= (sample.weight + 1) * len(ranks)
            if room < 0:
                break
            self.nodes[node] = [
                _far(sample.programs.get(rank) or parts(sample.schedule, rank), ranks) for rank in ranks
            ]
        alike = {tuple(_crowds(programs)) if _level(programs) else None for programs in self.nodes.values()}
        if len(alike) == 1 and None not in alike:
            (self.of_all,) = alike
        for programs in self.nodes.values():
            every = list(chain.from_iterable(programs))
            self.busiest = max(self.busiest, sum(step.out for step in every), sum(step.into for step in every))

    def crowds(self, rank: int, steps: int) -> Sequence[Crowd]:
        """Who shares the ports of the rank's node, in each of its program's steps."""
        if self.of_all is not None and len(self.of_all) == steps:
            return self.of_all
        programs = self.nodes.get(rank // self.each)
        if programs is None:
            return [(self.each, self.each)] * steps
        seen = [[(_senders(program, at), _sources(program, at)) for at in range(len(program))] for program in programs]
        if _level(programs):
            return [_sum(step) for step in zip(*seen, strict=True)]
        return [_sum([(max((o for o, _ in p), default=0), max((i for _, i in p), default=0)) for p in seen])] * steps


def _level(programs: list[list[Far]]) -> bool:
    return len(set(map(len, programs))) == 1


def _sum(crowds: Sequence[Crowd]) -> Crowd:
    return max(1, sum([out for out, _ in crowds])), max(1, sum([into for _, into in crowds]))


def _crowds(programs: list[list[Far]]) -> list[Crowd]:
    """Where nodes do alike."""
    about = range(len(programs[0]))
    return [_sum([(_senders(p, at), int(_sources(p, at) > 0)) for p in programs]) for at in about]


def _senders(program: list[Far], at: int) -> int:
    return int(any(step.targets for step in program[max(0, at - 1) : at + 2]))


def _sources(program: list[Far], at: int) -> int:
    return len(frozenset().union(*(step.sources for step in program[max(0, at - 1) : at + 2])))


def _far(program: Parts, near: range) -> list[Far]:
    found = []
    for sends, receives, _ in program:
        out = [message for message in sends if message[0] not in near]
        into = [message for message in receives if message[0] not in near]
        found.append(
            Far(
                frozenset([peer for peer, _ in out]),
                frozenset([peer for peer, _ in into]),
                sum([chunks for _, chunks in out]),
                sum([chunks for _, chunks in into]),
            )
        )
    return found


def _turned(steps: list[Turned], size: int, each: int) -> tuple[list[Crowd], int]:
    """Crowds and chunks of the first node, which those leave who are less than d places before its end, to go d on."""
    crowds, chunks = [], 0
    known: dict[Turned, tuple[int, int]] = {}
    for step in steps:
        if step not in known:
            leaving = [(_leaving(place, size, each), count) for place, count in step[0]]
            known[step] = min(each, sum(ranks for ranks, _ in leaving)), sum(ranks * count for ranks, count in leaving)
        crowd, passing = known[step]
        crowds.append((crowd, crowd))
        chunks += passing
    return crowds, chunks


def _leaving(place: int, size: int, each: int) -> int:
    if each <= place <= size - each:
        return each
    return sum((rank + place) % size >= each for rank in range(min(each, size)))
