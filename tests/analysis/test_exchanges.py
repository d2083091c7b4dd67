"""Algorithms with parameters of their own, at other values than the default, and what the papers say of them."""

import numpy as np
import pytest

from mpitrain.analysis import card
from mpitrain.analysis.prove import prove
from mpitrain.collectives.catalogue import find
from mpitrain.collectives.recursive_multiplying import groups
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.collectives.swing import partner

SIZES = range(1, 18)
WRITTEN = [
    *(("allreduce", f"segmented_ring(segments={segments})", SIZES) for segments in (1, 2, 3, 8)),
    *(("allreduce", f"recursive_multiplying(radix={radix})", range(1, 34)) for radix in (2, 3, 4, 5, 16)),
    *(("allreduce", f"torus(rows={rows})", range(rows, 18, rows)) for rows in (1, 2, 3, 4, 5)),
    *(("bcast", f"scatter_allgather(allgather={name})", SIZES) for name in ("recursive_doubling", "bruck", "direct")),
    ("bcast", "scatter_allgather(allgather=neighbour_exchange)", SIZES),
]


@pytest.mark.parametrize(("collective", "name", "sizes"), WRITTEN, ids=[case[1] for case in WRITTEN])
def test_proved_and_as_the_card_says(collective, name, sizes):
    algorithm = find(collective, name)
    for size in sizes:
        for schedule in algorithm.schedules(size)[:: max(1, size // 2)]:
            proof = prove(schedule)
            card.check(schedule, proof)
            assert proof.ordered or not algorithm.ordered


def test_halving_keeps_rank_order_with_any_root():
    for size in SIZES:
        assert all(prove(schedule).ordered for schedule in find("reduce", "halving_gather").schedules(size))


def test_swing_partners_are_those_of_the_paper():
    """De Sensi et al., sums of (-2)^i: of rank 0 of 16 in turn 1, 15, 3 and 11, and the distances 1, 1, 3, 5, 11."""
    assert [partner(0, step, 16) for step in range(4)] == [1, 15, 3, 11]
    assert [partner(1, step, 16) for step in range(4)] == [0, 2, 14, 6]
    assert [partner(0, step, 64) % 64 for step in range(5)] == [1, 63, 3, 59, 11]


def test_the_most_ranks_that_groups_can_have():
    assert groups(1, 4) == []
    assert groups(7, 2) == [2, 2]
    assert groups(12, 4) == [3, 4] and groups(12, 12) == [12] and groups(13, 12) == [12]
    for radix in range(2, 9):
        for size in range(2, 100):
            found = groups(size, radix)
            assert max(found) <= radix and size // 2 < np.prod(found) <= size
            assert len(groups(radix**2, radix)) <= 2 or radix == 6


def test_neighbours_talk_to_neighbours_only():
    for size in (2, 6, 12):
        for rank, program in enumerate(find("allgather", "neighbour_exchange").schedule(size).programs):
            assert {send.peer for step in program for send in step.send} <= {(rank - 1) % size, (rank + 1) % size}


def test_both_ways_carry_the_same():
    """Half of the data each way in every step."""
    for program in find("allreduce", "bidirectional_ring").schedule(6).programs:
        rank = program[0].send[0].peer - 1
        for step in program:
            assert [send.peer for send in step.send] == [(rank + 1) % 6, (rank - 1) % 6]


@pytest.mark.parametrize(
    ("collective", "name", "text"),
    [
        ("allreduce", "torus(rows=3)", "torus: rows=3 at size 8: expected a divisor"),
        ("allreduce", "recursive_multiplying(radix=1)", "recursive_multiplying: radix=1: expected 2 or more"),
        ("allreduce", "segmented_ring(segments=0)", "segmented_ring: segments=0: expected 1 or more"),
        (
            "bcast",
            "scatter_allgather(allgather=swing)",
            "no algorithm 'swing' for allgather: expected ring or",
        ),
    ],
)
def test_what_cannot_be_is_said(collective, name, text):
    with pytest.raises(ScheduleError) as error:
        prove(find(collective, name).schedule(8))
    assert str(error.value).startswith(text)
