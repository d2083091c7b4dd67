"""Links that are cut or slow, and faults that the seed picks."""

from fractions import Fraction

import pytest
from virtual_worlds import SIMPLE, each, flat, nothing, recv, send

from mpitrain import virtual
from mpitrain.network import Fault, Network
from mpitrain.virtual import Deadlock


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
