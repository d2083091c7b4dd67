"""Measure what `mpitrain calibrate` fits its costs to: plans of a few algorithms, in turns, several times over.

The algorithms are few, and do all that there is to do: sum where data lie and in private memory, copy once and twice,
send one way and both ways, work alone while others wait and all at once.
"""

from collections.abc import Sequence

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

TURNS = 3
"""How often all is measured. Of a turn the samples' lower quartile counts, and of turns the median, so that neither do
short bursts of other programs nor what lasts for some seconds. Turns do not count in which ranks were not as near to
each other as in most."""

BARRIERS = 200
"""How many in a row are timed, to see how near ranks are to each other just now."""

Times = dict[tuple[str, str, str, int], list[float]]
"""Seconds in each turn, by engine, collective, algorithm and bytes of the whole buffer."""


def measure(world: World, sizes: Sequence[int], rounds: int) -> tuple[dict[str, list[Sample]], float]:
    """Samples of every engine of this world, `rounds` of each way in all, and the seconds of a barrier meanwhile.
    Collective, and alike on all ranks."""
    times: Times = {}
    dtype = np.dtype(np.float32)
    most = max(KINDS[name].room(KINDS[name].elements(max(sizes), dtype.itemsize, world.size)) for name in MEASURED)
    window = world.empty(most, dtype)
    window[:] = 0
    barriers = []
    for turn in range(min(TURNS, rounds)):
        print(f"turn {turn + 1} of {min(TURNS, rounds)} ...", flush=True)
        before = barrier_seconds(world)
        for nbytes in sizes:
            for collective, names in MEASURED.items():
                count = KINDS[collective].elements(nbytes, dtype.itemsize, world.size)
                memory = Memory.of(world, collective, window, count)
                _measure(world, collective, names, memory, len(range(turn, rounds, TURNS)), times)
        barriers.append((before + barrier_seconds(world)) / 2)
    usual = float(np.median(barriers))
    counted = [turn for turn, barrier in enumerate(barriers) if alike(barrier, usual)] or list(range(len(barriers)))
    samples: dict[str, list[Sample]] = {engine: [] for engine in world.engines}
    for (engine, collective, name, nbytes), found in times.items():
        schedule = schedule_of(world, collective, name, nbytes)
        samples[engine].append(Sample(schedule, nbytes, float(np.median([found[turn] for turn in counted]))))
    return samples, usual


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


def _measure(world: World, collective: str, names: Sequence[str], memory: Memory, rounds: int, times: Times) -> None:
    ways: list[Way] = []
    for engine in world.engines:
        for name in names:
            try:
                ways.append(our_way(world, collective, memory, name, engine, adhoc=False))
            except UsageError:  # it does not apply at this number of ranks
                continue
    calls = calls_in_a_row(memory.nbytes)
    seconds = take_turns(world, [way.run for way in ways], rounds, calls, uncounted(calls))
    for way, found in zip(ways, np.quantile(seconds, QUANTILE, axis=0).tolist(), strict=True):
        times.setdefault((way.engine, collective, way.algorithm, memory.nbytes), []).append(found)
        way.free()
