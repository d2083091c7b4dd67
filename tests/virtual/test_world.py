"""A virtual world beyond collectives."""

import numpy as np
import pytest
from suite_world import *  # noqa: F403

from mpitrain import virtual
from mpitrain.virtual import Fault, Network, RankFailed

RANKS = (1, 2, 3, 5, 8, 16)


@pytest.mark.parametrize("progress", ["thread", "layers", "none"])
def test_an_error_is_that_of_the_work_that_met_it(monkeypatch, progress):
    """Ranks 0 and 1 exchange a message while a work of theirs waits in vain for rank 2."""
    monkeypatch.setenv("MPITRAIN_PROGRESS", progress)

    def program(world):
        if world.rank == 2:
            world.compute(5)
        work = world.start_allreduce(np.ones(3), algorithm="direct")
        world.compute(2)
        if world.rank == 0:
            world.send(np.full(3, 7.0), 1)
        got = world.recv(np.empty(3), 0) if world.rank == 1 else None
        with pytest.raises(RankFailed, match=r"^rank 2 crashed at 1 s: recv of 8 bytes from rank 2 will never end$"):
            work.wait()
        return None if got is None else got.tolist()

    network = Network.flat(1e-6, 1e-9, 0, faults=(Fault("crash", 2, at=1),))
    assert virtual.run(program, 3, network).results == [None, [7.0] * 3, None]


def test_a_network_may_cost_nothing():
    found = virtual.run(lambda world: world.allreduce(np.ones(3)).tolist(), 4, Network.flat(0, 0, 0))
    assert (found.results, found.seconds) == ([[4.0] * 3] * 4, 0)
