"""Measuring: two or more ways to do one thing take turns, so that all of them meet the same noise.

A sample is some calls in a row, after a barrier; its time is that of the slowest rank. The turns are always taken in
the same order, round by round, and the first round only warms up. Every way has the same loop, barrier and number of
calls, and waits in the same process. That matters where ranks outnumber cores: the ranks leave the barrier one after
the other as they get a core, so that a sample holds some of that wait, on all sides alike. Medians, and
ratios of one run, are what to look at.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from mpitrain.world import World

QUANTILE = 0.25
"""Of samples, what to compare predictions with: other programs only ever add to a time, so the lower ones tell more."""

FEW_CALLS = 16
"""A sample of fewer calls finds another way's data in the caches, unless a call that does not count goes before."""


def calls_in_a_row(nbytes: int) -> int:
    """Of one sample: enough that the clock and the way out of the barrier do not count for small data."""
    return max(1, min(100, (16 << 20) // max(nbytes, 1)))


def uncounted(calls: int) -> int:
    """How many calls should go before a sample of so many."""
    return 1 if calls < FEW_CALLS else 0


class Spread(NamedTuple):
    """Of samples, in their unit."""

    median: float
    least: float
    most: float


def spread(samples: Iterable[float]) -> Spread:
    values = [float(value) for value in samples]
    return Spread(statistics.median(values), min(values), max(values))


def take_turns(
    world: World, ways: Sequence[Callable[[], object]], rounds: int, calls: int = 1, uncounted: int = 0
) -> np.ndarray:
    """Seconds a call on the slowest rank, a row a round and a column a way. Collective; the same ways on all ranks.

    The first `uncounted` calls of a sample are made before its clock runs: they find another way's data in the caches.
    """
    seconds = np.empty((1 + rounds, len(ways)))
    for row in seconds:
        for number, way in enumerate(ways):
            row[number] = _sample(world, way, calls, uncounted)
    return world.allreduce(seconds[1:].copy(), "max")


def _sample(world: World, way: Callable[[], object], calls: int, uncounted: int) -> float:
    world.barrier()
    for _ in range(uncounted):
        way()
    began = world.now()
    for _ in range(calls):
        way()
    return (world.now() - began) / calls
