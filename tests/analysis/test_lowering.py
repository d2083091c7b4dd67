"""Ranks that work in each other's memory, in any order that their waits allow, get what messages would bring.

The machine here has a memory for every rank, full of rubbish until its caller has written the input and again once the
rank has left. Only the order of a rank's own groups and their waits bind it; all else is left to chance, or to an
adversary. A group is not atomic: each of its actions is an event of its own.
"""

import random
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from operator import add, or_

import pytest

from mpitrain.analysis import lowering
from mpitrain.analysis.conflicts import Wait
from mpitrain.analysis.lowering import lower
from mpitrain.collectives import binomial_tree, direct, halving_doubling, recursive_doubling, ring
from mpitrain.collectives.algorithm import Algorithm, whole
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import INPUT, LEFT, OUTPUT, Combine, Copy, Reduce, ScheduleError, Send, Step

ALGORITHMS = [algorithm for family in CATALOGUE.values() for algorithm in family.values()]
SIZES = (2, 3, 4, 5, 8)
EVERYWHERE = [pytest.param(a, size, id=f"{a}-{size}") for a in ALGORITHMS for size in SIZES]


class Machine:
    """Every rank's memory, and the events of a lowered schedule on it: (rank, group, action)."""

    def __init__(self, schedule, lowered, seed=0):
        self.schedule, self.lowered, self.random = schedule, lowered, random.Random(seed)
        self.memory = defaultdict(lambda: self.random.getrandbits(60))
        given = random.Random(99)  # The same input, whatever the seed.
        self.given = [[given.getrandbits(60) for _ in range(schedule.chunks)] for _ in range(schedule.size)]
        self.combine = add
        if schedule.algorithm.collective == "barrier":  # To hear of a rank twice does no harm.
            self.given, self.combine = [[1 << rank] for rank in range(schedule.size)], or_
        self.results = {}

    def space_given(self, rank):
        return OUTPUT if self.schedule.algorithm.kind.in_place and rank not in self.lowered.kept else INPUT

    def order(self, left_out=()):
        """What each event must wait for; `left_out` are pairs of a (rank, group) and one of its waits."""
        after = defaultdict(set)
        for rank, groups in enumerate(self.lowered.groups):
            last = None
            for number, group in enumerate(groups):
                events = [(rank, number, action) for action in range(max(1, len(group.actions)))]
                for wait in group.waits:
                    if ((rank, number), wait) not in left_out:
                        other = self.lowered.groups[wait.rank][wait.task]
                        assert other.awaited
                        after[events[0]].add((wait.rank, wait.task, max(0, len(other.actions) - 1)))
                for event in events:
                    after[event] |= {last} if last else set()
                    last = event
        return after

    def do(self, event):
        rank, number, at = event
        groups = self.lowered.groups[rank]
        if number == 0:
            self.forget(rank)  # until now its caller may have used all of it for something else
            space = self.space_given(rank)
            self.memory.update({(rank, space, chunk): value for chunk, value in enumerate(self.given[rank])})
        elif number == len(groups) - 1:
            self.results[rank] = [self.memory[rank, OUTPUT, chunk] for chunk in range(self.schedule.chunks)]
            for chunk in range(self.schedule.chunks):
                if rank in self.lowered.kept:
                    assert self.memory[rank, INPUT, chunk] == self.given[rank][chunk]
            self.forget(rank)
        else:
            self.act(groups[number].actions[at])

    def forget(self, rank):
        for cell in [cell for cell in self.memory if cell[0] == rank]:
            del self.memory[cell]

    def act(self, action):
        how = action.how
        for source, target in (
            zip(action.source.cells(), action.target.cells(), strict=True)
            if (action.source.staged is None and action.target.staged is None)
            else self.staged_pairs(action)
        ):
            value = self.memory[source] * (action.weight or 1)
            if isinstance(how, Reduce) and how.weight is not None:
                value = (1 - how.weight) * self.memory[target] + how.weight * value
            elif isinstance(how, Reduce | Combine):
                value = self.combine(self.memory[target], value)
            self.memory[target] = value

    def staged_pairs(self, action):
        """A staged message has one cell for each of its chunks."""
        sides = []
        for place in (action.source, action.target):
            length = place.chunks.stop - place.chunks.start
            sides.append([(place.rank, place.staged, i) for i in range(length)] if place.staged else [*place.cells()])
        return zip(*sides, strict=True)

    def run(self, choose, left_out=()):
        """All events, the next one always `choose(those that are ready)`. What the promise leaves open is left out."""
        sorter = TopologicalSorter(self.order(left_out))
        sorter.prepare()
        ready = []
        while sorter.is_active():
            ready += sorter.get_ready()
            event = choose(ready)
            ready.remove(event)
            self.do(event)
            sorter.done(event)
        return {
            (rank, chunk): self.results[rank][chunk]
            for rank in range(self.schedule.size)
            for chunk in range(self.schedule.chunks)
            if promised(self.schedule, rank, chunk)
        }


def promised(schedule, rank, chunk):
    collective = schedule.algorithm.collective
    return not (
        (collective in ("reduce", "gather") and rank != schedule.root)
        or (collective in ("reduce_scatter", "scatter") and rank != chunk)
        or (collective == "exscan" and rank == 0)
    )


def right(schedule, given):
    """What the collective is to give, in numbers."""
    ranks = range(schedule.size)
    of = {
        "allgather": lambda rank, chunk: given[chunk][chunk],
        "gather": lambda rank, chunk: given[chunk][chunk],
        "bcast": lambda rank, chunk: given[schedule.root][chunk],
        "scatter": lambda rank, chunk: given[schedule.root][chunk],
        "scan": lambda rank, chunk: sum(given[lower][chunk] for lower in range(rank + 1)),
        "alltoall": lambda rank, chunk: given[chunk][rank],
        "exscan": lambda rank, chunk: sum(given[lower][chunk] for lower in range(rank)),
        "barrier": lambda rank, chunk: (1 << schedule.size) - 1,
    }.get(schedule.algorithm.collective, lambda rank, chunk: sum(given[source][chunk] for source in ranks))
    return {(r, c): of(r, c) for r in ranks for c in range(schedule.chunks) if promised(schedule, r, c)}


def is_right(schedule, machine, results):
    """Gossip promises that the sum over the ranks stays."""
    wanted = right(schedule, machine.given)
    if schedule.algorithm.collective == "gossip":
        return sum(results.values()) == wanted[0, 0]
    return results == wanted


def by_chance(seed):
    """Some ranks are much faster than others."""
    chance = random.Random(seed)
    speeds = defaultdict(lambda: chance.random() ** 4)
    return lambda ready: max(ready, key=lambda event: chance.random() * speeds[event[0]])


def as_early_as_can_be(event, after):
    """An adversary: `event` comes before all that it need not wait for."""
    needed, found = [event], set()
    while needed:
        needed += after[(last := needed.pop())] - found
        found |= {last}
    return lambda ready: next((e for e in ready if e in found), ready[0])


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


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=str)
def test_no_size_is_staged_as_a_whole(algorithm, monkeypatch):
    """Only exchange races need staging: the way out for circles is never taken by the catalogue."""
    make = lowering._lower
    monkeypatch.setattr(lowering, "_lower", lambda schedule, direct: make(schedule, direct=True))
    for size in range(1, 18):
        groups = lower(algorithm.schedule(size)).groups
        assert len(groups) == size
        for own in groups:
            assert (own[0].actions, own[0].waits, own[-1].actions) == ((), (), ())


def in_words(schedule):
    return [
        [([str(action) for action in group.actions], [tuple(wait) for wait in group.waits]) for group in groups]
        for groups in lower(schedule).groups
    ]


def test_direct_allreduce_is_one_group_that_sums_and_hands_out():
    rank_0, _, rank_2 = in_words(direct.allreduce.schedule(3))
    assert rank_0 == [
        ([], []),
        (
            [
                "rank 0's 0 += rank 1's 0", "rank 0's 0 += rank 2's 0",
                "rank 2's 0 = rank 0's 0", "rank 1's 0 = rank 0's 0",
            ],
            [(1, 0), (2, 0)],
        ),
        ([], [(1, 1), (2, 1)]),
    ]  # fmt: skip
    assert [len(actions) for actions, _ in rank_2] == [0, 4, 0]


def test_a_broadcast_is_shared_by_all():
    """The root hands out one share; every other rank fetches its own and hands that on: as much for each."""
    for size in SIZES:
        work = [sum(len(group.actions) for group in groups) for groups in lower(direct.bcast.schedule(size)).groups]
        assert work == [size - 1] * size


def test_a_reduce_leaves_the_callers_memory_as_it_is():
    lowered = lower(direct.reduce.schedule(3, root=1))
    assert lowered.kept == {0, 2}
    assert [str(action) for action in lowered.groups[0][1].actions] == [
        "rank 0's 0 = rank 0's in.0", "rank 0's 0 += rank 1's 0", "rank 0's 0 += rank 2's in.0",
        "rank 1's 0 = rank 0's 0",
    ]  # fmt: skip
    assert lower(binomial_tree.reduce.schedule(2)).kept == frozenset(), "a leaf of the tree writes nothing"


def test_an_exchange_of_two_is_staged_and_acknowledged():
    rank_0, rank_1 = lower(recursive_doubling.allreduce.schedule(2)).groups
    assert [[str(a) for a in group.actions] for group in rank_0] == [
        [], ["message 3 = rank 1's 0"], ["rank 0's 0 += message 3"], [],
    ]  # fmt: skip
    assert rank_0[2].waits == (Wait(1, 1),)
    assert rank_1[2].actions[0].how.side is LEFT


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=str)
def test_only_exchanges_are_staged(algorithm, size):
    """Partners that exchange the whole race in every step; who gives one part and keeps another does not.

    Scan and exscan bring a room of their own for what arrives.
    """
    staged = [
        action
        for groups in lower(algorithm.schedule(size)).groups
        for group in groups
        for action in group.actions
        if action.target.staged is not None
    ]
    core = 1 << (size.bit_length() - 1)
    wanted = {
        "recursive_doubling.allreduce": core * (core.bit_length() - 1),
        "one_peer_exponential.gossip": size * (size - 1).bit_length(),
        "dissemination.barrier": size * (size - 1).bit_length(),
    }
    assert len(staged) == wanted.get(str(algorithm), 0)


def test_direct_algorithms_keep_ranks_in_step():
    """What calls without a plan rely on, to agree on where to go; a tree's leaves do not wait for each other."""
    for size in range(2, 34):
        for family in CATALOGUE.values():
            if "direct" in family:
                assert lower(family["direct"].schedule(size)).in_step
    for algorithm in (binomial_tree.bcast, ring.allgather):
        assert not lower(algorithm.schedule(4)).in_step


def test_a_ring_waits_for_its_neighbours_alone():
    for algorithm in (ring.allreduce, ring.reduce_scatter, ring.allgather):
        for rank, groups in enumerate(lower(algorithm.schedule(8)).groups):
            assert {wait.rank for group in groups for wait in group.waits} <= {(rank - 1) % 8, (rank + 1) % 8}


def test_two_ranks_halve_and_double_as_directly_as_direct():
    assert in_words(halving_doubling.allreduce.schedule(2)) == in_words(direct.allreduce.schedule(2))


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
