"""Segmented ring: a ring whose messages are short, for data of any length.

The data are cut into at least `segments` pieces, equally many for each rank's chunk. A chunk's pieces follow each other
round the ring, so that a rank is still summing one when the next is on its way, and each is summed while in cache.
Open MPI sums the first piece of every chunk in one lap, the second in the next, and hands chunks round whole.

    Open MPI, ompi/mca/coll/base/coll_base_allreduce.c: ring_segmented
    Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, JPDC 69(2), 2009
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective
from mpitrain.collectives.schedule import Copy, Reduce, ScheduleError, Send, Step


def pieces(size: int, segments: int) -> int:
    """Of each chunk."""
    if segments < 1:
        raise ScheduleError(f"segmented_ring: segments={segments}: expected 1 or more")
    return -(-segments // size)


def chunks_of(size: int, segments: int) -> int:
    """Pieces of all chunks."""
    return size * pieces(size, segments)


@collective("allreduce", chunks=chunks_of, segments=16)
def allreduce(rank: int, size: int, segments: int = 16) -> Iterator[Step]:
    """As the ring, piece by piece.

    steps      2 * (p - 1) * pieces(p, segments)
    bytes      2 * n * (p - 1) / p
    roundings  p - 1
    alike      yes
    order      any
    sizes      any
    paper      Open MPI, coll_base_allreduce.c; Patarasuk and Yuan, JPDC 69(2), 2009
    """
    left, right, each = (rank - 1) % size, (rank + 1) % size, pieces(size, segments)
    for lap, receive in ((1, Reduce), (0, Copy)):
        for k in range(lap, size - 1 + lap):
            given, taken = (rank - k) % size * each, (rank - k - 1) % size * each
            for piece in range(each):
                yield Step(send=[Send(right, given + piece)], recv=[receive(left, taken + piece)])
