"""Ways to run one collective on one size, ours and the MPI library's: bound to memory, and checked to be right.

The data are a table of 251 small whole numbers for each rank, repeated: sums are exact in every type, and since 251 is
a prime no chunk looks like another. What is timed are zeros, which any number of sums leaves as they are.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from mpitrain.collectives.catalogue import CATALOGUE, LIBRARY
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.layout import even_cuts
from mpitrain.errors import UsageError
from mpitrain.world import World

PERIOD = 251
ROOT = 0


class Way(NamedTuple):
    """Something to run, in place in `buffer`; `result` is where what the collective promises to this rank lies then."""

    algorithm: str
    engine: str
    why: str
    run: Callable[[], Any]
    buffer: np.ndarray
    result: np.ndarray
    free: Callable[[], None]


def named(world: World, collective: str, algorithm: str, adhoc: bool, library: bool) -> list[tuple[str, str]]:
    """(algorithm, engine) of all that is asked for. A call without a plan takes the world's engine."""
    if algorithm != "all":
        return [(algorithm, "auto")]
    engines = (world.engine,) if adhoc else world.engines
    ours = [(name, engine) for engine in engines for name in CATALOGUE[collective]]
    return [*ours, (LIBRARY, "mpi")] if library and "mpi" in engines else ours


def our_way(world: World, collective: str, buffer: np.ndarray, algorithm: str, engine: str, adhoc: bool) -> Way:
    """A plan to run, or a call without one. Collective. `UsageError` if it is not possible."""
    try:
        plan = world.plan(collective, buffer, algorithm=algorithm, engine=engine)
    except ScheduleError as error:
        raise UsageError(str(error), agreed=True) from None
    # The plan of a call without one says what it takes: both choose alike.
    run = partial(getattr(world, collective), buffer, algorithm=algorithm) if adhoc else plan.run
    result = buffer[block(world, buffer.size)] if collective == "reduce_scatter" else buffer
    return Way(plan.algorithm, plan.engine, plan.why, run, buffer, result, plan.free)


def library_way(world: World, collective: str, buffer: np.ndarray) -> Way:
    """mpi4py's own method, bare. `ScheduleError` says why there is nothing to compare with."""
    if world.size == 1:
        raise ScheduleError("one rank sends nothing; start more, as with mpirun -n 2")
    from mpitrain.engines.library import bare_call

    bare = bare_call(collective, buffer, ROOT)
    return Way(LIBRARY, "mpi", "to compare with", bare.run, buffer, bare.result, lambda: None)


def block(world: World, count: int) -> slice:
    """This rank's block of `count` elements."""
    cuts = even_cuts(count, world.size)
    return slice(cuts[world.rank], cuts[world.rank + 1])


def check(world: World, collective: str, way: Way, seed: int) -> None:
    """Run it once on numbers. `RuntimeError` on a rank that gets others than NumPy does; zeros are left behind."""
    numbers = np.random.default_rng(seed).integers(0, 4, (world.size, PERIOD))
    count, own = way.buffer.size, block(world, way.buffer.size)
    way.buffer[:] = np.resize(numbers[world.rank], count)
    way.run()
    if collective == "allgather":
        wanted = np.empty(count, numbers.dtype)
        cuts = even_cuts(count, world.size)
        for rank, (start, stop) in enumerate(pairwise(cuts)):
            wanted[start:stop] = np.resize(numbers[rank], count)[start:stop]
    else:
        wanted = np.resize(numbers[ROOT] if collective == "bcast" else numbers.sum(0), count)
    if collective == "reduce_scatter":
        wanted = wanted[own]
    if collective != "reduce" or world.rank == ROOT:
        wrong = np.flatnonzero(way.result != wanted.astype(way.buffer.dtype))
        if wrong.size:
            raise RuntimeError(
                f"{collective} of {way.buffer.nbytes} bytes by {way.engine} {way.algorithm}: element {wrong[0]} is "
                f"{way.result[wrong[0]]}, expected {wanted[wrong[0]]}"
            )
    world.barrier()  # before it, others may still read this rank's buffer
    way.buffer[:] = 0
