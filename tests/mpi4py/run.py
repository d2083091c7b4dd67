"""mpi4py's own tests of collectives, with our communicator in the place of COMM_WORLD and COMM_SELF.

    mpirun -n 3 python tests/mpi4py/run.py FOLDER      the folder `test` of mpi4py's source distribution

First all of them by `auto`. Then those of each collective by each of its algorithms, where it serves: it must exist for
this number of ranks, move blocks that differ if the counts do, and in nonblocking v-forms do with what a rank knows by
itself. So much is known beforehand; everything else must pass. Collectives take turns, each with its next algorithm.
The first failure, on any rank, ends the launch.
"""

import sys
import time
import unittest
from collections.abc import Iterator
from itertools import zip_longest

from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.kinds import KINDS
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.communicator import Communicator
from mpitrain.communicator.own_counts import own_counts_suffice
from mpitrain.engines.start import MPI

WORLD, SELF = MPI.COMM_WORLD, MPI.COMM_SELF

COLLECTIVES = (
    "test_cco_buf",
    "test_cco_vec",
    "test_cco_nb_buf",
    "test_cco_nb_vec",
    "test_cco_pr_buf",
    "test_cco_pr_vec",
)
OTHERS = ("test_cco_obj", "test_comm", "test_msgspec")

NOT_OURS = ("testPickle",)  # of MPI's own COMM_WORLD and COMM_SELF, which are not to be found in their places

NAMES = {
    "Barrier": "barrier", "Bcast": "bcast", "Gather": "gather", "Scatter": "scatter", "Allgather": "allgather",
    "Alltoall": "alltoall", "ReduceScatter": "reduce_scatter", "Reduce": "reduce", "Allreduce": "allreduce",
    "Scan": "scan", "Exscan": "exscan",
}  # fmt: skip
"""What the names of mpi4py's tests begin with, and the collective that they test."""

TYPES = "hfD"
"""Characters of NumPy's types with which algorithms are tested, and `auto` on more ranks than two."""

ENGINES = {1: ("mpi",), 2: ("mpi",), 5: ("shared",)}
"""Both on other numbers of ranks."""


def main(folder: str) -> None:
    sys.path.insert(0, folder)
    MPI.COMM_WORLD, MPI.COMM_SELF = Communicator(WORLD), Communicator(SELF)
    every = {name: tests_of(unittest.defaultTestLoader.loadTestsFromName(name)) for name in (*COLLECTIVES, *OTHERS)}
    import arrayimpl

    if WORLD.size > 2:
        arrayimpl.ArrayBackends[:] = [arrayimpl.ArrayNumPy, arrayimpl.ArrayArray]
        for backend in arrayimpl.ArrayBackends:
            backend.TypeMap = few(backend.TypeMap)
    for name, tests in every.items():
        run(f"auto: {name}", [test for test in tests if WORLD.size == 1 or "World" in type(test).__name__])
    arrayimpl.ArrayBackends[:] = [arrayimpl.ArrayNumPy]
    arrayimpl.ArrayNumPy.TypeMap = few(arrayimpl.ArrayNumPy.TypeMap)
    mine = [test for name in COLLECTIVES for test in every[name] if type(test).__name__.endswith("World")]
    for engine in ENGINES.get(WORLD.size, ("shared", "mpi")):
        for algorithms in in_turns():
            served = [test for test in mine if serves(test, algorithms, engine)]
            comm = Communicator(WORLD, algorithms, engine)
            for test in served:
                type(test).COMM = comm
            run(f"{engine}: {', '.join(f'{c} {name}' for c, name in algorithms.items())}", served)
            comm.calls.close()


def in_turns() -> Iterator[dict[str, str]]:
    """An algorithm for each collective, then the next one for each that has more, and so on."""
    collectives = [name for name, kind in KINDS.items() if kind.in_mpi]
    for names in zip_longest(*(CATALOGUE.get(collective, {}) for collective in collectives)):
        yield {collective: name for collective, name in zip(collectives, names, strict=True) if name is not None}


def few(types: dict) -> dict:
    return {code: datatype for code, datatype in types.items() if code in TYPES}


def run(what: str, tests: list[unittest.TestCase]) -> None:
    begun = time.perf_counter()
    for test in tests:
        result = unittest.TestResult()
        test.run(result)
        for _, text in (*result.failures, *result.errors):
            print(f"rank {WORLD.rank} of {WORLD.size}, {what}, {test.id()}\n{text}", file=sys.stderr, flush=True)
            time.sleep(0.2)
            WORLD.Abort(1)
    WORLD.Barrier()
    if WORLD.rank == 0:
        print(f"{len(tests):4} tests in {time.perf_counter() - begun:5.1f} s, {what}", flush=True)


def tests_of(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    found = []
    for test in suite:
        found += tests_of(test) if isinstance(test, unittest.TestSuite) else [test]
    return [test for test in found if test.id().rpartition(".")[2] not in NOT_OURS]


def collective_of(name: str) -> str | None:
    """What a test of that name is about, of what our algorithms do."""
    if name.startswith(("testAlltoallw", "testReduceLocal")):
        return None
    return NAMES[max((begin for begin in NAMES if name.startswith(f"test{begin}")), key=len)]


def serves(test: unittest.TestCase, algorithms: dict[str, str], engine: str) -> bool:
    """Whether the algorithm of the collective that a test is about can do what it calls."""
    *_, name = test.id().rsplit(".", 2)
    collective = collective_of(name)
    if collective not in algorithms:
        return False
    algorithm = CATALOGUE[collective][algorithms[collective]]
    try:
        algorithm.schedules(WORLD.size)
    except ScheduleError:
        return False
    if algorithm.equal_blocks and name.rstrip("0123456789").endswith(("v", "ReduceScatter")):
        return False
    if type(test).__module__ != "test_cco_nb_vec" or collective == "allgather":
        return True
    roots = range(WORLD.size) if algorithm.rooted else [0]
    return engine == "mpi" and all(own_counts_suffice(algorithm, WORLD.rank, WORLD.size, root) for root in roots)


if __name__ == "__main__":
    main(sys.argv[1])
