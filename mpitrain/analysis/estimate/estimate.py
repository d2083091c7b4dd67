"""The price of an algorithm on any number of ranks, which says of itself how sure it is.

    walked     every rank's program was walked: exact
    alike      some ranks speak for all: no rank can be quicker than its own work, and none of them waits: exact, as far
               as a sample of ranks, and of their partners, tells
    pipeline   two segments were walked, the others follow in step: exact wherever whole walks could be compared
    bounds     between `lower` and `upper`
    at least   `lower`; `upper` is None, nothing is known of it

On a network with shared links every link is free in `lower`, but for what passes a node's port in all; in `upper` all
who may share a link in a step do. Where the two are equal, as for a ring through nodes, that is exact, too.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

from mpitrain.analysis.estimate import classes, rotation
from mpitrain.analysis.estimate.costs import Costs, Crowds
from mpitrain.analysis.estimate.lines import ZERO, Envelope, Lines, highest
from mpitrain.analysis.estimate.pipeline import beginning, pipelined
from mpitrain.analysis.estimate.ports import Ports
from mpitrain.analysis.estimate.sample import Sample
from mpitrain.analysis.estimate.walk import Walked, flows_of, walk
from mpitrain.analysis.estimate.work import alone, works_of
from mpitrain.collectives.algorithm import Schedule
from mpitrain.network import Network
from mpitrain.network.topology import Flat, Nodes

QUICK, PER_RANK = 20_000, 5
"""A schedule of so few messages is walked before anything else is tried: in all, or a rank."""

MOST, MOST_SHARED, FIRST_SHARED = 1_200_000, 10_000, 150_000
"""Messages of a schedule that is walked at all: where it is walked once, and where links are shared; there more of them
are walked for the lower bound of a pipeline's first segments."""


Begun = dict[str, Walked]
"""Whole walks of the first segments of pipelines, by their schedules."""


class Limits(NamedTuple):
    """Messages up to which a schedule is walked before anything else is tried, at all, and in its first segments."""

    quick: int
    most: int
    first: int


class Estimate(NamedTuple):
    """Seconds as functions of the data's bytes. `steps` and `messages`: of the busiest rank that was looked at."""

    lower: Lines
    upper: Lines | None
    how: str
    steps: int
    messages: int

    @property
    def exact(self) -> bool:
        return self.lower == self.upper


def estimate(
    schedule: Schedule, network: Network, quick: int | None = None, most: int = MOST, begun: Begun | None = None
) -> Estimate:
    """`quick` and `most`: messages up to which it is walked, first or at all.

    `begun` is kept between estimates of one algorithm on one network.
    """
    flat, begun = isinstance(network.topology, Flat), {} if begun is None else begun
    if quick is None:
        quick = max(QUICK, PER_RANK * schedule.size) if flat else QUICK // 2
    limits = Limits(quick, most, most) if flat else Limits(quick, min(most, MOST_SHARED), min(most, FIRST_SHARED))
    with _no_garbage():
        sample = Sample(schedule)
        free = Costs(network, schedule.size)
        lower, upper, how = _bounds(sample, free, limits, begun)
        if not flat:
            lower, upper = _shared(sample, free, lower, how, limits, begun)
            how = how if lower == upper else "bounds"
        if upper is None:
            how = "at least"
    lines = [None if found is None else Lines.of(found, free.unit, schedule.chunks) for found in (lower, upper)]
    assert lines[0] is not None
    busiest = max(sample.programs.values(), key=lambda program: sum(len(part.sends) for part in program))
    return Estimate(lines[0], lines[1], how, len(busiest), sum(len(part.sends) for part in busiest))


def _shared(
    sample: Sample, free: Costs, lower: Envelope, how: str, limits: Limits, begun: Begun
) -> tuple[Envelope, Envelope | None]:
    """Lower and upper where links are shared; `lower` and `how`: where they are free."""
    network, schedule = free.network, sample.schedule
    full = Costs(network, schedule.size, shared=True)
    if not isinstance(network.topology, Nodes):
        if how == "walked":
            full = Costs(network, schedule.size, shared=True, flows=flows_of(schedule, free))
        return lower, _bounds(sample, full, limits, begun)[1]
    ports = Ports(sample, network.topology, rotation.turned(sample))
    busy = free.whole(network.topology.port) * ports.busiest
    # A walk would take ranks to keep in step; classes know who may share a port with whom.
    few = Limits(quick=0, most=0, first=limits.most)
    upper = _bounds(sample, full, few, begun, ports.crowds)[1]
    if upper is None and sample.messages <= limits.quick:
        upper = walk(schedule, full).upper
    return highest((*lower, (0, busy))), upper


def _bounds(
    sample: Sample, costs: Costs, limits: Limits, begun: Begun, crowds: Crowds | None = None
) -> tuple[Envelope, Envelope | None, str]:
    """Lower, upper, and how they were found."""
    if sample.messages <= limits.quick:
        found = begun[f"{sample.schedule} {costs.shared}"] = walk(sample.schedule, costs)
        return *found, "walked" if found.lower == found.upper else "bounds"
    first, begins = beginning(sample.schedule), ZERO
    if first is not None:
        part, name = Sample(first), f"{first} {costs.shared}"
        if name not in begun and part.messages <= limits.first:
            begun[name] = walk(first, costs)
        begins = begun[name].lower if name in begun else ZERO
        both = pipelined(part, begun[name], sample.schedule.chunks, costs) if name in begun else None
        if both is not None:
            if costs.wire:
                return both, both, "pipeline"
            # Where wires differ, the last rank need not be the busiest: sure is only when the first two have come.
            own = (alone(works_of(rank, program, costs)) for rank, program in sample.programs.items())
            return highest((*begins, *chain.from_iterable(own))), both, "bounds"
    lower, upper = (
        rotation.bounds(sample, costs, crowds)
        if rotation.turned(sample) is not None
        else classes.bounds(sample, costs, crowds)
    )
    if lower == upper:
        return lower, upper, "alike"
    if sample.messages <= limits.most:
        found = begun[f"{sample.schedule} {costs.shared}"] = walk(sample.schedule, costs)
        return *found, "walked" if found.lower == found.upper else "bounds"
    return highest((*lower, *begins)), upper, "bounds"


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Millions of small tuples, none in a circle: looking for garbage among them takes longer than all else."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
