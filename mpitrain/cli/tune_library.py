"""Measure the MPI library's own algorithms, each by force, so that rules can be written for the library."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mpitrain.cli.bench_kinds import KINDS, ROOT
from mpitrain.cli.bench_ways import Memory, Way, clear, fault_of
from mpitrain.cli.tune_measure import timed
from mpitrain.engines.library import bare_call
from mpitrain.engines.library_algorithms import forced_algorithms
from mpitrain.tuning import choice
from mpitrain.tuning.measured import Measured
from mpitrain.tuning.openmpi_rules import COLLECTIVE_IDS
from mpitrain.world import World


def measure_library(
    world: World, collective: str, sizes: Sequence[int], rounds: int, about: Mapping[str, Any]
) -> Measured | None:
    """None for a collective for which the library takes no rules by size. Collective."""
    if collective not in COLLECTIVE_IDS:
        return None
    kind, dtype = KINDS[collective], np.dtype(np.float32)
    times: dict[choice.Way, list[float]] = {}
    measured = []
    with forced_algorithms(collective) as algorithms:
        for nbytes in [0] if kind.bus is None else sizes:
            count = kind.elements(nbytes, dtype.itemsize, world.size)
            memory = Memory.of(world, collective, np.zeros(kind.room(count), dtype), count)
            if memory.nbytes in measured:
                continue
            ways = []
            for name, comm in algorithms.items():
                bare = bare_call(collective, memory.given, ROOT, comm, memory.received)
                way = Way(name, "mpi", "forced", bare.run, memory, bare.result, lambda: None)
                if _works(world, collective, way):
                    ways.append(way)
            for way, seconds in zip(ways, timed(world, collective, ways, rounds), strict=True):
                times.setdefault(choice.Way("mpi", way.algorithm), []).append(seconds)
            measured.append(memory.nbytes)
    whole = {way: tuple(found) for way, found in times.items() if len(found) == len(measured)}
    return Measured(tuple(measured), whole, {**about, "memory": "ordinary arrays"})


def _works(world: World, collective: str, way: Way) -> bool:
    """Whether the library can do it at this size, and rightly. Collective."""

    try:
        fault = fault_of(world, collective, way, seed=0)
    except RuntimeError as error:  # as the library's errors are
        fault = str(error)
    faults = world.allreduce(np.array([bool(fault)], np.int32), "max")
    clear(way.memory)
    return not faults[0]
