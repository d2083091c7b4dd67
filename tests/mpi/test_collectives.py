"""Every algorithm on real ranks against NumPy, for counts around the number of ranks, in all ways to call it."""

import time

import ml_dtypes
import numpy as np
import pytest

from mpitrain.collectives.catalogue import CATALOGUE, LIBRARY
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.layout import even_cuts

pytestmark = pytest.mark.mpi


@pytest.fixture
def world(one_engine):
    return one_engine


IN_PLACE = ("allreduce", "reduce", "bcast", "reduce_scatter", "allgather", "scan", "exscan")
CASES = [(c, name) for c in IN_PLACE for name in (*CATALOGUE.get(c, {}), LIBRARY, "auto")]


def counts(size):
    return (0, 1, size - 1, size + 1, 4 * size, 1003)


def contributions(size, count, dtype=np.float64):
    """Every rank's data: whole numbers, whose sums are exact in any order."""
    return np.random.default_rng(count).integers(-50, 50, (size, count)).astype(dtype)


def given(collective, data, rank, root):
    """What a rank passes in."""
    size, count = data.shape
    buffer = data[rank].copy()
    cuts = even_cuts(count, size)
    if collective == "allgather":
        buffer[:] = -99
        buffer[cuts[rank] : cuts[rank + 1]] = data[0, cuts[rank] : cuts[rank + 1]]
    if collective == "bcast" and rank != root:
        buffer[:] = -99
    return buffer


def expected(collective, data, rank, root):
    """What it must get; None: nothing is promised."""
    size, count = data.shape
    cuts = even_cuts(count, size)
    return {
        "allreduce": lambda: data.sum(0),
        "reduce": lambda: data.sum(0) if rank == root else None,
        "bcast": lambda: data[root],
        "reduce_scatter": lambda: data.sum(0)[cuts[rank] : cuts[rank + 1]],
        "allgather": lambda: data[0],
        "scan": lambda: data[: rank + 1].sum(0),
        "exscan": lambda: data[:rank].sum(0) if rank else None,
    }[collective]()


@pytest.mark.parametrize(("collective", "algorithm"), CASES)
def test_against_numpy(world, collective, algorithm):
    root = world.size - 1
    rooted = {"root": root} if collective in ("reduce", "bcast") else {}
    for count in counts(world.size):
        data = contributions(world.size, count)
        wanted = expected(collective, data, world.rank, root)

        def check(got, wanted=wanted):
            if wanted is not None:
                np.testing.assert_array_equal(got, wanted)
            elif collective == "reduce":
                assert got is None

        call = getattr(world, collective)
        check(call(given(collective, data, world.rank, root), algorithm=algorithm, **rooted))
        start = getattr(world, f"start_{collective}")
        check(start(given(collective, data, world.rank, root), algorithm=algorithm, **rooted).wait())
        buffer = given(collective, data, world.rank, root)
        plan = world.plan(collective, buffer, algorithm=algorithm, **rooted)
        for _ in range(2):
            buffer[:] = given(collective, data, world.rank, root)
            check(plan.run())
        plan.free()


MOVING = [(c, name) for c in ("gather", "scatter", "alltoall") for name in (*CATALOGUE.get(c, {}), LIBRARY, "auto")]


def blocks_of(size, uneven):
    """A block for each pair (from, to) of ranks: a number that tells which, as often as it is long."""
    lengths = [[(3 * source + 5 * target) % 4 if uneven else 3 for target in range(size)] for source in range(size)]
    blocks = [[np.full(lengths[s][t], 100.0 * s + t) for t in range(size)] for s in range(size)]
    return lengths, blocks


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize(("collective", "algorithm"), MOVING)
def test_blocks_that_move(world, collective, algorithm, uneven):
    size, rank, root = world.size, world.rank, world.size // 2
    lengths, blocks = blocks_of(size, uneven)
    own = blocks[rank]
    if collective == "gather":
        sent, wanted = own[root], np.concatenate([blocks[source][root] for source in range(size)])
        arguments = {"root": root, "counts": [lengths[source][root] for source in range(size)]}
        wanted = wanted if rank == root else None
    elif collective == "scatter":
        sent, wanted = np.concatenate(blocks[root]) if rank == root else None, blocks[root][rank]
        arguments = {"root": root, "counts": lengths[root]}
    else:
        sent, wanted = np.concatenate(own), np.concatenate([blocks[source][rank] for source in range(size)])
        arguments = {"counts": lengths[rank], "received_counts": [lengths[source][rank] for source in range(size)]}
        if uneven and algorithm in CATALOGUE[collective] and CATALOGUE[collective][algorithm].equal_blocks:
            with pytest.raises(ScheduleError, match="moves equal blocks only: expected no counts"):
                world.alltoall(sent, algorithm=algorithm, **arguments)
            return
    if not uneven:
        arguments = {"root": root} if "root" in arguments else {}
    received = None if wanted is None else np.zeros_like(wanted)
    calls = [
        getattr(world, collective)(sent, received, algorithm=algorithm, **arguments),
        getattr(world, f"start_{collective}")(sent, received, algorithm=algorithm, **arguments).wait(),
    ]
    plan = world.plan(collective, sent, received=received, algorithm=algorithm, **arguments)
    calls += [plan.run(), plan.start().wait()]
    plan.free()
    for got in calls:
        assert (got is received) if wanted is not None else got is None
        np.testing.assert_array_equal(received, wanted)
    if collective != "scatter":
        np.testing.assert_array_equal(getattr(world, collective)(sent, algorithm=algorithm, **arguments), wanted)


@pytest.mark.parametrize("collective", ["gather", "scatter"])
def test_the_root_s_own_block_may_stand_in_its_place(world, collective):
    root = world.size - 1
    for algorithm in (*CATALOGUE.get(collective, {}), LIBRARY):
        everything = np.repeat(np.arange(world.size) * 1.0, 2)
        own = everything[2 * world.rank : 2 * world.rank + 2]
        if collective == "gather":
            whole = np.where(np.arange(2 * world.size) // 2 == world.rank, everything, -1.0)
            sent = whole[2 * world.rank : 2 * world.rank + 2] if world.rank == root else own
            got = world.gather(sent, whole if world.rank == root else None, root=root, algorithm=algorithm)
            np.testing.assert_array_equal(got, everything if world.rank == root else None)
        else:
            received = own if world.rank == root else np.zeros(2)
            world.scatter(everything if world.rank == root else None, received, root=root, algorithm=algorithm)
            np.testing.assert_array_equal(received, np.full(2, world.rank))


@pytest.mark.parametrize("algorithm", [*CATALOGUE.get("barrier", {}), LIBRARY, "auto"])
def test_nobody_leaves_a_barrier_before_all_have_come(world, algorithm):
    """Each rank in turn comes late. Processes of one host share the clock."""
    plan = world.plan("barrier", None, algorithm=algorithm)
    for late in range(world.size):
        for barrier in (
            lambda: world.barrier(algorithm=algorithm),
            lambda: world.start_barrier(algorithm=algorithm).wait(),
            plan.run,
        ):
            came = time.perf_counter()
            if world.rank == late:
                time.sleep(0.002)
                came = time.perf_counter()
            barrier()
            left = time.perf_counter()
            last_came, first_left = np.array([came]), np.array([-left])
            world.allreduce(last_came, "max", algorithm=LIBRARY)
            world.allreduce(first_left, "max", algorithm=LIBRARY)
            assert -first_left[0] >= last_came[0]
    plan.free()


@pytest.mark.parametrize("algorithm", CATALOGUE["allreduce"])
def test_long_messages_cannot_deadlock(world, algorithm):
    """Beyond every eager limit a send returns only when its receive is there."""
    data = np.full(1 << 19, world.rank + 1.0)
    total = world.size * (world.size + 1) / 2
    assert (world.allreduce(data, algorithm=algorithm) == total).all()


@pytest.mark.parametrize("collective", ["reduce_scatter", "allgather"])
def test_given_counts(world, collective):
    blocks = [(3 * rank) % 4 for rank in range(world.size)]
    starts = np.cumsum([0, *blocks])
    mine = slice(starts[world.rank], starts[world.rank + 1])
    for algorithm in (*CATALOGUE[collective], LIBRARY):
        if collective == "allgather":
            buffer = np.full(sum(blocks), -1.0)
            buffer[mine] = world.rank
            got = world.allgather(buffer, blocks, algorithm=algorithm)
            np.testing.assert_array_equal(got, np.repeat(np.arange(world.size), blocks))
        else:
            buffer = np.arange(sum(blocks)) + 100.0 * world.rank
            got = world.reduce_scatter(buffer, counts=blocks, algorithm=algorithm)
            total = np.arange(sum(blocks)) * world.size + 100.0 * sum(range(world.size))
            np.testing.assert_array_equal(got, total[mine])


def test_reduce_leaves_the_other_buffers_alone(world):
    for algorithm in (*CATALOGUE["reduce"], LIBRARY):
        data = contributions(world.size, 1003)
        buffer = data[world.rank].copy()
        world.reduce(buffer, root=0, algorithm=algorithm)
        np.testing.assert_array_equal(buffer, data.sum(0) if world.rank == 0 else data[world.rank])


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

    for collective, algorithms in (("allreduce", CATALOGUE["allreduce"]), ("reduce", CATALOGUE["reduce"])):
        for name, algorithm in algorithms.items():
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
    for algorithm in (*CATALOGUE["allreduce"], LIBRARY):
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
        np.testing.assert_array_equal(got.astype(complex), np.arange(9) * world.size)


def test_the_library_refuses_what_it_cannot_do(world):
    with pytest.raises(ScheduleError, match="the MPI library cannot reduce float16: choose one of our algorithms"):
        world.allreduce(np.ones(3, np.float16), algorithm=LIBRARY)
    with pytest.raises(ScheduleError, match="does not know the operation 'hypot' given: expected one of sum, mean"):
        world.allreduce(np.ones(3), np.hypot, algorithm=LIBRARY)


def test_an_operation_is_what_it_does_and_not_its_name(world):
    def sum(left, right):
        return np.maximum(left, right)

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
