"""Ways to run one collective on one size, ours and the MPI library's: bound to memory, and checked to be right.

What is timed are zeros, which any number of sums leaves as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mpitrain.cli.bench_kinds import KINDS, ROOT, Given, Part
from mpitrain.collectives.catalogue import CATALOGUE, LIBRARY
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError
from mpitrain.world import World


@dataclass(frozen=True)
class Memory:
    """What a rank gives to a collective of `count` elements, and where it gets its result if not there."""

    given: np.ndarray | None
    received: np.ndarray | None
    count: int
    dtype: np.dtype

    @classmethod
    def of(cls, world: World, collective: str, room: np.ndarray, count: int) -> "Memory":
        """In memory for `KINDS[collective].room(count)` elements."""
        kind, place = KINDS[collective], (world.rank, world.size)
        return cls(
            kind.gives.of(room[:count], *place), kind.gets.of(room[count : 2 * count], *place), count, room.dtype
        )

    @property
    def nbytes(self) -> int:
        """Of the whole buffer."""
        return self.count * self.dtype.itemsize


class Way(NamedTuple):
    """Something to run on memory. What the collective promises to this rank lies in `result` then, or is what `run`
    returns where that is None."""

    algorithm: str
    engine: str
    why: str
    run: Callable[[], Any]
    memory: Memory
    result: np.ndarray | None
    free: Callable[[], None]


def named(world: World, collective: str, algorithm: str, adhoc: bool, library: bool) -> list[tuple[str, str]]:
    """(algorithm, engine) of all that is asked for. A call without a plan takes the world's engine."""
    if algorithm != "all":
        return [(algorithm, "auto")]
    engines = (world.engine,) if adhoc else world.engines
    ours = [(name, engine) for engine in engines for name in CATALOGUE[collective]]
    return [*ours, (LIBRARY, "mpi")] if library and "mpi" in engines else ours


def our_way(world: World, collective: str, memory: Memory, algorithm: str, engine: str, adhoc: bool) -> Way:
    """A plan to run, or a call without one. Collective. `UsageError` if it is not possible."""
    try:
        plan = world.plan(collective, memory.given, received=memory.received, algorithm=algorithm, engine=engine)
    except ScheduleError as error:
        raise UsageError(str(error), agreed=True) from None
    # The plan of a call without one says what it takes: both choose alike.
    kind, both = KINDS[collective], (memory.given, memory.received)
    arguments = both[: (kind.gives is not Part.NOTHING) + (kind.gets is not Part.NOTHING)]
    run = partial(getattr(world, collective), *arguments, algorithm=algorithm) if adhoc else plan.run
    return Way(plan.algorithm, plan.engine, plan.why, run, memory, None, plan.free)


def our_ways(
    world: World, collective: str, memory: Memory, names: list[tuple[str, str]], adhoc: bool = False
) -> list[Way]:
    """Those that are possible: of many, some do not apply at this number of ranks. Collective."""
    if len(names) == 1:
        return [our_way(world, collective, memory, *names[0], adhoc)]
    ways = []
    for algorithm, engine in names:
        try:
            ways.append(our_way(world, collective, memory, algorithm, engine, adhoc))
        except UsageError:
            continue
    return ways


def library_way(world: World, collective: str, memory: Memory) -> Way:
    """mpi4py's own method, bare. `ScheduleError` says why there is nothing to compare with."""
    if world.size == 1:
        raise ScheduleError("one rank sends nothing; start more, as with mpirun -n 2")
    from mpitrain.engines.library import bare_call

    bare = bare_call(collective, memory.given, ROOT, received=memory.received)
    return Way(LIBRARY, "mpi", "to compare with", bare.run, memory, bare.result, lambda: None)


def check(world: World, collective: str, way: Way, seed: int) -> None:
    """Run it once on numbers. `RuntimeError` on a rank that gets others than NumPy does; zeros are left behind."""
    if fault := fault_of(world, collective, way, seed):
        raise RuntimeError(fault)
    world.barrier()  # before it, others may still read this rank's buffer
    clear(way.memory)


def clear(memory: Memory) -> None:
    for array in (memory.given, memory.received):
        if array is not None:
            array[:] = 0


def fault_of(world: World, collective: str, way: Way, seed: int) -> str:
    """Run it once on numbers: what this rank gets that NumPy does not, nothing if all is well."""
    kind, memory = KINDS[collective], way.memory
    given = Given.seeded(world.rank, world.size, memory.count, seed)
    if memory.given is not None:
        memory.given[:] = kind.gives.of(given.of(world.rank), world.rank, world.size)
    returned = way.run()
    result, wanted = returned if way.result is None else way.result, kind.wanted(given)
    if wanted is not None:
        wrong = np.flatnonzero(result != wanted.astype(memory.dtype))
        if wrong.size:
            return (
                f"{collective} of {memory.nbytes} bytes by {way.engine} {way.algorithm}: element {wrong[0]} is "
                f"{result[wrong[0]]}, expected {wanted[wrong[0]]}"
            )
    return ""
