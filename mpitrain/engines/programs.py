"""What is worked out from an algorithm once, and kept, since training calls the same collectives again and again."""

from functools import lru_cache

from mpitrain.analysis.lowering import Lowered, lower
from mpitrain.collectives.algorithm import Algorithm, Schedule
from mpitrain.collectives.schedule import Program


def schedule_of(algorithm: Algorithm, size: int, root: int) -> Schedule:
    """`root` matters where there is one only."""
    return algorithm.schedule(size, root=root) if algorithm.rooted else algorithm.schedule(size)


@lru_cache(maxsize=256)
def program_of(algorithm: Algorithm, rank: int, size: int, root: int) -> Program:
    """A rank's steps."""
    return schedule_of(algorithm, size, root).program(rank)


@lru_cache(maxsize=64)
def lowered_of(algorithm: Algorithm, size: int, root: int) -> Lowered:
    """All ranks' groups in shared memory."""
    return lower(schedule_of(algorithm, size, root))
