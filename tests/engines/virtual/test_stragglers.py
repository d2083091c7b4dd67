"""Ranks that are slow, or stand still: times by hand."""

from fractions import Fraction
from random import Random

import numpy as np
import pytest
from virtual_worlds import compute, each, flat, recv, send, slow

from mpitrain.engines.virtual.pace import Pace, bursts
from mpitrain.network import Fault, Network, Straggler
from mpitrain.virtual import Deadlock


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
