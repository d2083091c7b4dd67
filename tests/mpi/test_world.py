"""A world of real ranks beyond collectives: places, messages, splitting, plans, events."""

import numpy as np
import pytest
from mpi4py import MPI

from mpitrain.engines.cores import cores_of_rank
from mpitrain.engines.mpi import MPIWorld
from mpitrain.event import Operation

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


def test_messages_go_round_in_a_ring(world):
    right, left = (world.rank + 1) % world.size, (world.rank - 1) % world.size
    for count in (0, 1, 100_000):
        sending = world.start_send(np.full(count, float(world.rank)), right, tag=count)
        got = world.recv(np.empty(count), left, tag=count)
        sending.wait()
        assert (got == left).all()


def test_probe_sees_a_message_before_it_is_received(world):
    if world.rank == 0 and world.size > 1:
        world.send(np.arange(3.0), 1, tag=5)
    world.barrier()
    if world.rank == 1:
        while (found := world.probe()) is None:
            pass
        assert found == (0, 5, 24)
        assert world.probe(peer=0, tag=6) is None
        assert world.recv(np.empty(3), 0, tag=5).tolist() == [0, 1, 2]


def test_split_by_parity_backwards(world):
    part = world.split(world.rank % 2, key=-world.rank)
    members = [rank for rank in range(world.size) if rank % 2 == world.rank % 2]
    assert (part.rank, part.size) == (members[::-1].index(world.rank), len(members))
    assert part.allreduce(np.array([world.rank]))[0] == sum(members)
    part.close()
    alone = world.split(None if world.rank else 0)
    assert (alone is None) == (world.rank != 0)


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


def test_a_freed_plan_refuses(world):
    plan = world.plan("allreduce", np.ones(3))
    plan.free()
    with pytest.raises(ValueError, match="this plan of allreduce was freed and cannot run again"):
        plan.run()


def test_the_event_tells_what_was_called_and_when(world):
    before = world.now()
    work = world.start_allreduce(np.ones(10, np.float32), "max", algorithm="ring")
    work.wait()
    event = work.event
    assert event.operation == Operation("allreduce", "ring", world.engine, "max", "float32", 10, 40)
    assert before <= event.begun <= event.ended <= world.now()
    assert event.awaited is None or event.begun <= event.awaited <= event.ended


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
    import os

    assert cores_of_rank(world) >= 1
    if len(os.sched_getaffinity(0)) == os.cpu_count():
        assert cores_of_rank(world) == max(1, os.cpu_count() // world.size)


def test_all_ranks_read_one_clock(world):
    """Between two barriers every rank's clock reads later than each rank's before, and earlier than each's after."""
    before = np.zeros(world.size)
    before[world.rank] = world.now()
    world.barrier()
    middle = world.now()
    world.barrier()
    after = np.zeros(world.size)
    after[world.rank] = world.now()
    assert world.allreduce(before).max() <= middle <= world.allreduce(after).min()


def test_background_work(world):
    assert world.background(lambda: 6 * 7).wait() == 42
    with pytest.raises(ZeroDivisionError):
        world.background(lambda: 1 / 0).wait()


def test_closing_twice_is_harmless():
    other = MPIWorld(MPI.COMM_WORLD)
    other.plan("allreduce", np.ones(3)).run()
    other.close()
    other.close()
