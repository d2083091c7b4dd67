"""A world of real ranks beyond collectives; and beside the caller's own communicator, and of processes."""

import os

import numpy as np
import pytest
from mpi4py import MPI
from suite_world import *  # noqa: F403

from mpitrain.engines.cores import cores_of_rank
from mpitrain.engines.mpi import MPIWorld

pytestmark = pytest.mark.mpi


def test_rank_and_size_are_those_of_mpi(world):
    assert (world.rank, world.size) == (MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size)
    assert (world.node, world.node_rank, world.node_size) == (0, world.rank, world.size)


def test_pretended_nodes(world, monkeypatch):
    monkeypatch.setenv("MPITRAIN_RANKS_PER_NODE", "2")
    pretended = MPIWorld(MPI.COMM_WORLD)
    assert (pretended.node, pretended.node_rank) == divmod(world.rank, 2)
    assert pretended.node_size == min(2, world.size - 2 * pretended.node)
    pretended.close()


def test_a_world_leaves_the_callers_communicator_alone(world):
    """The same tags on the caller's own communicator get the caller's messages, not ours."""
    comm = MPI.COMM_WORLD
    right, left = (world.rank + 1) % world.size, (world.rank - 1) % world.size
    request = comm.Isend(np.array([7.0 + world.rank]), right, 0)
    assert world.allreduce(np.ones(1))[0] == world.size
    got = np.empty(1)
    comm.Recv(got, left, 0)
    request.Wait()
    assert got[0] == 7.0 + left


def test_an_observer_hears_of_every_collective_as_it_ends():
    world, heard = MPIWorld(MPI.COMM_WORLD), []
    world.observe(heard.append)
    world.allreduce(np.ones(3), algorithm="ring")
    world.bcast(np.ones(4, np.float32), algorithm="library")
    world.start_exscan(np.ones(5), algorithm="recursive_doubling").wait()
    plan = world.plan("allreduce", np.ones(6), algorithm="direct")
    plan.run()
    plan.run()
    assert [(e.operation.collective, e.operation.algorithm, e.operation.nbytes) for e in heard] == [
        ("allreduce", "ring", 24), ("bcast", "library", 16), ("exscan", "recursive_doubling", 40),
        ("allreduce", "direct", 48), ("allreduce", "direct", 48),
    ]  # fmt: skip
    times = [time for event in heard for time in (event.begun, event.ended)]
    assert times == sorted(times)
    world.close()


def test_cores_are_divided_among_ranks(world):
    assert cores_of_rank(world) >= 1
    if len(os.sched_getaffinity(0)) == os.cpu_count():
        assert cores_of_rank(world) == max(1, os.cpu_count() // world.size)


def test_closing_twice_is_harmless():
    other = MPIWorld(MPI.COMM_WORLD)
    other.plan("allreduce", np.ones(3)).run()
    other.close()
    other.close()
