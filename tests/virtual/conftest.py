"""The suites that tests/mpi runs on real ranks, on virtual ones: plain pytest, one process.

A test that asks for a `world` runs at each size in its file's RANKS, and its body is called once for every rank. What
else it asks for is one and the same for all ranks: they may read it, and write what they all write alike.

What tests/mpi has besides is about what virtual ranks have not: processes and their threads, cores and clocks, a
communicator of the caller's, shared memory (test_shared, test_delays), messages in segments (test_segments), checked
mode (test_check; here a deadlock tells of itself), `Communicator`.
"""

import inspect
from typing import NamedTuple

import pytest
from threadpoolctl import threadpool_limits

from mpitrain import virtual

pytest.register_assert_rewrite(
    *(f"suite_{name}" for name in ("collectives", "parallel", "parameters", "training", "update", "world"))
)

NETWORK = virtual.Network.nodes(
    3, near=(5e-7, 1e-10), far=(3e-6, 1e-9), gamma=5e-11, eager=240, rendezvous=1e-6, name="nodes of three ranks"
)
"""Nodes that are not all full, links that are shared, and messages that wait for their receivers or do not."""


class VirtualRanks(NamedTuple):
    """Stands where a test asks for a world."""

    size: int

    def __str__(self) -> str:
        return f"{self.size} ranks"


def pytest_generate_tests(metafunc):
    sizes = getattr(metafunc.module, "RANKS", ())
    if "world" in metafunc.fixturenames:
        metafunc.parametrize("world", [VirtualRanks(size) for size in sizes], ids=str)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if item.get_closest_marker("mpi"):
        pytest.skip("no MPI library stands behind virtual ranks: its own algorithms are tested on real ones")


def pytest_pyfunc_call(pyfuncitem):
    """True once all ranks have run the test: pytest need not call it then."""
    asked = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    ranks = asked.get("world")
    if not isinstance(ranks, VirtualRanks):
        return None
    virtual.run(lambda world: pyfuncitem.obj(**asked | {"world": world}), ranks.size, NETWORK, seed=ranks.size)
    return True


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread():
    """Virtual ranks come one after the other, and other tests want the other cores."""
    with threadpool_limits(1, user_api="blas"):
        yield
