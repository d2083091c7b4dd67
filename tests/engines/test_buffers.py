"""Callers' buffers, blocks and layouts on ranks that need not be there."""

import numpy as np
import pytest

from mpitrain.collectives.algorithm import collective, per_segment
from mpitrain.collectives.schedule import INPUT, OUTPUT, SCRATCH, ScheduleError
from mpitrain.engines.call import Call
from mpitrain.engines.fitting import fitted, segments_of
from mpitrain.engines.layout import Layout
from mpitrain.engines.placement import placement

ONES = np.ones(3)
WHOLE = np.ones(12)

FAULTS = {
    "a block that is not as long as its count": (
        ("gather", ONES), {"counts": [3, 2, 3, 3]},
        "gather: counts [3, 2, 3, 3]: expected 4 counts, one a rank, with the 3 given at 1",
    ),
    "too few counts": (
        ("gather", ONES), {"counts": [3, 3]},
        "gather: counts [3, 3]: expected 4 counts, one a rank, with the 3 given at 1",
    ),
    "too little room at the root": (
        ("gather", ONES), {"root": 1, "received": ONES}, "gather: receives 3 x float64: expected 12 x float64",
    ),
    "another type at the root": (
        ("gather", ONES), {"root": 1, "received": WHOLE.astype("f4")},
        "gather: receives 12 x float32: expected 12 x float64",
    ),
    "the root's block in another's place": (
        ("gather", WHOLE[:3]), {"root": 1, "received": WHOLE},
        "gather: the root's block overlaps the others': expected it in its own place, or elsewhere",
    ),
    "nothing to scatter": (
        ("scatter", None), {"root": 1, "received": ONES},
        "scatter: no buffer: expected all ranks' blocks at the root",
    ),
    "too little to scatter": (
        ("scatter", ONES), {"root": 1, "received": ONES}, "scatter: gives 3 x float64: expected 12 x float64",
    ),
    "a scatter's root": (("scatter", WHOLE), {"root": 4, "received": ONES}, "scatter: root 4: expected a rank below 4"),
    "a negative count": (
        ("alltoall", ONES), {"counts": [4, -1, 0, 0], "received_counts": [3, 0, 0, 0]},
        "alltoall: counts [4, -1, 0, 0]: expected 4 counts, one a rank, of 0 or more",
    ),
    "counts on one side": (
        ("alltoall", ONES), {"counts": [3, 0, 0, 0]},
        "alltoall: counts on one side only: expected both counts and received_counts, or none",
    ),
    "counts of another sum": (
        ("alltoall", ONES), {"counts": [1, 0, 0, 0], "received_counts": [1, 0, 0, 0]},
        "alltoall: counts [1, 0, 0, 0]: expected the sum 3",
    ),
    "no multiple": (("alltoall", ONES), {}, "alltoall: 3 elements: expected a multiple of the 4 ranks"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_named(fault):
    (name, buffer), arguments, text = FAULTS[fault]
    with pytest.raises(ValueError) as failure:
        Call(name, 1, 4, buffer, **arguments)
    assert str(failure.value) == text


def test_of_a_gather_only_the_root_has_the_whole():
    layout = Layout("gather", 2, [3, 0, 2])
    assert [layout.cuts(rank, INPUT) for rank in range(3)] == [(0, 3, 3, 3), (0, 0, 0, 0), (0, 0, 0, 2)]
    assert [layout.cuts(rank, OUTPUT)[-1] for rank in range(3)] == [0, 0, 5]
    assert layout.cuts(0, SCRATCH) == (0, 3, 3, 5)
    scatter = Layout("scatter", 2, [3, 0, 2])
    assert [scatter.of(rank, OUTPUT) for rank in range(3)] == [layout.of(rank, INPUT) for rank in range(3)]
    assert [scatter.of(rank, INPUT) for rank in range(3)] == [layout.of(rank, OUTPUT) for rank in range(3)]


def test_no_rank_knows_the_whole_of_an_alltoall_with_counts():
    call = Call("alltoall", 1, 2, ONES, counts=[1, 2], received_counts=[3, 2])
    assert (call.count, call.nbytes, call.received.size) == (0, 0, 5)
    assert [call.layout(2).of(1, space) for space in (INPUT, OUTPUT)] == [[1, 2], [3, 2]]
    assert call.layout(2).of(0, INPUT) == [0, 0]
    call.known = [([4, 3], [4, 1]), ([1, 2], [3, 2])]
    assert call.layout(2).of(0, INPUT) == [4, 3]


def pipelined(rank, size, segments=4, ranks_per_node=()):
    yield from ()


def test_segments_and_nodes_are_fitted_unless_they_were_asked_for():
    algorithm = collective("bcast", chunks=per_segment, segments=4, ranks_per_node=())(pipelined)
    assert dict(fitted(algorithm, 1 << 20, (2, 2)).parameters) == {"segments": 8, "ranks_per_node": (2, 2)}
    asked = algorithm.with_given(segments=3, ranks_per_node=4)
    assert fitted(asked, 1 << 20, None) == asked
    with pytest.raises(ScheduleError, match="ranks of a node do not follow each other: expected mpirun --map-by slot"):
        fitted(algorithm, 1 << 20, None)
    assert [segments_of(nbytes) for nbytes in (0, 1, 128 << 10, 129 << 10, 300 << 10, 1 << 40)] == [1, 1, 1, 2, 4, 64]


def test_nodes_are_numbered_as_they_come():
    assert placement([0, 0, 2, 2, 2], 3) == (1, 1, 3, (2, 3), (0, 0, 1, 1, 1))
    assert placement([0, 1, 0, 1], 2) == (0, 1, 2, None, (0, 1, 0, 1))
