"""Every algorithm on many ranks against NumPy, for counts around the number of ranks, in all ways to call it."""

import time

import ml_dtypes
import numpy as np
import pytest
from cases import CALLED, THE_LIBRARY, algorithms, assert_same, case, contributions

from mpitrain.collectives.catalogue import CATALOGUE, LIBRARY
from mpitrain.collectives.kinds import KINDS
from mpitrain.collectives.schedule import ScheduleError

COLLECTIVES = [c for c in KINDS if c not in ("barrier", "gossip")]
COMPARED = [
    *CALLED,
    *((collective, "auto") for collective in COLLECTIVES),
    *(pytest.param(collective, *THE_LIBRARY.values, marks=THE_LIBRARY.marks) for collective in COLLECTIVES),
]


def counts(size):
    return (0, 1, size - 1, size + 1, 4 * size, 1003)


@pytest.mark.parametrize(("collective", "algorithm"), COMPARED)
def test_against_numpy(world, collective, algorithm):
    """By a call, a started call, and a plan that runs twice."""
    root = world.size - 1
    equal_blocks = algorithm in CATALOGUE.get(collective, {}) and CATALOGUE[collective][algorithm].equal_blocks
    for count in counts(world.size):
        data = contributions(world.size, count)
        given, room, arguments, wanted = case(collective, data, world.rank, root, equal_blocks)
        buffer = None if given is None else given.copy()
        into = {} if room is None else {"received": np.full(room, -7.0)}
        plan = world.plan(collective, buffer, algorithm=algorithm, **into, **arguments)
        call, start = getattr(world, collective), getattr(world, f"start_{collective}")
        for run in (
            lambda: call(buffer, algorithm=algorithm, **into, **arguments),  # noqa: B023
            lambda: start(buffer, algorithm=algorithm, **into, **arguments).wait(),  # noqa: B023
            plan.run,
            lambda: plan.start().wait(),  # noqa: B023
        ):
            if given is not None:
                buffer[:] = given
            for received in into.values():
                received[:] = -7
            got = run()
            if wanted is not None:
                assert_same(got, wanted)
            elif collective in ("reduce", "gather"):
                assert got is None
                assert_same(buffer, given)
        plan.free()


@pytest.mark.parametrize("collective", ["gather", "scatter"])
def test_the_root_s_own_block_may_stand_in_its_place(world, collective):
    root = world.size - 1
    for algorithm in algorithms(world, collective):
        everything = np.repeat(np.arange(world.size) * 1.0, 2)
        own = everything[2 * world.rank : 2 * world.rank + 2]
        if collective == "gather":
            whole = np.where(np.arange(2 * world.size) // 2 == world.rank, everything, -1.0)
            sent = whole[2 * world.rank : 2 * world.rank + 2] if world.rank == root else own
            got = world.gather(sent, whole if world.rank == root else None, root=root, algorithm=algorithm)
            assert_same(got, everything if world.rank == root else None)
        else:
            received = own if world.rank == root else np.zeros(2)
            world.scatter(everything if world.rank == root else None, received, root=root, algorithm=algorithm)
            assert_same(received, np.full(2, world.rank))


@pytest.mark.parametrize("algorithm", [*CATALOGUE.get("barrier", {}), THE_LIBRARY, "auto"])
def test_nobody_leaves_a_barrier_before_all_have_come(world, algorithm):
    """Each rank in turn comes late. All read one clock."""
    plan = world.plan("barrier", None, algorithm=algorithm)
    for late in range(world.size):
        for barrier in (
            lambda: world.barrier(algorithm=algorithm),
            lambda: world.start_barrier(algorithm=algorithm).wait(),
            plan.run,
        ):
            if world.rank == late:
                world.compute(0.002)
                time.sleep(0.0 if world.engine == "virtual" else 0.002)
            came = world.now()
            barrier()
            left = world.now()
            last_came, first_left = np.array([came]), np.array([-left])
            world.allreduce(last_came, "max", algorithm="direct")
            world.allreduce(first_left, "max", algorithm="direct")
            assert -first_left[0] >= last_came[0]
    plan.free()


@pytest.mark.parametrize("algorithm", CATALOGUE["allreduce"])
def test_long_messages_cannot_deadlock(world, algorithm):
    """Beyond every eager limit a send returns only when its receive is there."""
    data = np.full(1 << (12 if world.engine == "virtual" else 19), world.rank + 1.0)
    total = world.size * (world.size + 1) / 2
    assert (world.allreduce(data, algorithm=algorithm) == total).all()


@pytest.mark.parametrize("collective", ["reduce_scatter", "allgather"])
def test_given_counts(world, collective):
    blocks = [(3 * rank) % 4 for rank in range(world.size)]
    starts = np.cumsum([0, *blocks])
    mine = slice(starts[world.rank], starts[world.rank + 1])
    for algorithm in algorithms(world, collective):
        if collective == "allgather":
            buffer = np.full(sum(blocks), -1.0)
            buffer[mine] = world.rank
            got = world.allgather(buffer, blocks, algorithm=algorithm)
            assert_same(got, np.repeat(np.arange(world.size), blocks))
        else:
            buffer = np.arange(sum(blocks)) + 100.0 * world.rank
            got = world.reduce_scatter(buffer, counts=blocks, algorithm=algorithm)
            total = np.arange(sum(blocks)) * world.size + 100.0 * sum(range(world.size))
            assert_same(got, total[mine])


@pytest.mark.parametrize("algorithm", [*CATALOGUE["alltoall"], THE_LIBRARY, "auto"])
def test_alltoall_of_blocks_that_all_differ(world, algorithm):
    size, rank = world.size, world.rank
    lengths = [[(3 * source + 5 * target) % 4 for target in range(size)] for source in range(size)]
    sent = np.concatenate([np.full(lengths[rank][target], 100 * rank + target) for target in range(size)])
    wanted = np.concatenate([np.full(lengths[source][rank], 100 * source + rank) for source in range(size)])
    arguments = {"counts": lengths[rank], "received_counts": [lengths[source][rank] for source in range(size)]}
    if algorithm in CATALOGUE["alltoall"] and CATALOGUE["alltoall"][algorithm].equal_blocks:
        with pytest.raises(ScheduleError, match="moves equal blocks only: expected no counts"):
            world.alltoall(sent, algorithm=algorithm, **arguments)
        return
    assert_same(world.alltoall(sent, algorithm=algorithm, **arguments), wanted)
    into = np.zeros_like(wanted)
    assert world.start_alltoall(sent, into, algorithm=algorithm, **arguments).wait() is into
    assert_same(into, wanted)


def test_where_a_result_arrives(world):
    """In what the caller brings, or in new memory; at the root only where there is one."""
    sent, into = np.arange(world.size) + 10.0 * world.rank, np.zeros(world.size)
    assert world.alltoall(sent, into) is into
    assert_same(world.alltoall(sent), into)
    gathered = world.gather(sent[:1], root=0)
    assert gathered is None if world.rank else gathered.tolist() == [10.0 * r for r in range(world.size)]
    assert world.scatter(sent if world.rank == 0 else None, into[:1]).tolist() == [world.rank]


def test_shapes_are_kept(world):
    assert world.allreduce(np.ones((3, 4))).shape == (3, 4)
    assert world.allreduce(memoryview(bytearray(5))).shape == (5,)


def test_works_may_be_awaited_in_any_order(world):
    """Rank r waits for work r first: nobody gets on unless waiting for one moves the others too."""
    works = [world.start_allreduce(np.full(1 << 15, 10.0**i), algorithm="ring") for i in range(4)]
    plans = [world.plan("allreduce", np.full(1003, 10.0**i), algorithm="direct") for i in range(4)]
    works += [plan.start() for plan in plans]
    for i in range(8):
        turn = (i + world.rank) % 8
        assert (works[turn].wait() == world.size * 10.0 ** (turn % 4)).all()
    for plan in plans:
        plan.free()


def test_an_operation_that_does_not_commute_keeps_rank_order(world):
    def last(left, right):
        return right

    for collective, family in (("allreduce", CATALOGUE["allreduce"]), ("reduce", CATALOGUE["reduce"])):
        for name, algorithm in family.items():
            buffer = np.full(13, float(world.rank))
            if not algorithm.ordered:
                with pytest.raises(ScheduleError, match="does not keep rank order, which op 'last' needs"):
                    getattr(world, collective)(buffer, last, algorithm=name)
                continue
            got = getattr(world, collective)(buffer, last, algorithm=name)
            assert got is None or (got == world.size - 1).all()
    got = world.exscan(np.full(13, float(world.rank)), last)
    assert world.rank == 0 or (got == world.rank - 1).all()


@pytest.mark.parametrize("op", ["sum", "prod", "min", "max", "mean"])
def test_operations(world, op):
    data = np.random.default_rng(1).integers(1, 4, (world.size, 5)).astype(np.float64)
    wanted = getattr(np, op)(data, axis=0)
    for algorithm in algorithms(world, "allreduce"):
        np.testing.assert_allclose(
            world.allreduce(data[world.rank].copy(), op, algorithm=algorithm), wanted, rtol=1e-15
        )


NUMBERS = [
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_number_types(world, dtype):
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    for algorithm in CATALOGUE["allreduce"]:
        got = world.allreduce(np.arange(9).astype(kind), algorithm=algorithm)
        assert got.dtype == np.dtype(kind)
        assert_same(got.astype(complex), np.arange(9) * world.size)


@pytest.mark.mpi
def test_the_library_refuses_what_it_cannot_do(world):
    with pytest.raises(ScheduleError, match="the MPI library cannot reduce float16: choose one of our algorithms"):
        world.allreduce(np.ones(3, np.float16), algorithm=LIBRARY)
    with pytest.raises(ScheduleError, match="does not know the operation 'hypot' given: expected one of sum, mean"):
        world.allreduce(np.ones(3), np.hypot, algorithm=LIBRARY)


def test_an_operation_is_what_it_does_and_not_its_name(world):
    def sum(left, right):
        return np.maximum(left, right)

    if LIBRARY in algorithms(world, "allreduce"):
        with pytest.raises(ScheduleError, match="the MPI library does not know the operation 'sum' given"):
            world.allreduce(np.ones(3), sum, algorithm=LIBRARY)
    assert (world.allreduce(np.full(3, float(world.rank)), sum, algorithm="direct") == world.size - 1).all()


def test_gossip_keeps_the_mean(world):
    data = np.array([float(world.rank), 1.0], np.float32)
    got = world.plan("gossip", data, algorithm="one_peer_exponential").run()
    total = world.allreduce(got.copy())
    np.testing.assert_allclose(total, [sum(range(world.size)), world.size], rtol=1e-6)
    if world.size & (world.size - 1) == 0:
        np.testing.assert_allclose(got, [(world.size - 1) / 2, 1.0])
    if world.size > 1:
        with pytest.raises(TypeError, match="a program with weights needs floats: found int64"):
            world.plan("gossip", np.ones(3, int), algorithm="one_peer_exponential")
