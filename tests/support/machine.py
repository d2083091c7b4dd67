"""A machine with a memory for every rank, on which a lowered schedule runs in any order that its waits allow.

The memories are full of rubbish until their rank's caller has written the input, and again once the rank has left. Only
the order of a rank's own groups and their waits bind the machine; all else is left to chance, or to an adversary. A
group is not atomic: each of its actions is an event of its own.
"""

import random
from collections import defaultdict
from graphlib import TopologicalSorter
from operator import add, or_

from mpitrain.collectives.schedule import INPUT, OUTPUT, Combine, Reduce


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
