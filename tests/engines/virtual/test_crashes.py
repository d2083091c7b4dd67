"""Ranks that are gone: who hears of it, and what still arrives."""

from fractions import Fraction

import numpy as np
import pytest
from virtual_worlds import compute, data, each, flat, recv, send, told

from mpitrain import virtual
from mpitrain.network import Fault, Network
from mpitrain.virtual import RankFailed


def test_who_waits_for_a_crashed_rank_is_told():
    network = flat(Fault("crash", 0, 7))
    found = each(compute(20), told(recv(8, 0)), told(recv(8, 0, after=30)), compute(50), network=network)
    text = "rank 0 crashed at 7 s: recv of 8 bytes from rank 0 will never end"
    assert found.results == [None, (text, 7), (text, 30), 50]  # posted before, posted after
    assert found.crashed == {0: 7}


def test_the_error_names_the_rank_and_ends_the_run_if_nobody_takes_it():
    with pytest.raises(RankFailed) as error:
        each(compute(20), recv(8, 0), network=flat(Fault("crash", 0, 7)))
    assert error.value.rank == 0
    assert error.value.__notes__ == ["on virtual rank 1 of 2, at 7 s"]


@pytest.mark.parametrize(("crash", "wanted"), [(17, "failed"), (19, 18)])
def test_what_had_left_before_the_crash_arrives(crash, wanted):
    """8 bytes have left after 18 s."""

    def sends(world):
        world.start_send(data(8), 1)
        world.compute(100)

    network = flat(Fault("crash", 0, crash))
    found = each(sends, told(recv(8, 0)), network=network).results[1]
    late = each(sends, told(recv(8, 0, after=50)), network=network).results[1]
    if wanted == "failed":
        text = f"rank 0 crashed at {crash} s: recv of 8 bytes from rank 0 will never end"
        assert (found, late) == ((text, crash), (text, 50))
    else:
        assert (found, late) == (18, 50 + 18)


def test_a_long_message_waits_for_a_receiver_that_is_gone():
    """Sent before the crash and after it; a short one goes, and nobody takes it."""
    network = flat(Fault("crash", 0, 7), eager=10)
    found = each(compute(20), told(send(11, 0)), told(send(11, 0, after=30)), send(10, 0, after=30), network=network)
    text = "rank 0 crashed at 7 s: send of 11 bytes to rank 0 will never end"
    assert found.results == [None, (text, 7), (text, 30), 50]


def test_a_receiver_of_a_long_message_whose_sender_is_gone():
    network = flat(Fault("crash", 0, 7), eager=10)
    text = "rank 0 crashed at 7 s: recv of 11 bytes from rank 0 will never end"
    assert each(send(11, 1), told(recv(11, 0)), network=network).results[1] == (text, 7)
    assert each(send(11, 1), told(recv(11, 0, after=30)), network=network).results[1] == (text, 30)


def test_a_sender_that_crashes_while_it_asks():
    network = Network.flat(10, 1, 0, eager=10, rendezvous=5, faults=(Fault("crash", 0, 3),))
    text = "rank 0 crashed at 3 s: recv of 11 bytes from rank 0 will never end"
    assert each(send(11, 1), told(recv(11, 0)), network=network).results[1][0] == text


def test_probe_sees_nothing_of_a_crashed_rank_s_long_message():
    def looks(world):
        world.compute(5)
        before = world.probe()
        world.compute(5)
        return before, world.probe()

    found = each(send(11, 1), looks, network=flat(Fault("crash", 0, 7), eager=10))
    assert found.results[1] == ((0, 0, 11), None)


def test_a_message_on_a_shared_link_is_given_up_and_leaves_its_share():
    """Two of 100 bytes at 1/2 a second until 50; then the other has 75 left, alone."""
    network = Network.nodes(2, (0, 0), (0, Fraction(1)), Fraction(0), faults=(Fault("crash", 0, 50),))
    found = each(send(100, 2), send(100, 3), told(recv(100, 0)), recv(100, 1), network=network)
    assert found.results == [
        None,
        125,
        ("rank 0 crashed at 50 s: recv of 100 bytes from rank 0 will never end", 50),
        125,
    ]


def test_a_crash_ends_everything_of_the_rank_and_runs_its_finally():
    """Its background work and works under way too; it sends no last words, and computes no more."""
    ended = []

    def program(world):
        world.background(lambda: (world.compute(1000), ended.append("background")))
        world.start_allreduce(np.ones(4), algorithm="ring")
        try:
            world.compute(1000)
            ended.append("program")
        except Exception:  # no reason to go on
            ended.append("caught")
        finally:
            ended.append("finally")
            world.start_send(data(3), 1)

    def other(world):
        work = world.start_allreduce(np.ones(4), algorithm="ring")
        texts = []
        for wait in (work.wait, lambda: world.recv(data(3), 0)):
            try:
                wait()
            except RankFailed as error:
                texts.append(str(error))
        return texts

    found = each(program, other, network=flat(Fault("crash", 0, 7)))
    assert ended == ["finally"]
    assert [text.partition(":")[0] for text in found.results[1]] == ["rank 0 crashed at 7 s"] * 2


def test_a_failed_work_is_over_and_others_go_on():
    """The error of a collective under way reaches who waits for it, once, and no other call of that world."""

    def program(world):
        work = world.start_allreduce(np.ones(4), algorithm="linear")
        world.compute(50)
        other = 3 - world.rank
        sending = world.start_send(np.full(1, float(world.rank)), other)
        got = world.recv(np.zeros(1), other)
        sending.wait()
        try:
            work.wait()
        except RankFailed:
            return got[0], "told"

    crashing = flat(Fault("crash", 0, 2))
    found = each(lambda w: w.compute(100), program, lambda w: program(w), network=crashing)
    assert [result and result[0] for result in found.results] == [None, 2, 1]


@pytest.mark.parametrize("seed", range(4))
def test_a_crash_before_anything_has_begun(seed):
    found = each(compute(5), compute(5), network=flat(Fault("crash", 0, 0)), seed=seed)
    assert (found.results, found.crashed, found.seconds) == ([None, 5], {0: 0}, 5)


def test_a_rank_that_had_ended_before_has_its_result():
    found = each(compute(5), compute(50), network=flat(Fault("crash", 0, 7)))
    assert (found.results, found.crashed) == ([5, 50], {})


def test_who_waits_for_several_hears_of_a_crash_at_once():
    """Rank 1 crashes, and rank 2, for which rank 0 waits as well, stands still for ever."""
    network = Network.flat(10, 1, 0, faults=(Fault("crash", 1, 5), Fault("freeze", 2, 5)))

    def waits(world):
        world.allreduce(np.ones(3), algorithm="direct")

    def computes(world):
        world.compute(9)

    with pytest.raises(virtual.RankFailed, match="rank 1 crashed at 5 s"):
        each(waits, computes, computes, network=network)
