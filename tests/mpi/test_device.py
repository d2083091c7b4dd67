"""Data on the ranks' devices, by each transport, against NumPy; the devices are emulated."""

from functools import partial

import ml_dtypes
import numpy as np
import pytest
from cases import assert_same, case, contributions

import mpitrain.emulated as xp
from mpitrain.collectives.catalogue import CATALOGUE, LIBRARY
from mpitrain.collectives.kinds import KINDS
from mpitrain.device import find

pytestmark = pytest.mark.mpi

TRANSPORTS = ("nccl", "staged", "cuda_aware")
OF_NCCL = ("allreduce", "reduce_scatter", "allgather", "bcast", "reduce")
COLLECTIVES = [collective for collective in KINDS if collective not in ("barrier", "gossip")]
PIECE = 1000  # bytes: 1003 numbers go in several


@pytest.fixture(scope="module")
def worlds(world):
    """By transport; unchecked, which takes half the time."""
    from mpitrain.engines.transport import reach_devices

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPITRAIN_CHECK", "0")
        made = {name: reach_devices(world, find("emulated"), name, PIECE) for name in TRANSPORTS}
    yield made
    for each in made.values():
        each.close()


def on_device(data):
    return None if data is None else xp.asarray(data)


@pytest.mark.parametrize("collective", COLLECTIVES)
def test_all_algorithms_over_nccl(worlds, collective):
    own = [LIBRARY] if collective in OF_NCCL else []
    for algorithm in (*CATALOGUE[collective], "auto", *own):
        for count in (0, 1, worlds["nccl"].size - 1, worlds["nccl"].size + 1, 1003):
            check_against_numpy(worlds["nccl"], collective, algorithm, count)


@pytest.mark.parametrize("transport", ["staged", "cuda_aware"])
@pytest.mark.parametrize("collective", COLLECTIVES)
def test_other_transports(worlds, transport, collective):
    own = [LIBRARY] if transport == "staged" and collective in OF_NCCL else []
    ring = ["ring"] if "ring" in CATALOGUE[collective] else []
    for algorithm in ("auto", *ring, *own):
        for count in (0, worlds[transport].size + 1, 1003):
            check_against_numpy(worlds[transport], collective, algorithm, count)


def check_against_numpy(world, collective, algorithm, count):
    """By a plan, and for the largest count by a started plan and by a call."""
    root, data = world.size - 1, contributions(world.size, count)
    equal_blocks = algorithm in CATALOGUE[collective] and CATALOGUE[collective][algorithm].equal_blocks
    given, room, arguments, wanted = case(collective, data, world.rank, root, equal_blocks)
    buffer = on_device(given)
    into = {} if room is None else {"received": xp.full(room, -7.0)}
    plan = world.plan(collective, buffer, algorithm=algorithm, **into, **arguments)
    call = partial(getattr(world, collective), buffer, algorithm=algorithm, **into, **arguments)
    for run in (plan.run, lambda: plan.start().wait(), call) if count == 1003 else (plan.run,):
        if given is not None:
            buffer[:] = on_device(given)
        got = run()
        if wanted is not None:
            assert_same(got.get(), wanted)
        elif collective in ("reduce", "gather"):
            assert got is None
            assert_same(buffer.get(), given)
    plan.free()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_types_and_operations(worlds, transport):
    """Numbers so small that no order of combining them rounds, but for the mean, which rounds once."""
    world = worlds[transport]
    operations = {"sum": np.sum, "prod": np.prod, "min": np.min, "max": np.max, "mean": np.mean}
    for kind in map(np.dtype, ("float64", "float32", "float16", ml_dtypes.bfloat16, "int32", "int64")):
        data = np.random.default_rng(world.size).integers(1, 3, (world.size, 11)).astype(kind)
        for op, function in operations.items():
            if op not in ("sum", "prod") and kind.name not in ("float32", "bfloat16"):
                continue
            for algorithm in ("ring", *([LIBRARY] if transport == "nccl" else [])):
                got = world.allreduce(on_device(data[world.rank]), op, algorithm=algorithm)
                assert_same(got.get(), function(data.astype(np.float64), axis=0).astype(kind))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_is_only_moved_may_be_of_any_type(worlds, transport):
    world = worlds[transport]
    for dtype in ("complex64", "int8", "bool"):
        data = np.array([1, 0, 1, 1, 0]).astype(dtype)
        buffer = on_device(data if world.rank == 0 else np.zeros_like(data))
        assert_same(world.bcast(buffer, algorithm="binomial_tree").get(), data)


def test_the_host_waits_for_nothing(worlds):
    """From the start to the wait, whatever the algorithm: no number comes to the host in between."""
    world = worlds["nccl"]
    for algorithm in ("auto", "ring", "double_tree", "direct"):
        plan = world.plan("allreduce", xp.ones(1003), algorithm=algorithm)
        before = xp.synchronisations()
        result = plan.start().wait()
        assert xp.synchronisations() == before
        assert (result.get() == world.size).all()
        plan.free()


def test_any_operation_on_the_host_and_kernels_on_devices(worlds):
    def last(left, right):
        return right

    for algorithm in ("auto", "linear"):
        got = worlds["staged"].allreduce(xp.full(3, float(worlds["staged"].rank)), last, algorithm=algorithm)
        assert got.tolist() == [worlds["staged"].size - 1] * 3
    if worlds["nccl"].size > 1:
        known = "sum, prod, min, max, mean"
        with pytest.raises(TypeError, match=f"^op 'last' on a device: expected one of {known}, which are kernels$"):
            worlds["nccl"].allreduce(xp.ones(3), last)
        with pytest.raises(TypeError, match=r"^reduce on a device: expected one of float64, .*int64; found int8$"):
            worlds["nccl"].allreduce(xp.ones(3, "int8"), algorithm="ring")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_gossip_is_a_mean(worlds, transport):
    world = worlds[transport]
    if world.size & (world.size - 1):
        pytest.skip("one step a bit of the rank: powers of two")
    buffer = on_device(np.full(5, float(world.rank)))
    world.plan("gossip", buffer, algorithm="one_peer_exponential").run()
    assert_same(buffer.get(), np.full(5, (world.size - 1) / 2))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_given_counts(worlds, transport):
    world = worlds[transport]
    blocks = [(3 * rank) % 4 for rank in range(world.size)]
    starts = np.cumsum([0, *blocks])
    mine = slice(starts[world.rank], starts[world.rank + 1])
    for algorithm in ("auto", "ring"):
        buffer = np.full(sum(blocks), -1.0)
        buffer[mine] = world.rank
        got = world.allgather(on_device(buffer), blocks, algorithm=algorithm)
        assert_same(got.get(), np.repeat(np.arange(world.size) * 1.0, blocks))
        buffer = np.arange(sum(blocks)) + 100.0 * world.rank
        got = world.reduce_scatter(on_device(buffer), counts=blocks, algorithm=algorithm)
        assert_same(got.get(), (np.arange(sum(blocks)) * world.size + 100.0 * sum(range(world.size)))[mine])


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_works_may_be_awaited_in_any_order(worlds, transport):
    """Rank r waits for work r first, while its host calls something too."""
    world = worlds[transport]
    plans = [world.plan("allreduce", on_device(np.full(1003, 10.0**i)), algorithm="ring") for i in range(4)]
    works = [plan.start() for plan in plans]
    world.move_on()
    assert world.allreduce(np.full(3, 1.0)).tolist() == [world.size] * 3
    for i in range(4):
        turn = (i + world.rank) % 4
        assert (works[turn].wait().get() == world.size * 10.0**turn).all()
    for plan in plans:
        plan.free()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_records_tell_when(worlds, transport):
    """Once all is done every event has its times, in order, and the observers have heard of it."""
    world, heard = worlds[transport], []
    world.devices.observe(heard.append)
    before = world.now()
    plan = world.plan("allreduce", world.empty(100, "float32"), algorithm="ring")
    works = []
    for _ in range(2):
        works.append(plan.start())
        works[-1].wait()
    world.settle()
    plan.free()
    times = [before, *(time for work in works for time in (work.event.begun, work.event.ended)), world.now()]
    assert times == sorted(times)
    assert [event for event in heard if event.operation.count == 100] == [work.event for work in works]


def test_arrays_of_the_host_go_to_the_host_s_world(worlds):
    world = worlds["nccl"]
    data = np.arange(5.0) + world.rank
    plan = world.plan("allreduce", data, algorithm="ring")
    assert plan.engine in world.host.engines
    assert plan.run() is data
    assert_same(data, np.arange(5.0) * world.size + sum(range(world.size)))
    world.barrier()


def test_nccl_s_stand_in_looks_at_both_sides(worlds):
    """Neighbours that mean different things by a message, and ranks that call different things."""
    from mpitrain.engines.emulated_nccl import NcclError

    world = worlds["nccl"]
    if world.size == 1:
        pytest.skip("one rank means what it says")
    module, comm, _ = world.devices.nccl
    data, left, right = xp.zeros(8), (world.rank - 1) % world.size, (world.rank + 1) % world.size
    for count, kind, received in ((3, "FLOAT64", "3 x float64"), (2, "INT64", "2 x int64")):
        module.groupStart()
        comm.send(data.data.ptr, 2, module.NCCL_FLOAT64, right, 0)
        comm.recv(data.data.ptr, count, getattr(module, f"NCCL_{kind}"), left, 0)
        with pytest.raises(NcclError) as refused:
            module.groupEnd()
        assert str(refused.value) == f"rank {left} sends 2 x float64, rank {world.rank} receives {received}"
    odd = world.rank == world.size - 1
    with pytest.raises(NcclError, match=r"calls broadcast\(., 8, 0\), rank .+ broadcast\(., 8, 0\)$"):
        comm.broadcast(data.data.ptr, data.data.ptr, 3 if odd else 2, module.NCCL_FLOAT64, 0, 0)
    with pytest.raises(NcclError, match=r"rank .+ another call$"):
        if odd:
            comm.broadcast(data.data.ptr, data.data.ptr, 2, module.NCCL_FLOAT64, 0, 0)
        else:
            comm.allReduce(data.data.ptr, data.data.ptr, 2, module.NCCL_FLOAT64, module.NCCL_SUM, 0)


def test_split(worlds):
    """Odd and even ranks apart, each in a world that reaches devices the same way."""
    for world in worlds.values():
        with world.split(world.rank % 2, -world.rank) as part:
            assert part.engine == world.engine
            mine = [rank for rank in range(world.size) if rank % 2 == world.rank % 2]
            assert part.allreduce(xp.full(2, float(world.rank)), algorithm="ring").tolist() == [sum(mine)] * 2
