"""Fit an algorithm's parameters to the data and the machine, where nobody has asked for others."""

from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import ScheduleError

SEGMENT = 128 << 10
"""Bytes of a segment, about: long enough for its message's cost to be small, short enough to fill a pipeline."""

MOST_SEGMENTS = 64


def fitted(algorithm: Algorithm, nbytes: int, node_sizes: tuple[int, ...] | None) -> Algorithm:
    """`nbytes` are those of the whole; `node_sizes` as in `Placement`. Alike on all ranks, since these are.

    `ScheduleError` for an algorithm of nodes where a node's ranks do not follow each other.
    """
    if node_sizes is None and "ranks_per_node" in dict(algorithm.parameters).keys() - algorithm.given:
        raise ScheduleError(f"{algorithm}: ranks of a node do not follow each other: expected mpirun --map-by slot")
    return algorithm.fitted(segments=segments_of(nbytes), ranks_per_node=node_sizes or ())


def segments_of(nbytes: int) -> int:
    """How many segments: a power of two, so that sizes that are alike share a schedule."""
    wanted = max(1, min(MOST_SEGMENTS, -(-nbytes // SEGMENT)))
    return 1 << (wanted - 1).bit_length()
