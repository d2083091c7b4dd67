"""Ranks in shared memory, each stopped at random between any two of its reads, writes and flags: sums stay right.

Here every action first reads its source and then writes its target, with pauses before, between and after. And to know
that this would find a fault: with any single wait left out, it does.
"""

import random
import time
from functools import partial
from itertools import count

import numpy as np
import pytest
from cases import EVERY, case, contributions
from mpi4py import MPI

from mpitrain.analysis.lowering import lower
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.engines import call_memory, tiles
from mpitrain.engines.mpi import MPIWorld

pytestmark = pytest.mark.mpi

SEEDS = 100
PATIENCE = 40.0  # seconds until the waits that are missing must have been noticed


class Pauses:
    """Mostly none, so that races are run; sometimes long, so that others overtake."""

    def __init__(self, rank):
        self.rank, self.slow = rank, None
        self.seed(0)

    def seed(self, seed):
        self.random = random.Random(seed * 64 + self.rank)
        self.share = self.random.choice((0.02, 0.2))  # some ranks are slow throughout
        if self.slow is not None:
            self.share = 0.5 if self.rank == self.slow else 0.01

    def __call__(self):
        if self.random.random() < self.share:
            time.sleep(self.random.random() ** 3 * 3e-4)


@pytest.fixture
def pausing(monkeypatch):
    """A world on the shared engine that pauses everywhere, on very small tiles, and its pauses.

    Not in checked mode: to compare calls keeps the ranks in step, and would hide waits that are missing.
    """
    monkeypatch.setenv("MPITRAIN_CHECK", "0")
    world = MPIWorld(MPI.COMM_WORLD, engine="shared") if MPI.COMM_WORLD.size > 1 else None
    if world is None:
        yield None, None
        return
    pauses, bound, sync = Pauses(world.rank), tiles._bound, world.shared.sync

    def act(held, source, action):
        pauses()
        held[...] = source
        pauses()
        action()

    def pausing_bound(action, source, target, op):
        held = np.empty_like(source)
        return partial(act, held, source, bound(action, held, target, op))

    def pausing_sync():  # after a wait, and before a flag
        pauses()
        sync()

    monkeypatch.setattr(tiles, "_bound", pausing_bound)
    monkeypatch.setattr(world.shared, "sync", pausing_sync)
    yield world, pauses
    monkeypatch.undo()
    world.close()


def wrong_results(world, pauses, collective, algorithm, seeds=range(SEEDS)):
    """For how many seeds this rank's result is not what NumPy says. Nothing but the call itself keeps ranks in step."""
    size, rank, root = world.size, world.rank, world.size - 1
    count = 2 * size
    given, room, arguments, _ = case(collective, contributions(size, count), rank, root, equal_blocks=True)
    buffer, into = world.empty(count, "float64")[: np.size(given)], world.empty(count, "float64")[: room or 0]
    received = {} if room is None else {"received": into}
    plan = world.plan(collective, None if given is None else buffer, algorithm=algorithm, **received, **arguments)
    wrong = 0
    for seed in seeds:
        pauses.seed(seed)
        given, *_, wanted = case(collective, contributions(size, count, seed), rank, root, equal_blocks=True)
        if given is not None:
            buffer[:] = given
        got = plan.run()
        if wanted is not None and not np.array_equal(got, wanted):
            wrong += 1
    plan.free()
    return wrong


@pytest.mark.parametrize(("collective", "algorithm"), EVERY)
def test_sums_stay_right_however_ranks_are_delayed(pausing, collective, algorithm):
    world, pauses = pausing
    if world is None:
        return
    assert wrong_results(world, pauses, collective, algorithm) == 0


def waits_of(lowered):
    return [
        (rank, number, wait)
        for rank, groups in enumerate(lowered.groups)
        for number, group in enumerate(groups)
        for wait in group.waits
    ]


def without(lowered, rank, number, wait):
    groups = [list(own) for own in lowered.groups]
    group = groups[rank][number]
    groups[rank][number] = group._replace(waits=tuple(other for other in group.waits if other != wait))
    return lowered._replace(groups=tuple(tuple(own) for own in groups))


@pytest.mark.parametrize("algorithm", ["direct", "ring", "recursive_doubling", "binomial_tree"])
def test_a_wait_left_out_is_found(pausing, algorithm, monkeypatch):
    world, pauses = pausing
    if world is None:
        return
    whole = lower(CATALOGUE["allreduce"][algorithm].schedule(world.size))
    waits = waits_of(whole)
    began = time.monotonic()
    for chosen in random.Random(algorithm).sample(waits, min(3, len(waits))):
        monkeypatch.setattr(call_memory, "lowered_of", lambda *_, chosen=chosen: without(whole, *chosen))
        pauses.slow = chosen[2].rank
        found = False
        for first in count(0, 20):  # on a busy machine it may take long until ranks meet just so
            wrong = wrong_results(world, pauses, "allreduce", algorithm, range(first, first + 20))
            found, late = MPI.COMM_WORLD.allreduce(np.array([wrong > 0, time.monotonic() - began > PATIENCE]))
            if found or late:
                break
        assert found, f"nobody noticed that rank {chosen[0]} group {chosen[1]} does not wait for {chosen[2]}"
