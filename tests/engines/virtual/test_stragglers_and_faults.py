"""Ranks that are slow, and faults: times by hand, and who hears of what."""

from fractions import Fraction
from random import Random

import numpy as np
import pytest
from virtual_worlds import SIMPLE, each, nothing

from mpitrain import virtual
from mpitrain.engines.virtual.pace import Pace, bursts
from mpitrain.network import Fault, Network, Straggler
from mpitrain.virtual import Deadlock, RankFailed


def flat(*faults, **options):
    """A message of n bytes takes 10 + n seconds."""
    return Network.flat(Fraction(10), Fraction(1), Fraction(0), faults=faults, **options)


def slow(*stragglers, **options):
    return flat(stragglers=stragglers, **options)


def data(nbytes):
    return np.zeros(nbytes, np.uint8)


def send(nbytes, peer, after=0):
    def program(world):
        if after:
            world.compute(after)
        world.send(data(nbytes), peer)
        return world.now()

    return program


def recv(nbytes, peer, after=0):
    def program(world):
        if after:
            world.compute(after)
        world.recv(data(nbytes), peer)
        return world.now()

    return program


def told(program):
    """The text of the RankFailed that a program gets, and when."""

    def caught(world):
        try:
            return program(world)
        except RankFailed as error:
            return str(error), world.now()

    return caught


def compute(*seconds):
    def program(world):
        for each_of in seconds:
            world.compute(each_of)
        return world.now()

    return program


# Slow ranks.


def test_a_fixed_straggler_is_so_many_times_slower_and_alone():
    network = slow(Straggler(Fraction(3, 2), ranks=(1,)), Straggler(2, ranks=(1, 2)))
    assert each(*[compute(10, 4)] * 4, network=network).results == [14, 42, 28, 14]


def test_reducing_is_slow_too_and_sending_is_not():
    """A message of 8 bytes, and 8 bytes reduced at 2 s each, by rank 0 three times slower."""
    network = Network.flat(Fraction(10), Fraction(1), Fraction(2), stragglers=(Straggler(3, ranks=(0,)),))
    programs = [lambda world: (world.allreduce(np.ones(1), algorithm="recursive_doubling"), world.now())[1]] * 2
    assert each(*programs, network=network).results == [18 + 3 * 16, 18 + 16]


def test_operations_take_the_rank_s_own_speed():
    network = flat(speed=100, speeds={1: 0.5})
    assert each(*[lambda w: (w.compute(flops=1000), w.now())[1]] * 2, network=network).results == [10, 20]
    with pytest.raises(TypeError, match="compute: expected either seconds or flops"):
        each(lambda world: world.compute())
    with pytest.raises(TypeError, match="compute: expected either seconds or flops"):
        each(lambda world: world.compute(1, flops=1))


def test_a_random_straggler_stays_within_its_bounds_and_follows_the_seed():
    network = slow(Straggler(3, "random", ranks=(0,)))

    def program(world):
        taken = []
        for _ in range(300):
            begun = world.now()
            world.compute(1)
            taken.append(world.now() - begun)
        return taken

    first, again, other = (each(program, program, network=network, seed=seed).results for seed in (1, 1, 2))
    assert first == again and first[0] != other[0]
    assert all(1 <= seconds <= 3 for seconds in np.round(first[0], 9))
    assert min(first[0]) < 1.1 and max(first[0]) > 2.9 and 1.9 < np.mean(first[0]) < 2.1
    assert first[1] == [1] * 300


def test_bursts_by_hand():
    """Twice as slow from 10 to 14 and from 20 to 24: 13 seconds' work begun at 5 has done 5, 2, 6 at 20."""
    coming = [(Fraction(10), Fraction(14), 2), (Fraction(20), Fraction(24), 2), (Fraction(99), Fraction(100), 2)]

    def finish(start, seconds):
        return Pace(1, [iter(coming)]).finish(Fraction(start), Fraction(seconds))

    assert [finish(5, 5), finish(5, 6), finish(5, 7), finish(5, 13), finish(5, 14)] == [10, 12, 14, 20, 22]
    assert [finish(5, 15), finish(5, 16), finish(13, 1), finish(0, 60)] == [24, 25, Fraction(29, 2), 64]
    assert Pace(3, [iter(coming)]).finish(Fraction(5), Fraction(2)) == 12  # itself three times slower: 6 seconds' work


def test_changes_that_overlap_multiply():
    pace = Pace(1)
    pace.changes = [(0, 10, 2), (5, 15, 3)]
    assert [pace.finish(0, Fraction(seconds)) for seconds in (2, Fraction(5, 2))] == [4, 5]
    assert pace.finish(Fraction(5), Fraction(5, 6)) == 10  # six times slower


def test_bursts_lie_in_their_stretches():
    found = bursts(Random(3), every=10, lasting=2, slowdown=4)
    for number in range(50):
        begin, end, factor = next(found)
        assert 10 * number <= begin < 10 * (number + 1)
        assert (end - begin, factor) == (pytest.approx(2), 4)


def test_a_run_with_bursts_takes_what_its_bursts_say():
    """100 stretches of 10 s, in each 2 s four times slower: the work of 8.5 s is done, if no burst reaches over."""
    network = slow(Straggler(4, "bursts", every=10, lasting=2))
    found = each(compute(*[1] * 850), network=network).results[0]
    assert 990 < found < 1012
    assert found != each(compute(*[1] * 850), network=network, seed=1).results[0]


# A rank that is slow, or stands still, from some time on.


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        (Fault("slow", 0, 10, factor=3), 10 + 3 * 10),
        (Fault("slow", 0, 10, lasting=6, factor=3), 10 + 6 + 8),
        (Fault("slow", 0, 20, factor=3), 20),
        (Fault("freeze", 0, 10, lasting=7), 27),
        (Fault("freeze", 0, 20, lasting=7), 27),  # work that is done at that moment finds its rank frozen
        (Fault("freeze", 0, 21, lasting=7), 20),
    ],
)
def test_a_rank_that_is_slow_or_stands_still_for_a_while(fault, wanted):
    assert each(compute(20), compute(20), network=flat(fault)).results == [wanted, 20]


def test_a_frozen_rank_s_messages_go_on_and_it_takes_none():
    """What it sent arrives; what is sent to it arrives in its memory, and it goes on when it moves again."""
    freeze = Fault("freeze", 0, 1, lasting=99)
    assert each(send(20, 1), recv(20, 0), network=flat(freeze)).results == [100, 30]
    assert each(recv(20, 1), send(20, 0), network=flat(freeze)).results == [100, 30]


def test_who_waits_for_a_rank_that_stands_still_for_ever():
    with pytest.raises(Deadlock, match="stands still, by a fault"):
        each(send(20, 1, after=5), recv(20, 0), network=flat(Fault("freeze", 0, 1)))


# A rank that is gone.


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


# Links.


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        (Fault("cut", (0, 1), 20, lasting=100), 130),  # 10 of 20 bytes are over at 20; the others follow
        (Fault("cut", (1, 0), 20, lasting=100), 130),  # either way
        (Fault("cut", (0, 1), 31), 30),
        (Fault("cut", (0, 2), 0), 30),
        (Fault("slow", (0, 1), 20, factor=4), 20 + 40),
        (Fault("slow", (0, 1), 20, lasting=20, factor=4), 20 + 20 + 5),
        (Fault("slow", (0, 2), 0, factor=4), 30),
    ],
)
def test_between_two_ranks_nothing_goes_or_little(fault, wanted):
    assert each(send(20, 1), recv(20, 0), nothing, network=flat(fault)).results[1] == wanted


def test_faults_of_one_link_multiply_and_each_ends_by_itself():
    """Of 20 bytes from 10 s on: cut until 50; 2 x 4 times slower until 66, which are 2 bytes; then twice."""
    faults = Fault("cut", (0, 1), 0, 50), Fault("slow", (0, 1), 0, 66, factor=4), Fault("slow", (0, 1), 5, factor=2)
    assert each(send(20, 1), recv(20, 0), network=flat(*faults)).results[1] == 66 + 18 * 2


def test_empty_messages_are_cut_off_too():
    network = flat(Fault("cut", (0, 1), 0, lasting=100))
    assert each(send(0, 1), recv(0, 0), network=network).results == [100, 100]


def test_a_link_that_takes_no_time_can_be_cut():
    network = Network.flat(Fraction(10), 0, 0, faults=(Fault("cut", (0, 1), 0, lasting=100),))
    assert each(send(5, 1), recv(5, 0), network=network).results == [100, 100]
    network = Network.flat(Fraction(10), 0, 0, faults=(Fault("slow", (0, 1), 0, factor=3),))
    assert each(send(5, 1), recv(5, 0), network=network).results == [10, 10]


def test_a_cut_for_good_is_a_deadlock():
    with pytest.raises(Deadlock, match=r"(?s)deadlock at .*rank 1: waits in recv .*from rank 0"):
        each(send(20, 1), recv(20, 0), network=flat(Fault("cut", (0, 1), 20)))


def test_a_link_of_the_network_by_its_name():
    """A node's port out, of which 10 bytes have gone at 20 s; and what does not pass it goes on."""
    fault = Fault("cut", ("out of node", 0), 20, lasting=100)
    network = Network.nodes(2, (0, Fraction(1)), (Fraction(10), Fraction(1)), Fraction(0), faults=(fault,))
    found = each(send(20, 2), nothing, recv(20, 0), nothing, recv(50, 5), send(50, 4), network=network)
    assert (found.results[2], found.results[4]) == (130, 50)


# By seed.


def test_any_rank_and_a_range_of_times_by_seed():
    network = Network.flat(1.0, 1.0, 0.0, faults=(Fault("crash", "any", (10, 20)),))
    crashes = [virtual.run(lambda w: w.compute(100), 8, network, seed).crashed for seed in range(40)]
    assert crashes[3] == virtual.run(lambda w: w.compute(100), 8, network, 3).crashed
    assert {rank for crashed in crashes for rank in crashed} == set(range(8))
    times = [time for crashed in crashes for time in crashed.values()]
    assert len(times) == 40 and min(times) >= 10 and max(times) <= 20 and max(times) - min(times) > 7


def test_faults_of_ranks_that_are_not_there():
    with pytest.raises(ValueError) as error:
        each(nothing, nothing, network=flat(Fault("crash", 2, 0)))
    assert str(error.value) == "fault crash = 2: expected ranks below 2"
    with pytest.raises(ValueError) as error:
        each(nothing, nothing, network=flat(Fault("cut", (0, 5), 0)))
    assert str(error.value) == "fault cut = (0, 5): expected ranks below 2"


def test_a_fault_free_run_is_as_ever():
    assert each(send(20, 1), recv(20, 0), network=SIMPLE).results == [30, 30]


def test_who_waits_for_several_hears_of_a_crash_at_once():
    """Rank 1 crashes, and rank 2, for which rank 0 waits as well, stands still for ever."""
    network = Network.flat(10, 1, 0, faults=(Fault("crash", 1, 5), Fault("freeze", 2, 5)))

    def waits(world):
        world.allreduce(np.ones(3), algorithm="direct")

    def computes(world):
        world.compute(9)

    with pytest.raises(virtual.RankFailed, match="rank 1 crashed at 5 s"):
        each(waits, computes, computes, network=network)
