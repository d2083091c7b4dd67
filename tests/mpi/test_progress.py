"""Works move on whatever their ranks wait for, and plans and works refuse what they cannot do."""

import numpy as np
import pytest
from mpi4py import MPI

from mpitrain.collectives.catalogue import LIBRARY
from mpitrain.engines.mpi import MPIWorld

pytestmark = pytest.mark.mpi

LONG = 200_000  # elements: beyond every eager limit, so that each step needs both partners


def exchange(world):
    right, left = (world.rank + 1) % world.size, (world.rank - 1) % world.size
    sending = world.start_send(np.ones(3), right)
    world.recv(np.empty(3), left)
    sending.wait()


BETWEEN = {
    "barrier": lambda world: world.barrier(),
    "messages": exchange,
    "the library's call": lambda world: world.allreduce(np.ones(3), algorithm=LIBRARY),
    "split": lambda world: world.split(0).close(),
}


@pytest.mark.parametrize("between", BETWEEN)
def test_a_work_moves_on_while_its_rank_waits_in_another_call(world, between):
    """Rank 0 makes the other call first and waits then; the others wait first: MPI's own Iallreduce allows it."""
    work = world.start_allreduce(np.ones(LONG), algorithm="ring")
    if world.rank != 0:
        work.wait()
    BETWEEN[between](world)
    assert (work.wait() == world.size).all()


def test_close_waits_for_what_is_under_way():
    world = MPIWorld(MPI.COMM_WORLD)
    work = world.start_allreduce(data := np.ones(LONG), algorithm="ring")
    if world.rank != 0:
        work.wait()
    size = world.size
    world.close()
    assert (data == size).all()
    with pytest.raises(ValueError, match=r"this world is closed: expected calls before close\(\) only"):
        world.allreduce(np.ones(3))
    with pytest.raises(ValueError, match="this world is closed"):
        world.barrier()


def test_a_plan_runs_once_at_a_time(monkeypatch):
    monkeypatch.setenv("MPITRAIN_CHECK", "0")  # the works of some ranks are done and those of others are not
    world = MPIWorld(MPI.COMM_WORLD)
    plan = world.plan("allreduce", np.ones(LONG), algorithm="ring")
    work = plan.start()
    if not work.done:
        with pytest.raises(ValueError, match="this plan of allreduce is under way: wait for it before it starts again"):
            plan.start()
        with pytest.raises(ValueError, match="this plan of allreduce is under way: wait for it before it is freed"):
            plan.free()
    work.wait()
    plan.free()
    world.close()


def test_closing_a_world_frees_its_plans():
    world = MPIWorld(MPI.COMM_WORLD)
    plan = world.plan("allreduce", np.ones(3))
    world.close()
    with pytest.raises(ValueError, match="this plan of allreduce was freed and cannot run again"):
        plan.run()
    plan.free()


def test_an_operation_that_raises_harms_no_other_call(world):
    def broken(left, right):
        raise ArithmeticError("no such sum")

    if world.size > 1:
        with pytest.raises(ArithmeticError, match="no such sum"):
            world.reduce_scatter(np.ones(2 * world.size), broken, algorithm="direct")
        assert (world.allreduce(np.ones(3)) == world.size).all()
