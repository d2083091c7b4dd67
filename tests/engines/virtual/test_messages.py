"""Messages of virtual ranks, their works, time and parts: a message of n bytes takes 10 + n seconds."""

from fractions import Fraction

import numpy as np
import pytest
from virtual_worlds import SIMPLE, each, nothing

from mpitrain import virtual
from mpitrain.engines.virtual.progress import POLL
from mpitrain.network import Network

EAGER = Network.flat(Fraction(10), Fraction(1), Fraction(0), eager=20, rendezvous=3)


def data(nbytes, value=0):
    return np.full(nbytes, value, np.uint8)


def sends(*sizes, after=0):
    """Gives when each call returned."""

    def program(world):
        world.compute(after)
        times = []
        for nbytes in sizes:
            world.send(data(nbytes), 1)
            times.append(world.now())
        return times

    return program


def receives(*sizes, after=0):
    def program(world):
        world.compute(after)
        times = []
        for nbytes in sizes:
            world.recv(data(nbytes), 0)
            times.append(world.now())
        return times

    return program


@pytest.mark.parametrize(
    ("sizes", "sender", "receiver", "network", "wanted"),
    [
        ((20,), 0, 0, SIMPLE, ([30], [30])),
        ((20, 5), 0, 0, SIMPLE, ([30, 45], [30, 45])),
        ((20,), 7, 0, SIMPLE, ([37], [37])),
        # The receiver's port takes it from when its receive is posted on.
        ((20,), 0, 20, SIMPLE, ([30], [50])),
        ((20,), 0, 100, SIMPLE, ([30], [130])),
        ((20, 5), 0, 100, SIMPLE, ([30, 45], [130, 145])),
        # Up to 20 bytes at once; longer ones 3 s after both are there.
        ((20,), 0, 100, EAGER, ([30], [130])),
        ((21,), 0, 0, EAGER, ([34], [34])),
        ((21,), 0, 100, EAGER, ([134], [134])),
        ((21,), 100, 0, EAGER, ([134], [134])),
        ((21, 2), 0, 100, EAGER, ([134, 146], [134, 146])),
    ],
)
def test_when_calls_return(sizes, sender, receiver, network, wanted):
    assert tuple(each(sends(*sizes, after=sender), receives(*sizes, after=receiver), network=network).results) == wanted


def test_a_port_carries_one_message_at_a_time_each_way():
    def star(world):
        works = [world.start_recv(data(20), peer) for peer in (1, 2)]
        works += [world.start_send(data(20), peer) for peer in (1, 2)]
        times = []
        for work in works:
            work.wait()
            times.append(world.now())
        return times

    def ray(world):
        work = world.start_send(data(20), 0)
        world.recv(data(20), 0)
        work.wait()
        return world.now()

    found = each(star, ray, ray).results
    assert found[0] in ([30, 60, 60, 60], [60, 60, 60, 60])  # from both at 30 s: the seed says whose is first
    assert found[1:] == [30, 60]


def test_messages_of_one_pair_keep_their_order_and_tags_apart():
    def sender(world):
        works = [world.start_send(data(3, value), 1, tag) for value, tag in ((1, 5), (2, 6), (3, 5), (4, 6))]
        for work in works:
            work.wait()

    def receiver(world):
        return [int(world.recv(data(3), 0, tag)[0]) for tag in (6, 5, 5, 6)]

    assert each(sender, receiver).results[1] == [2, 1, 3, 4]
    long_ones = Network.flat(10, 1, 0, eager=2)
    assert each(sender, receiver, network=long_ones).results[1] == [2, 1, 3, 4]


def test_receives_posted_first_take_messages_in_their_order():
    def receiver(world):
        works = [world.start_recv(data(3), 0) for _ in range(3)]
        return [int(work.wait()[0]) for work in reversed(works)]

    def sender(world):
        for value in (1, 2, 3):
            world.send(data(3, value), 1)

    assert each(sender, receiver).results[1] == [3, 2, 1]


def test_a_shorter_message_leaves_the_rest_and_a_longer_one_is_an_error():
    def receiver(world):
        got = world.recv(np.array([7, 8, 9]), 0).tolist()
        with pytest.raises(ValueError) as error:
            world.recv(np.zeros(1, int), 0)
        return got, str(error.value), world.recv(np.zeros(1, int), 0).tolist()

    def sender(world):
        for values in ([1, 2], [3, 4], [5]):
            world.send(np.array(values), 1)

    assert each(sender, receiver).results[1] == (
        [1, 2, 9], "recv of 8 bytes from rank 0: found a message of 16 bytes: expected at most as many", [5],
    )  # fmt: skip


def test_the_sender_may_write_to_its_buffer_once_send_returns():
    def sender(world):
        buffer = data(3, 1)
        world.send(buffer, 1)
        buffer[:] = 9

    def late(world):
        world.compute(100)
        return world.recv(data(3), 0).tolist()

    assert each(sender, late).results[1] == [1, 1, 1]


def test_probe_with_and_without_wildcards():
    def sender(world):
        world.send(data(3 + world.rank), 0, tag=world.rank)

    def looks(world):
        begun = world.now()
        assert world.probe() is None
        assert world.now() == pytest.approx(begun + POLL)
        world.compute(100)
        exact = [world.probe(1, 1), world.probe(2, 2), world.probe(peer=2), world.probe(tag=1)]
        none = [world.probe(1, 2), world.probe(tag=0), world.probe(peer=0)]
        any_of_them = world.probe()
        for peer in (1, 2):
            world.recv(data(3 + peer), peer, tag=peer)
        return exact, none, any_of_them, world.probe()

    exact, none, any_of_them, after = each(looks, sender, sender).results[0]
    assert exact == [(1, 1, 4), (2, 2, 5), (2, 2, 5), (1, 1, 4)]
    assert none == [None] * 3
    assert any_of_them in ((1, 1, 4), (2, 2, 5)) and after is None


def test_probe_sees_what_has_left_or_asks():
    def looks(world):
        found = []
        for _ in range(3):
            found.append(world.probe())
            world.compute(20)
        return found

    assert each(sends(20), looks).results[1] == [None, None, (0, 0, 20)]
    with pytest.raises(virtual.Deadlock):  # nobody receives it
        each(sends(21), looks, network=EAGER)

    def looks_and_receives(world):
        world.compute(1)
        found = world.probe()
        world.recv(data(21), 0)
        return found

    assert each(sends(21), looks_and_receives, network=EAGER).results[1] == (0, 0, 21)


def test_who_asks_again_and_again_lets_time_pass():
    def asks(world):
        work, times = world.start_recv(data(20), 0), 0
        while not work.test():
            times += 1
        return times, world.now()

    network = Network.flat(10e-6, 1e-6, 0.0)
    times, now = each(sends(20), asks, network=network).results[1]
    assert times in (30, 31) and now == pytest.approx(30e-6, abs=2 * POLL)

    def asks_a_collective(world):
        work, times = world.start_allreduce(np.ones(1), algorithm="recursive_doubling"), 0
        while not work.test():
            times += 1
        return times

    assert set(each(asks_a_collective, asks_a_collective, network=network).results) <= {17, 18, 19}


def test_works_may_be_waited_for_in_any_order():
    def starts(world):
        works = [world.start_recv(data(5), peer) for peer in (1, 2)]
        collective = world.start_allreduce(np.ones(1), algorithm="linear")
        return works[1].wait().tolist(), collective.wait().tolist(), works[0].wait().tolist(), world.now()

    def other(world):
        work = world.start_allreduce(np.ones(1), algorithm="linear")
        world.compute(1000 if world.rank == 1 else 1)
        world.send(data(5, world.rank), 0)
        return work.wait().tolist()

    got = each(starts, other, other).results
    assert got[0][:3] == ([2] * 5, [3], [1] * 5) and got[1:] == [[3], [3]]
    assert got[0][3] == 1015


def test_collectives_under_way_keep_their_messages_apart():
    """Rank 0 passes on to rank 1 what comes from rank 2, and sends its own meanwhile."""

    def program(world):
        passed, own = np.full(1, 10.0 + world.rank), np.full(1, 20.0 + world.rank)
        works = [
            world.start_bcast(passed, root=2, algorithm="chain"), world.start_bcast(own, root=0, algorithm="linear"),
        ]  # fmt: skip
        for work in works:
            work.wait()
        return passed[0], own[0]

    assert each(program, program, program).results == [(12, 20)] * 3


def test_background_work_runs_beside_the_program():
    def program(world):
        def beside():
            world.compute(30)
            return "done"

        work = world.background(beside)
        early = work.test()
        world.compute(20)
        result = work.wait()
        return early, result, world.now()

    assert each(program).results == [(False, "done", 30)]


def test_background_work_that_ends_wakes_nobody_who_does_not_wait_for_it():
    def program(world):
        world.background(lambda: None)
        world.compute(20)
        return world.now()

    assert each(program).results == [20]


def test_background_work_gives_its_error_to_who_waits():
    def program(world):
        work = world.background(lambda: 1 / 0)
        world.compute(1)
        with pytest.raises(ZeroDivisionError):
            work.wait()
        return work.test()

    assert each(program).results == [True]


@pytest.mark.parametrize(
    ("mode", "wanted"), [("thread", 36), ("none", 30 + 18), ("layers", 30 + 18), ("", 36)]
)  # two messages of 8 bytes; the second is sent once the first is there
def test_what_overlaps_with_computing(monkeypatch, mode, wanted):
    """The first messages are under way from the start on; the second ones wait for who moves them on."""
    monkeypatch.setenv("MPITRAIN_PROGRESS", mode)

    def program(world):
        work = world.start_allreduce(np.ones(2), algorithm="ring")
        world.compute(30)
        work.wait()
        return world.now()

    assert each(program, program).results == [wanted, wanted]


@pytest.mark.parametrize(("mode", "wanted"), [("thread", 70), ("none", 70 + 18), ("layers", 70)])
def test_a_collective_that_is_over_before_the_computation(monkeypatch, mode, wanted):
    """In layers it moves on in between, at 30 s."""
    monkeypatch.setenv("MPITRAIN_PROGRESS", mode)

    def program(world):
        work = world.start_allreduce(np.ones(2), algorithm="ring")
        world.compute(30)
        world.move_on()
        world.compute(40)
        work.wait()
        return world.now()

    assert each(program, program).results == [wanted, wanted]


def test_split_into_worlds_of_their_own():
    """By parity, backwards; messages with the same tag stay in their world, and so do collectives."""

    def program(world):
        part = world.split(world.rank % 2, key=-world.rank)
        assert world.split(None) is None
        work = world.start_send(data(1, world.rank), (world.rank + 1) % world.size)
        right, left = (part.rank + 1) % part.size, (part.rank - 1) % part.size
        inside = part.start_send(data(1, 100 + part.rank), right)
        got = int(part.recv(data(1), left)[0]), int(world.recv(data(1), (world.rank - 1) % world.size)[0])
        work.wait()
        inside.wait()
        return part.rank, part.size, part.allreduce(np.array([float(world.rank)]))[0], *got

    found = each(*[program] * 6).results
    assert [result[:3] for result in found] == [
        (2, 3, 6), (2, 3, 9), (1, 3, 6), (1, 3, 9), (0, 3, 6), (0, 3, 9),
    ]  # fmt: skip
    assert [result[3] for result in found] == [100 + (rank - 1) % 3 for rank, *_ in found]
    assert [result[4] for result in found] == [5, 0, 1, 2, 3, 4]


def test_places_are_those_of_the_network():
    network = Network.nodes(3, (0, 0), (1, 1), 0)
    found = each(*[lambda w: (w.node, w.node_rank, w.node_size, w.node_sizes)] * 5, network=network).results
    assert found == [(0, 0, 3, (3, 2)), (0, 1, 3, (3, 2)), (0, 2, 3, (3, 2)), (1, 0, 2, (3, 2)), (1, 1, 2, (3, 2))]


def test_an_error_ends_the_run_with_a_note_on_its_rank():
    def fails(world):
        world.compute(5)
        raise KeyError("mine")

    with pytest.raises(KeyError) as error:
        each(nothing, fails, receives(5))
    assert error.value.args == ("mine",)
    assert error.value.__notes__ == ["on virtual rank 1 of 3, at 5 s"]


def test_abort_ends_the_run_with_its_code():
    with pytest.raises(SystemExit) as error:
        each(receives(5), lambda world: world.abort(3))
    assert error.value.code == 3


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda w: w.send(data(1), 2), "peer 2: expected a rank below 2"),
        (lambda w: w.recv(data(1), -1), "peer -1: expected a rank below 2"),
        (lambda w: (w.close(), w.send(data(1), 1)), "this world is closed: expected calls before close() only"),
    ],
)
def test_wrong_calls_say_what_was_expected(call, text):
    with pytest.raises(ValueError) as error:
        each(call, call)
    assert str(error.value) == text


def test_wrong_numbers_of_ranks():
    with pytest.raises(ValueError, match="0 ranks: expected 1 or more"):
        virtual.run(nothing, ranks=0)
    with pytest.raises(ValueError, match="5 ranks on a network for 4"):
        virtual.run(nothing, ranks=5, network=Network.torus((2, 2), 1, 1, 1))


def test_the_outcome_counts_messages_and_bytes():
    found = each(sends(20, 5), receives(20, 5))
    assert (found.messages, found.nbytes, found.seconds) == (2, 25, 45)
    assert str(found).startswith("2 virtual ranks, 45 s of virtual time: 2 messages of 25 bytes, ")
