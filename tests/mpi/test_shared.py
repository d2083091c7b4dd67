"""The engine of one node: buffers in shared memory, elsewhere, or mixed; works in any order; memory that comes back."""

import ml_dtypes
import numpy as np
import pytest
from cases import CALLED, assert_same, case, contributions
from mpi4py import MPI

from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.engines import arena, segments
from mpitrain.engines.layout import even_cuts
from mpitrain.engines.mpi import MPIWorld
from mpitrain.errors import UsageError

pytestmark = pytest.mark.mpi


@pytest.fixture(scope="module")
def shared():
    world = MPIWorld(MPI.COMM_WORLD, engine="shared")
    yield world
    world.close()


COUNTS = {"one": (0, 1, MPI.COMM_WORLD.size - 1, MPI.COMM_WORLD.size + 1, 1003, 20_003), "segments": (1003, 9_003)}


@pytest.fixture(scope="module")
def unchecked():
    """A world whose calls are not compared, which would keep its ranks in step, and room for two buffers in its window.

    Not at the beginning of a cache line.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MPITRAIN_CHECK", "0")
        world = MPIWorld(MPI.COMM_WORLD, engine="shared")
    most = max(COUNTS["one"])
    yield world, world.empty(most + 3, "float64")[2:], world.empty(2 * most + world.size + 3, "float64")[2:]
    world.close()


@pytest.fixture
def lonely(shared):
    """Skips what takes two ranks."""
    if shared.size == 1:
        pytest.skip("takes more than one rank")


@pytest.mark.parametrize("place", ["window", "elsewhere", "mixed"])
@pytest.mark.parametrize("cut", COUNTS)
@pytest.mark.parametrize(("collective", "algorithm"), CALLED)
def test_wherever_buffers_lie(unchecked, collective, algorithm, cut, place, monkeypatch):
    """As a plan, a call and a started call, on counts around the number of ranks and on some tiles."""
    if cut == "segments":
        if collective not in segments.ELEMENTWISE:
            pytest.skip("goes by blocks, which are not cut into segments")
        monkeypatch.setattr(segments, "SEGMENT", 1 << 13)
    world, *rooms = unchecked
    root = world.size // 2
    in_window = place == "window" or (place == "mixed" and world.rank % 2 == 0)
    for count in COUNTS[cut]:
        data = contributions(world.size, count)
        blocks = CATALOGUE[collective][algorithm].equal_blocks
        given, room, arguments, expected = case(collective, data, world.rank, root, blocks)
        lengths = (0 if given is None else given.size, room or 0)
        buffer, into = (w[:n] if in_window else np.empty(n) for w, n in zip(rooms, lengths, strict=True))
        buffer = None if given is None else buffer
        received = {} if room is None else {"received": into}
        plan = world.plan(collective, buffer, algorithm=algorithm, **received, **arguments)
        assert plan.engine == "shared" or world.size == 1
        call, start = getattr(world, collective), getattr(world, f"start_{collective}")
        for run in (
            plan.run,
            lambda: call(buffer, algorithm=algorithm, **received, **arguments),  # noqa: B023
            lambda: start(buffer, algorithm=algorithm, **received, **arguments).wait(),  # noqa: B023
        ):
            for _ in range(2):
                if given is not None:
                    buffer[:] = given
                into[:] = -7
                got = run()
                if expected is not None:
                    assert_same(got, expected)
                elif collective in ("reduce", "gather"):
                    assert got is None
                    assert_same(buffer, given)
        plan.free()


def test_more_calls_may_be_started_than_there_are_lanes(shared):
    works = [shared.start_allreduce(np.full(1003, float(i)), algorithm="ring") for i in range(30)]
    order = works if shared.rank % 2 else works[::-1]
    for work in order:
        work.wait()
    assert [work.wait()[0] for work in works] == [float(i * shared.size) for i in range(30)]


def test_ranks_may_differ_in_what_is_under_way(shared):
    """Some ranks have waited for a work, others have it under way when the next call blocks."""
    for _ in range(20):
        work = shared.start_allreduce(np.ones(1003), algorithm="ring")
        if shared.rank % 2:
            work.wait()
        assert (shared.allreduce(np.ones(5), algorithm="direct") == shared.size).all()
        assert (work.wait() == shared.size).all()


def test_a_blocking_call_moves_on_what_was_started(shared):
    """Rank 0 waits for its work before it calls, and the work needs the others, who are in that call."""
    work = shared.start_allreduce(np.ones(1003), algorithm="ring")
    if shared.rank == 0:
        work.wait()
    world_size = shared.allreduce(np.ones(3), algorithm="recursive_doubling")[0]
    assert world_size == shared.size
    work.wait()


@pytest.mark.usefixtures("lonely")
def test_memory_comes_back():
    """Plans that are freed give their room to later ones, and calls share theirs."""
    world = MPIWorld(MPI.COMM_WORLD, engine="shared")

    def some():
        plans = [world.plan("exscan", np.ones(10_000), algorithm="recursive_doubling") for _ in range(3)]
        for plan in plans:
            plan.run()
            plan.free()
        world.allreduce(np.ones(10_000), algorithm="ring")

    some()
    before = world.empty(1, "uint8")
    for _ in range(5):
        some()
    after = world.empty(1, "uint8")
    positions = [world.shared.arena.position_of(array) for array in (before, after)]
    assert positions[1] - positions[0] == 64
    world.close()


@pytest.mark.usefixtures("lonely")
def test_arrays_outlive_their_world():
    world = MPIWorld(MPI.COMM_WORLD)
    array = world.empty(1000)[10:20]
    array[:] = 7
    world.close()
    assert array.sum() == 70


@pytest.mark.usefixtures("lonely")
def test_memory_that_is_not_there_is_an_error_on_every_rank(shared, monkeypatch):
    world = MPIWorld(MPI.COMM_WORLD)
    world.empty(1)
    monkeypatch.setattr(arena, "room_for_windows", lambda: 3 * 2**20)
    with pytest.raises(UsageError) as refused:
        world.empty(4 * 2**20, "uint8")
    assert str(refused.value) == (
        f"shared memory for {world.size} ranks: expected {4 * world.size}.0 MiB free in /dev/shm, found 3.0; "
        f"enlarge it (containers: --shm-size), or use --engine mpi"
    )
    monkeypatch.undo()
    assert len(world.empty(4 * 2**20, "uint8")) == 4 * 2**20
    world.close()


@pytest.mark.usefixtures("lonely")
def test_a_world_of_several_nodes_does_not_share_memory(shared, monkeypatch):
    monkeypatch.setenv("MPITRAIN_RANKS_PER_NODE", "1")
    world = MPIWorld(MPI.COMM_WORLD)
    assert world.engine == "mpi"
    array = world.empty(1000)
    array[:] = 1
    assert (world.allreduce(array, algorithm="ring") == world.size).all()
    world.close()
    with pytest.raises(UsageError) as refused:
        MPIWorld(MPI.COMM_WORLD, engine="shared")
    assert str(refused.value) == (
        f"engine shared: the {shared.size} ranks are on several nodes: expected one; use engine auto or mpi"
    )


def test_a_part_of_a_world_shares_memory_of_its_own(shared):
    part = shared.split(shared.rank % 2)
    array = part.empty(1003)
    array[:] = 1
    assert (part.allreduce(array, algorithm="direct") == part.size).all()
    part.close()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_add_in_float32_and_round_at_each_reduce(shared, dtype):
    kind = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    data = np.random.default_rng(0).standard_normal((shared.size, 1003)).astype(kind)
    buffer = shared.empty(1003, kind)
    buffer[:] = data[shared.rank]
    shared.allreduce(buffer, algorithm="direct")
    cuts = even_cuts(1003, shared.size)
    for owner in range(shared.size):  # its own value, those to the left from the nearest, then those to the right
        share = slice(cuts[owner], cuts[owner + 1])
        total = data[owner, share]
        for rank in [*reversed(range(owner)), *range(owner + 1, shared.size)]:
            total = (total.astype(np.float32) + data[rank, share].astype(np.float32)).astype(kind)
        assert_same(buffer[share].view(np.uint16), total.view(np.uint16))


def test_auto_takes_shared_memory_for_much_data_and_the_library_for_little():
    world = MPIWorld(MPI.COMM_WORLD)
    if world.size > 1:
        choice = world.explain("allreduce", 1 << 20)
        assert choice[:3] == ("allreduce", "direct", "shared")
        assert choice.elsewhere.algorithm == "library"

        def way(array, collective="allreduce"):
            plan = world.plan(collective, array)
            return plan.algorithm, plan.engine

        assert way(world.empty(1 << 18)) == ("direct", "shared")
        assert way(np.ones(1 << 18, np.float32)) == ("library", "mpi")
        window = world.empty(1 << 18)
        assert way(window if world.rank else np.ones(1 << 18, np.float32)) == ("library", "mpi")
        assert way(np.ones(1 << 16, np.float32)) == ("direct", "shared")
        assert way(np.ones(1 << 16, np.float32), "bcast") == ("library", "mpi")
        assert way(np.ones(1 << 18, np.float16)) == ("direct", "shared"), "the library cannot add halves"
        assert way(np.ones(10)) == ("library", "mpi")
        assert way(np.ones(10, np.float16)) == ("direct", "shared")
    world.close()


@pytest.mark.parametrize("collective", ["allreduce", "bcast", "reduce", "allgather", "reduce_scatter"])
def test_ranks_agree_without_a_word_where_to_go(collective):
    """Call after call some ranks' buffers lie in the window and others' elsewhere; a root may run ahead of all."""
    world, heard = MPIWorld(MPI.COMM_WORLD), []
    world.observe(heard.append)
    count, root = 30_000, 0
    window, ordinary = world.empty(count), np.empty(count, np.float32)
    chance = np.random.default_rng(5)
    for number in range(60):
        in_window = chance.random(world.size) < chance.choice([0.0, 0.5, 1.0])
        data = chance.integers(-50, 50, (world.size, count)).astype(np.float32)
        buffer = window if in_window[world.rank] else ordinary
        given, _, arguments, expected = case(collective, data, world.rank, root)
        buffer[:] = given
        got = getattr(world, collective)(buffer, **arguments)
        if expected is not None:
            assert_same(got, expected)
        assert len(heard) == number + 1
        if world.size > 1:
            assert heard[-1].operation.engine == ("shared" if in_window.all() else "mpi")
    world.close()
