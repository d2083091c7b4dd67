"""A world beyond collectives: messages, splitting, plans, events, background work."""

import numpy as np
import pytest
from cases import THE_LIBRARY

from mpitrain.collectives.catalogue import LIBRARY
from mpitrain.event import Operation


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


def test_windows(world):
    """Every rank writes its number into all, adds to rank 0's sums, and reads its right neighbour's."""
    window = world.window(world.size + 2, "float64")
    assert window.local.tolist() == [0] * (world.size + 2)
    world.barrier()
    own = np.array([world.rank + 1.0])
    for peer in range(world.size):
        window.put(own, peer, offset=world.rank)
    window.accumulate(own, 0, offset=world.size)
    window.accumulate(100 * own, 0, offset=world.size + 1, op="max")
    window.flush()
    world.barrier()
    window.flush()
    numbers = [rank + 1.0 for rank in range(world.size)]
    assert window.local[: world.size].tolist() == numbers
    assert window.local[world.size :].tolist() == ([sum(numbers), 100 * world.size] if world.rank == 0 else [0, 0])
    got = np.zeros(world.size)
    window.get(got, (world.rank + 1) % world.size)
    window.flush((world.rank + 1) % world.size)
    assert got.tolist() == numbers
    window.free()


LONG = 200_000  # elements: beyond every eager limit, so that each step needs both partners


def exchange(world):
    right, left = (world.rank + 1) % world.size, (world.rank - 1) % world.size
    sending = world.start_send(np.ones(3), right)
    world.recv(np.empty(3), left)
    sending.wait()


BETWEEN = {
    "barrier": lambda world: world.barrier(),
    "messages": exchange,
    LIBRARY: lambda world: world.allreduce(np.ones(3), algorithm=LIBRARY),
    "split": lambda world: world.split(0).close(),
}


@pytest.mark.parametrize("between", [name for name in BETWEEN if name != LIBRARY] + [THE_LIBRARY])
def test_a_work_moves_on_while_its_rank_waits_in_another_call(world, between):
    """Rank 0 makes the other call first and waits then; the others wait first: MPI's own Iallreduce allows it."""
    work = world.start_allreduce(np.ones(LONG), algorithm="ring")
    if world.rank != 0:
        work.wait()
    BETWEEN[between](world)
    assert (work.wait() == world.size).all()


def test_close_waits_for_what_is_under_way(world):
    world = world.split(0)
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


def test_closing_a_world_frees_its_plans(world):
    world = world.split(0)
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
