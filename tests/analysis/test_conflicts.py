"""Ranks that pull from each other's memory, in any order that the conflicts allow, get what messages would bring.

The machine here has a memory for every rank, full of rubbish until its caller has written the input and again once the
rank has returned. Its events are those of the analysis: a step reads each message, then writes. Only the order of a
rank's own steps and the conflicts bind them; all else is left to chance, or to an adversary.
"""

import random
from collections import defaultdict, deque
from graphlib import TopologicalSorter

import pytest

from mpitrain.analysis.conflicts import READ_AFTER_WRITE, WRITE_AFTER_READ, Access, Conflict, conflicts, exchange_races
from mpitrain.collectives import recursive_doubling, ring
from mpitrain.collectives.algorithm import Algorithm, whole
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.folding import core_size
from mpitrain.collectives.schedule import INPUT, OUTPUT, Copy, Move, ScheduleError, Send, Step

ALGORITHMS = [algorithm for family in CATALOGUE.values() for algorithm in family.values()]
SIZES = (2, 3, 4, 5, 8)
EVERYWHERE = [pytest.param(a, size, id=f"{a}-{size}") for a in ALGORITHMS for size in SIZES]


def cells(chunks):
    return [(chunks.space, chunk) for chunk in range(chunks.start, chunks.stop)]


class Machine:
    """Every rank's memory, and the events of a schedule on it."""

    def __init__(self, schedule, seed=0):
        self.schedule, self.random = schedule, random.Random(seed)
        self.memory = [defaultdict(self.rubbish) for _ in range(schedule.size)]
        given = random.Random(99)  # The same input, whatever the seed.
        self.given = [[given.getrandbits(60) for _ in range(schedule.chunks)] for _ in range(schedule.size)]
        self.inbox, self.results = {}, {}
        self.sources = self.match()

    def rubbish(self):
        return self.random.getrandbits(60)

    def match(self):
        """For each receive (rank, step, number) the send that it meets: messages of a pair of ranks match in order."""
        sent = defaultdict(deque)
        for rank, program in enumerate(self.schedule.programs):
            for step in program:
                for send in step.send:
                    sent[rank, send.peer].append(send)
        return {
            Access(rank, number, k): (receive.peer, sent[receive.peer, rank].popleft())
            for rank, program in enumerate(self.schedule.programs)
            for number, step in enumerate(program)
            for k, receive in enumerate(step.recv)
        }

    def order(self, bound):
        """What each event must wait for: its own rank's events, and the conflicts in `bound`."""
        after = defaultdict(set)
        for rank, program in enumerate(self.schedule.programs):
            for number in range(len(program) + 1):
                after[Access(rank, number)].add(Access(rank, number - 1))
        for event in self.sources:
            after[event].add(Access(event.rank, event.step - 1))
            after[Access(event.rank, event.step)].add(event)
        for conflict in bound:
            after[conflict.then].add(conflict.first)
        return after

    def do(self, event):
        rank, number, receive = event
        if receive is not None:
            peer, send = self.sources[event]
            weight = 1 if send.weight is None else send.weight
            self.inbox[event] = [self.memory[peer][cell] * weight for cell in cells(send.chunks)]
        elif number < 0:
            space = OUTPUT if self.schedule.algorithm.in_place else INPUT
            self.memory[rank].update({(space, chunk): value for chunk, value in enumerate(self.given[rank])})
        elif number == len(self.schedule.programs[rank]):
            self.results[rank] = [self.memory[rank][OUTPUT, chunk] for chunk in range(self.schedule.chunks)]
            self.memory[rank] = defaultdict(self.rubbish)
        else:
            self.write(rank, number, self.schedule.programs[rank][number])

    def write(self, rank, number, step):
        memory = self.memory[rank]
        for k, receive in enumerate(step.recv):
            for cell, value in zip(cells(receive.chunks), self.inbox[rank, number, k], strict=True):
                memory[cell] = value if isinstance(receive, Copy) else combined(memory[cell], value, receive)
        for action in step.local:
            values = [memory[cell] for cell in cells(action.source)]
            for cell, value in zip(cells(action.target), values, strict=True):
                memory[cell] = value if isinstance(action, Move) else memory[cell] + value

    def run(self, bound, choose):
        """All events, the next one always `choose(those that are ready)`. What the promise leaves open is left out."""
        sorter = TopologicalSorter(self.order(bound))
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


def combined(own, incoming, receive):
    return own + incoming if receive.weight is None else (1 - receive.weight) * own + receive.weight * incoming


def promised(schedule, rank, chunk):
    collective = schedule.algorithm.collective
    return not (
        (collective == "reduce" and rank != schedule.root)
        or (collective == "reduce_scatter" and rank != chunk)
        or (collective == "exscan" and rank == 0)
    )


def right(schedule):
    """What the collective is to give, in numbers."""
    given, ranks = Machine(schedule).given, range(schedule.size)
    of = {
        "allgather": lambda rank, chunk: given[chunk][chunk],
        "bcast": lambda rank, chunk: given[schedule.root][chunk],
        "alltoall": lambda rank, chunk: given[chunk][rank],
        "exscan": lambda rank, chunk: sum(given[lower][chunk] for lower in range(rank)),
    }.get(schedule.algorithm.collective, lambda rank, chunk: sum(given[source][chunk] for source in ranks))
    return {(r, c): of(r, c) for r in ranks for c in range(schedule.chunks) if promised(schedule, r, c)}


def is_right(schedule, results):
    """Gossip promises that the sum over the ranks stays."""
    if schedule.algorithm.collective == "gossip":
        return sum(results.values()) == right(schedule)[0, 0]
    return results == right(schedule)


def by_chance(seed):
    """Some ranks are much faster than others."""
    chance = random.Random(seed)
    speeds = defaultdict(lambda: chance.random() ** 4)
    return lambda ready: max(ready, key=lambda event: chance.random() * speeds[event.rank])


def as_early_as_can_be(event, after):
    """An adversary: `event` comes before all that it need not wait for."""
    needed, found = [event], set()
    while needed:
        needed += after[(last := needed.pop())] - found
        found |= {last}
    return lambda ready: next((e for e in ready if e in found), ready[0])


@pytest.mark.parametrize(("algorithm", "size"), EVERYWHERE)
def test_any_order_that_the_conflicts_allow_is_right(algorithm, size):
    for schedule in {str(s): s for s in (algorithm.schedules(size)[0], algorithm.schedules(size)[-1])}.values():
        found = conflicts(schedule)
        for seed in range(6):
            assert is_right(schedule, Machine(schedule, seed).run(found, by_chance(seed)))


# These send what nobody needs, so that a conflict may be harmless: exscan's totals go down as well as up, and the
# broadcast's doubling hands shares to ranks that the tree has given them already.
WASTEFUL = ("recursive_doubling.exscan", "halving_doubling.bcast")


@pytest.mark.parametrize(("algorithm", "size"), [case for case in EVERYWHERE if str(case.values[0]) not in WASTEFUL])
def test_no_conflict_can_be_left_out(algorithm, size):
    schedule = algorithm.schedule(size)
    found = conflicts(schedule)
    for conflict in found[:: max(1, len(found) // 40)]:
        others = [other for other in found if other != conflict]
        machine = Machine(schedule)
        results = machine.run(others, as_early_as_can_be(conflict.then, machine.order(others)))
        assert not is_right(schedule, results), f"{conflict}: not needed"


def test_an_exchange_of_two_by_hand():
    """Each reads what the other had when it entered, and overwrites its own once the other has read it."""
    expected = set()
    for rank, peer in ((0, 1), (1, 0)):
        reads, writes = Access(rank, 0, receive=0), Access(peer, 0)
        expected.add(Conflict(READ_AFTER_WRITE, Access(peer, -1), reads, OUTPUT[0]))
        expected.add(Conflict(WRITE_AFTER_READ, reads, writes, OUTPUT[0]))
    assert set(conflicts(recursive_doubling.allreduce.schedule(2))) == expected


def test_a_ring_waits_for_the_left_neighbour_and_once_for_the_right():
    """A chunk is summed at its left neighbour before it is read; it comes round again only after it has been read.

    The one thing left to wait for is the end: the right neighbour must have read the last chunk before a rank returns.
    """
    for size in (3, 4, 5, 8):
        steps = 2 * (size - 1)
        found = conflicts(ring.allreduce.schedule(size))
        reads = [(c.then[:2], c.first[:2]) for c in found if c.kind is READ_AFTER_WRITE]
        assert reads == [((q, j), ((q - 1) % size, j - 1)) for q in range(size) for j in range(steps)]
        writes = [(c.then[:2], c.first[:2]) for c in found if c.kind is WRITE_AFTER_READ]
        assert writes == [((r, steps), ((r + 1) % size, steps - 1)) for r in range(size)]


def test_conflicts_in_words():
    found = conflicts(ring.allreduce.schedule(3))
    assert str(found[1]) == "rank 0 step 1 reads 0 of rank 2 after its step 0 writes it"
    assert str(found[4]) == "rank 1 step 3 reads 2 of rank 0 before its step 4 writes it"


@pytest.mark.parametrize(("algorithm", "size"), EVERYWHERE)
def test_exchange_races(algorithm, size):
    """Partners that exchange the whole race in every step; who gives one part and keeps another does not."""
    races = exchange_races(algorithm.schedule(size))
    core, rounds = core_size(size), core_size(size).bit_length() - 1
    if str(algorithm) == "recursive_doubling.allreduce":
        assert len(races) == core * rounds
    elif str(algorithm) == "one_peer_exponential.gossip":
        assert races == tuple((rank, step) for rank in range(size) for step in range((size - 1).bit_length()))
    elif str(algorithm) == "recursive_doubling.exscan":
        messages = sum(rank ^ 1 << k < size for rank in range(size) for k in range((size - 1).bit_length()))
        assert len(races) == messages
    else:
        assert races == ()


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
    schedule = Algorithm("allreduce", "a_step_read", lambda rank, size: iter(programs[rank]), lambda size: 2).schedule(
        4
    )
    given = Machine(schedule).given
    for seed in range(50):
        results = Machine(schedule, seed).run(conflicts(schedule), by_chance(seed))
        assert (results[1, 0], results[1, 1]) == (given[0][0], given[3][0])


def test_what_cannot_be_walked_has_no_conflicts():
    stuck = Algorithm("bcast", "stuck", lambda rank, size: iter([Step(recv=[Copy(1 - rank, 0)])]), whole)
    with pytest.raises(ScheduleError, match="deadlock"):
        conflicts(stuck.schedule(2))
