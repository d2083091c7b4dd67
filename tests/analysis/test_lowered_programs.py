"""What lowering makes of the catalogue's schedules: who does how much, what is staged, and who waits for whom."""

import pytest

from mpitrain.analysis import lowering
from mpitrain.analysis.conflicts import Wait
from mpitrain.analysis.lowering import lower
from mpitrain.collectives import binomial_tree, direct, halving_doubling, recursive_doubling, ring
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import LEFT

ALGORITHMS = [algorithm for family in CATALOGUE.values() for algorithm in family.values()]
SIZES = (2, 3, 4, 5, 8)


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
