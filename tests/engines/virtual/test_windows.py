"""One-sided access between virtual ranks: what arrives where, when. A message of n bytes takes 10 + n seconds."""

import numpy as np
import pytest
from virtual_worlds import each

from mpitrain import virtual
from mpitrain.network import Network


def octets(*values):
    return np.array(values, np.uint8)


def alone(access, wait=1000):
    """What rank 0 gets of an access to rank 1's window of 1, 2, 3, 4, which computes meanwhile: its time, and what is
    then there."""

    def first(world):
        window = world.window(4, "u1")
        world.barrier()
        begun = world.now()
        result = access(world, window)
        window.flush()
        taken = world.now() - begun
        window.free()
        return taken, result

    def second(world):
        window = world.window(4, "u1")
        window.local[:] = 1, 2, 3, 4
        world.barrier()
        world.compute(wait)
        found = window.local.tolist()
        window.free()
        return found

    (taken, result), found = each(first, second).results
    return taken, None if result is None else result.tolist(), found


def test_put_takes_a_message_and_the_target_does_nothing():
    assert alone(lambda world, window: window.put(octets(8, 9), 1, 2)) == (12, None, [1, 2, 8, 9])


def test_get_takes_two_messages():
    def get(world, window):
        buffer = octets(0, 0, 0)
        window.get(buffer, 1, 1)
        window.flush(1)
        return buffer

    assert alone(get) == (10 + 13, [2, 3, 4], [1, 2, 3, 4])


@pytest.mark.parametrize(("op", "wanted"), [("sum", [1, 5, 9, 4]), ("max", [1, 3, 6, 4]), ("prod", [1, 6, 18, 4])])
def test_accumulate_combines_there(op, wanted):
    assert alone(lambda world, window: window.accumulate(octets(3, 6), 1, 1, op)) == (12, None, wanted)


def test_an_empty_access_and_an_access_to_oneself():
    assert alone(lambda world, window: window.put(octets(), 1, 4)) == (10, None, [1, 2, 3, 4])

    def own(world, window):
        window.put(octets(5), 0, 3)
        window.flush()
        return window.local

    assert alone(own) == (11, [0, 0, 0, 5], [1, 2, 3, 4])


def test_two_puts_follow_each_other_at_the_port_and_flush_waits_for_its_peer():
    def program(world):
        window = world.window(30, "u1")
        world.barrier()
        begun = world.now()
        times = []
        if world.rank == 0:
            window.put(np.ones(10, np.uint8), 1)
            window.put(np.ones(30, np.uint8), 2)
            for flush in (lambda: window.flush(1), window.flush):
                flush()
                times.append(world.now() - begun)
        world.barrier()
        window.free()
        return times

    assert each(program, program, program).results[0] == [20, 60]


def test_all_accumulate_at_one_and_nothing_is_lost():
    def program(world):
        window = world.window(2, "float64")
        for _ in range(3):
            window.accumulate(np.array([1.0, world.rank]), 0)
        window.flush()
        world.barrier()
        return window.local.tolist()

    found = each(*[program] * 16).results
    assert found == [[48, 3 * 120], *[[0, 0]] * 15]


def test_windows_of_a_part_of_the_world():
    def program(world):
        part = world.split(world.rank % 2)
        window, whole = part.window(1, "float64"), world.window(1, "float64")
        window.put(np.array([1.0 + world.rank]), (part.rank + 1) % part.size)
        window.flush()
        part.barrier()
        return window.local[0], whole.local[0]

    assert each(*[program] * 6).results == [(5, 0), (6, 0), (1, 0), (2, 0), (3, 0), (4, 0)]


def test_free_waits_for_the_others():
    """Who frees first does not take its memory from under the others."""

    def program(world):
        window = world.window(1, "float64")
        if world.rank == 0:
            world.compute(100)
            window.put(np.ones(1), 1)
        window.free()
        return window.local.size, world.now() > 100

    assert each(program, program).results == [(0, True)] * 2


def test_flush_beside_a_collective_under_way():
    """The put has left at 1073, while rank 2's port takes a message until 1070, and is there at 1088: nothing but that
    can wake the one who waits for it."""

    def starts(world, at):
        window = world.window(8, "u1")
        world.compute(at - world.now())
        return window

    def first(world):
        window = starts(world, 1055)
        work = world.start_allreduce(np.ones(1), algorithm="linear")
        window.put(np.ones(8, np.uint8), 2)
        window.flush()
        flushed = world.now()
        work.wait()
        return flushed

    def second(world):
        starts(world, 1000)
        world.send(np.zeros(60, np.uint8), 2)
        world.compute(10_000)
        world.allreduce(np.ones(1), algorithm="linear")

    def third(world):
        window = starts(world, 1000)
        world.recv(np.zeros(60, np.uint8), 1)
        world.compute(10_000)
        world.allreduce(np.ones(1), algorithm="linear")
        return window.local.tolist()

    assert each(first, second, third).results == [1088, None, [1] * 8]


WRONG = [
    (1, 3, "u1", "window: 2 x uint8 at 3 of rank 1: expected uint8 within its 4 elements"),
    (1, -1, "u1", "window: 2 x uint8 at -1 of rank 1: expected uint8 within its 4 elements"),
    (1, 0, "i1", "window: 2 x int8 at 0 of rank 1: expected uint8 within its 4 elements"),
    (2, 0, "u1", "window: rank 2: expected a rank below 2"),
    (-1, 0, "u1", "window: rank -1: expected a rank below 2"),
]


@pytest.mark.parametrize(("peer", "offset", "dtype", "text"), WRONG)
@pytest.mark.parametrize("access", ["put", "get", "accumulate"])
def test_a_wrong_access_says_what_was_expected(access, peer, offset, dtype, text):
    def program(world):
        window = world.window(4, "u1")
        with pytest.raises(ValueError) as error:
            getattr(window, access)(np.ones(2, dtype), peer, offset)
        window.flush()
        world.barrier()
        return str(error.value), window.local.any()

    assert each(program, program).results == [(text, False)] * 2


def test_get_from_a_crashed_rank():
    """Which had crashed before, or crashes before its answer has left."""
    for after in (100, 45):
        network = Network.flat(10, 1, 0, faults=(virtual.Fault("crash", 1, 50),))

        def program(world, after=after):
            window = world.window(4, "u1")
            world.compute(after - world.now() if world.rank == 0 else 1000)
            window.get(octets(0, 0, 0), 1)
            with pytest.raises(virtual.RankFailed, match="rank 1 crashed at 50 s: recv of 3 bytes from rank 1"):
                window.flush()
            return "told"

        assert each(program, program, network=network).results == ["told", None]
