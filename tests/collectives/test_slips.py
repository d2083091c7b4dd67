"""Everyday slips in a program are named before they confuse a proof."""

import pytest

from mpitrain.analysis import card
from mpitrain.collectives import ring
from mpitrain.collectives.algorithm import collective, whole
from mpitrain.collectives.schedule import Copy, Reduce, ScheduleError, Send, Step


def no_yield(rank, size):
    return None


def a_send_for_a_step(rank, size):
    yield Send(1, 0)


def no_list(rank, size):
    yield Step(send=Send(1, 0))


def a_receive_among_sends(rank, size):
    yield Step(send=[Reduce(1, 0)])


SLIPS = {
    no_yield: "rank 0: test_slips.allreduce(size=2): expected a function that yields steps, found None",
    a_send_for_a_step: "rank 0, step 0: test_slips.allreduce(size=2): expected a Step, found Send(peer=1, ",
    no_list: "rank 0, step 0: test_slips.allreduce(size=2): expected send=[...], a list of Send, found 1",
    a_receive_among_sends: (
        "rank 0, step 0: test_slips.allreduce(size=2): expected send=[...], a list of Send, found Reduce(peer=1, "
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_are_named(slip):
    schedule = collective("allreduce", chunks=whole)(slip).schedule(2)
    with pytest.raises(ScheduleError) as failure:
        schedule.program(0)
    assert str(failure.value).startswith(SLIPS[slip])


def test_a_chunk_is_no_fraction():
    with pytest.raises(
        ValueError, match=r"expected a number, a range, or INPUT, OUTPUT, SCRATCH\[\.\.\.\], found 1\.5"
    ):
        Copy(1, 3 / 2)


@pytest.mark.parametrize("formula", ["p +", "q * 2", "p / 0"])
def test_a_broken_formula_is_named(formula):
    with pytest.raises(ScheduleError) as failure:
        card.evaluate(formula, ring.allreduce.schedule(4))
    assert str(failure.value).startswith(f"the card's formula {formula!r} at p = 4: ")


def test_a_script_s_algorithm_is_called_after_its_function():
    def mine(rank, size):
        yield from ()

    mine.__module__ = "__main__"
    assert str(collective("allreduce", chunks=whole)(mine)) == "mine.allreduce"
