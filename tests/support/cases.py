"""One call of any collective on ranks, real or virtual: what this rank passes, and what NumPy says must come of it."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from mpitrain.collectives.catalogue import CATALOGUE, LIBRARY
from mpitrain.engines.layout import even_cuts

EVERY = [(c, name) for c, family in CATALOGUE.items() if c != "barrier" for name in family]
"""All that has a result to compare: (collective, algorithm)."""

CALLED = [(c, name) for c, name in EVERY if c != "gossip"]
"""Those that a world has methods for; a gossip is for plans."""


THE_LIBRARY = pytest.param(LIBRARY, marks=pytest.mark.mpi)
"""Its own algorithm, as a parameter of a test: for real ranks only, since no library stands behind virtual ones."""


def algorithms(world, collective):
    """All that this world can run: the MPI library's own where there is one."""
    return (*CATALOGUE.get(collective, {}), *(() if world.engine == "virtual" else (LIBRARY,)))


class Case(NamedTuple):
    """`given` is this rank's buffer, `room` how long another one must be for the result, None where it needs none.

    `wanted` is the result, None where nothing is promised.
    """

    given: np.ndarray | None
    room: int | None
    arguments: dict
    wanted: np.ndarray | None


@cache
def contributions(size, count, seed=0, dtype=np.float64):
    """Every rank's data, to read only: whole numbers, whose sums are exact in any order."""
    data = np.random.default_rng([seed, count]).integers(-50, 50, (size, count)).astype(dtype)
    data.flags.writeable = False
    return data


def assert_same(found, wanted):
    """NumPy's own comparison costs fifty times as much where nothing differs; so it only tells what does."""
    if not np.array_equal(found, wanted):
        np.testing.assert_array_equal(found, wanted, strict=True)


def case(collective, data, rank, root, equal_blocks=False):
    """`data[r]` is what rank r has of the whole."""
    size, count = data.shape
    cuts = even_cuts(count // size * size if equal_blocks else count, size)
    lengths = np.diff(cuts).tolist()
    mine, own, total = slice(*cuts[rank : rank + 2]), data[rank], data.sum(0)
    if collective == "allgather":
        given = np.full(count, -99.0)
        given[mine] = data[0, mine]
        return Case(given, None, {}, data[0])
    if collective == "gather":
        wanted = data[0, : cuts[-1]] if rank == root else None
        return Case(data[0, mine], cuts[-1] if rank == root else None, {"root": root, "counts": lengths}, wanted)
    if collective == "scatter":
        given = data[root, : cuts[-1]] if rank == root else None
        return Case(given, lengths[rank], {"root": root, "counts": lengths}, data[root, mine])
    if collective == "alltoall":
        counts = {} if equal_blocks else {"counts": lengths, "received_counts": [lengths[rank]] * size}
        wanted = np.concatenate([data[source, mine] for source in range(size)])
        return Case(own[: cuts[-1]], lengths[rank] * size, counts, wanted)
    return {
        "allreduce": lambda: Case(own, None, {}, total),
        "reduce": lambda: Case(own, None, {"root": root}, total if rank == root else None),
        "bcast": lambda: Case(own if rank == root else np.full(count, -99.0), None, {"root": root}, data[root]),
        "reduce_scatter": lambda: Case(own, None, {}, total[mine]),
        "scan": lambda: Case(own, None, {}, data[: rank + 1].sum(0)),
        "gossip": lambda: Case(own, None, {}, data.mean(0) if size & (size - 1) == 0 else None),
        "exscan": lambda: Case(own, None, {}, data[:rank].sum(0) if rank else None),
    }[collective]()
