"""Ranks that work in each other's memory, in any order that their waits allow, get what messages would bring."""

from graphlib import CycleError

import pytest
from machine import Machine, as_early_as_can_be, by_chance, is_right

from mpitrain.analysis import lowering
from mpitrain.analysis.lowering import lower
from mpitrain.collectives.algorithm import Algorithm, whole
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import Copy, Reduce, ScheduleError, Send, Step

EVERYWHERE = [
    pytest.param(algorithm, size, id=f"{algorithm}-{size}")
    for family in CATALOGUE.values()
    for algorithm in family.values()
    for size in (2, 3, 4, 5, 8)
]


@pytest.mark.parametrize(("algorithm", "size"), EVERYWHERE)
def test_any_order_that_the_waits_allow_is_right(algorithm, size):
    for schedule in {str(s): s for s in (algorithm.schedules(size)[0], algorithm.schedules(size)[-1])}.values():
        lowered = lower(schedule)
        for seed in range(6):
            machine = Machine(schedule, lowered, seed)
            assert is_right(schedule, machine, machine.run(by_chance(seed)))


# These send what nobody needs, so that a wait may be harmless: the broadcast's ring hands shares to ranks that the tree
# has given them already, and a barrier may hear of more than it must.
WASTEFUL = ("scatter_allgather.bcast", "dissemination.barrier")


@pytest.mark.parametrize(("algorithm", "size"), [case for case in EVERYWHERE if str(case.values[0]) not in WASTEFUL])
def test_no_wait_can_be_left_out(algorithm, size):
    schedule = algorithm.schedule(size)
    lowered = lower(schedule)
    waits = [
        ((rank, number), wait)
        for rank, groups in enumerate(lowered.groups)
        for number, group in enumerate(groups)
        for wait in group.waits
    ]
    for (rank, number), wait in waits[:: max(1, len(waits) // 30)]:
        left_out = {((rank, number), wait)}
        machine = Machine(schedule, lowered)
        after = machine.order(left_out)
        # The group may be hurried as a whole, or one part of it: an early entry of the group harms nothing by itself.
        last = (rank, number, max(0, len(lowered.groups[rank][number].actions) - 1))
        results = machine.run(as_early_as_can_be(last, after), left_out)
        assert not is_right(schedule, machine, results), f"rank {rank} group {number}: {wait} is not needed"


def test_a_step_may_read_late_what_one_peer_offers_early():
    """Rank 0 may overwrite its chunk once rank 1 has read it; rank 1 still waits for rank 2, and that one for rank 0.

    Were a step's reads one event, they would wait for each other in a circle.
    """
    programs = {
        0: [Step(send=[Send(1, 0)]), Step(recv=[Copy(3, 0)]), Step(send=[Send(2, 0)])],
        1: [Step(recv=[Copy(0, 0), Copy(2, 1)])],
        2: [Step(recv=[Copy(0, 0)]), Step(send=[Send(1, 0)])],
        3: [Step(send=[Send(0, 0)])],
    }
    algorithm = Algorithm("allreduce", "late", lambda rank, size: iter(programs[rank]), lambda size: 2)
    schedule = algorithm.schedule(4)
    for seed in range(50):
        machine = Machine(schedule, lower(schedule), seed)
        results = machine.run(by_chance(seed))
        assert (results[1, 0], results[1, 1]) == (machine.given[0][0], machine.given[3][0])


CIRCLE = {
    0: [Step(recv=[Reduce(1, 0), Reduce(2, 0)])],
    1: [Step(recv=[Copy(2, 0)]), Step(send=[Send(0, 0)])],
    2: [Step(send=[Send(0, 0)]), Step(recv=[Copy(3, 0)]), Step(send=[Send(1, 0)])],
    3: [Step(send=[Send(2, 0)])],
}
"""Rank 0 adds rank 2's first value after what rank 1 sends, which is rank 2's second."""


def test_messages_of_one_step_that_would_wait_in_a_circle_are_staged():
    schedule = Algorithm("allreduce", "circle", lambda rank, size: iter(CIRCLE[rank]), whole).schedule(4)
    with pytest.raises(CycleError):
        lowering._lower(schedule, direct=True)
    for seed in range(20):
        machine = Machine(schedule, lower(schedule), seed)
        assert machine.run(by_chance(seed))[0, 0] == sum(machine.given[rank][0] for rank in (0, 2, 3))


def test_what_cannot_be_walked_cannot_be_lowered():
    stuck = Algorithm("bcast", "stuck", lambda rank, size: iter([Step(recv=[Copy(1 - rank, 0)])]), whole)
    with pytest.raises(ScheduleError, match="deadlock"):
        lower(stuck.schedule(2))
