"""Measure what `mpitrain calibrate` fits its costs to: plans of a few algorithms, in turns, several times over.

The algorithms are few, and do all that there is to do: sum where data lie and in private memory, copy once and twice,
send one way and both ways, work alone while others wait and all at once.
"""

from collections.abc import Sequence
from statistics import median_low
from typing import NamedTuple

import numpy as np

from mpitrain.cli.bench_kinds import KINDS
from mpitrain.cli.bench_ways import Memory, Way, our_way
from mpitrain.cli.turns import QUANTILE, calls_in_a_row, take_turns, uncounted
from mpitrain.collectives.algorithm import Algorithm, Schedule
from mpitrain.collectives.catalogue import find
from mpitrain.engines.fitting import fitted
from mpitrain.errors import UsageError
from mpitrain.tuning.calibration import alike
from mpitrain.tuning.cost_model import Sample
from mpitrain.world import World

MEASURED = {
    "allreduce": ("direct", "recursive_doubling", "linear"),
    "reduce_scatter": ("pairwise",),
    "allgather": ("bruck",),
    "bcast": ("scatter_allgather", "chain"),
    "reduce": ("linear",),
    "alltoall": ("linear",),
    "scan": ("recursive_doubling",),
}

TURNS = 5
"""How often all is measured. Of a turn the samples' lower quartile counts, and of turns the median, so that neither do
short bursts of other programs nor what lasts for some seconds."""

BARRIERS = 200
"""How many in a row are timed, to see how near ranks are to each other just now."""

Key = tuple[str, str, str]
"""Engine, collective and algorithm."""


class Turn(NamedTuple):
    """Seconds of all ways on data of one size, and of barriers before and after."""

    nbytes: int
    seconds: dict[Key, float]
    barriers: tuple[float, float]


def measure(world: World, sizes: Sequence[int], rounds: int) -> tuple[dict[str, list[Sample]], float]:
    """Samples of every engine of this world, `rounds` of each way in all, and the seconds of a barrier meanwhile.
    Collective, and alike on all ranks."""
    dtype = np.dtype(np.float32)
    most = max(KINDS[name].room(KINDS[name].elements(max(sizes), dtype.itemsize, world.size)) for name in MEASURED)
    window = world.empty(most, dtype)
    window[:] = 0
    turns = []
    for number in range(min(TURNS, rounds)):
        print(f"turn {number + 1} of {min(TURNS, rounds)} ...", flush=True)
        turns += [_turn(world, window, nbytes, len(range(number, rounds, TURNS))) for nbytes in sizes]
    barrier, counted = steady(turns)
    samples: dict[str, list[Sample]] = {engine: [] for engine in world.engines}
    for nbytes, (engine, collective, name) in (
        (turn.nbytes, key) for turn in turns[: len(sizes)] for key in turn.seconds
    ):
        found = [turn.seconds[engine, collective, name] for turn in counted if turn.nbytes == nbytes]
        schedule = schedule_of(world, collective, name, nbytes)
        samples[engine].append(Sample(schedule, nbytes, float(np.median(found))))
    return samples, barrier


def steady(turns: Sequence[Turn]) -> tuple[float, list[Turn]]:
    """The usual seconds of a barrier, and the turns in which ranks were as near to each other as that says; of a size
    for which there are none, all."""
    usual = median_low(barrier for turn in turns for barrier in turn.barriers)
    good = [turn for turn in turns if all(alike(barrier, usual) for barrier in turn.barriers)]
    covered = {turn.nbytes for turn in good}
    return usual, good + [turn for turn in turns if turn.nbytes not in covered]


def barrier_seconds(world: World) -> float:
    """What a barrier takes just now. Collective, and alike on all ranks.

    On virtual machines cores that shared a cache a minute ago may have been moved apart since.
    """
    return float(np.quantile(take_turns(world, [world.barrier], 15, BARRIERS), QUANTILE))


def schedule_of(world: World, collective: str, name: str, nbytes: int) -> Schedule:
    """What a plan of this algorithm runs on data of so many bytes."""
    algorithm = find(collective, name)
    assert isinstance(algorithm, Algorithm)
    return fitted(algorithm, nbytes, world.tuning.node_sizes).schedule(world.size)


def _turn(world: World, window: np.ndarray, nbytes: int, rounds: int) -> Turn:
    before, seconds = barrier_seconds(world), dict[Key, float]()
    for collective, names in MEASURED.items():
        count = KINDS[collective].elements(nbytes, window.dtype.itemsize, world.size)
        memory = Memory.of(world, collective, window, count)
        ways = _ways(world, collective, names, memory)
        calls = calls_in_a_row(nbytes)
        found = take_turns(world, [way.run for way in ways], rounds, calls, uncounted(calls))
        for way, quartile in zip(ways, np.quantile(found, QUANTILE, axis=0).tolist(), strict=True):
            seconds[way.engine, collective, way.algorithm] = quartile
            way.free()
    return Turn(nbytes, seconds, (before, barrier_seconds(world)))


def _ways(world: World, collective: str, names: Sequence[str], memory: Memory) -> list[Way]:
    """Those that apply at this number of ranks."""
    ways = []
    for engine in world.engines:
        for name in names:
            try:
                ways.append(our_way(world, collective, memory, name, engine, adhoc=False))
            except UsageError:
                continue
    return ways
