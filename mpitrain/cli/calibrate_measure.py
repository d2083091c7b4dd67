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
"""How often all is measured. Of a turn the samples' lower quartile counts, of turns the median, so that neither short
bursts of other programs do, nor what disturbs for some seconds."""

Times = dict[tuple[str, str, str, int], list[float]]
"""Seconds in each turn, by engine, collective, algorithm and bytes of the whole buffer."""


def measure(world: World, sizes: Sequence[int], rounds: int) -> dict[str, list[Sample]]:
    """Samples of every engine of this world; `rounds` of each way in all. Collective, and alike on all ranks."""
    times: Times = {}
    dtype = np.dtype(np.float32)
    most = max(KINDS[name].room(KINDS[name].elements(max(sizes), dtype.itemsize, world.size)) for name in MEASURED)
    window = world.empty(most, dtype)
    window[:] = 0
    for number in range(TURNS):
        of_turn = len(range(number, rounds, TURNS))
        if of_turn:
            print(f"turn {number + 1} of {TURNS} ...", flush=True)
        for nbytes in sizes if of_turn else ():
            for collective, names in MEASURED.items():
                count = KINDS[collective].elements(nbytes, dtype.itemsize, world.size)
                _measure(world, collective, names, Memory.of(world, collective, window, count), of_turn, times)
    samples: dict[str, list[Sample]] = {engine: [] for engine in world.engines}
    for (engine, collective, name, nbytes), found in times.items():
        schedule = schedule_of(world, collective, name, nbytes)
        samples[engine].append(Sample(schedule, nbytes, float(np.median(found))))
    return samples


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
