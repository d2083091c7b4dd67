"""Bidirectional ring: half of the data goes round to the right, the other half to the left, at the same time.

A link that carries both ways at once, between neighbours, is then busy both ways. Where a rank has one port for all it
sends, nothing is gained over a ring.

    Jain and Sabharwal, Optimal bucket algorithms for large MPI collectives on torus interconnects, ICS 2010
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective
from mpitrain.collectives.schedule import Copy, Reduce, Send, Step


def two_per_rank(size: int) -> int:
    """Chunk c goes round to the right, chunk p + c to the left."""
    return 2 * size


@collective("allreduce", chunks=two_per_rank)
def allreduce(rank: int, size: int) -> Iterator[Step]:
    """Two rings, each other's mirror image: one lap to sum, one to hand the sums round.

    steps      2 * (p - 1)
    bytes      2 * n * (p - 1) / p
    roundings  p - 1
    alike      yes
    order      any
    sizes      any
    paper      Jain and Sabharwal, ICS 2010
    """
    left, right = (rank - 1) % size, (rank + 1) % size
    for lap, receive in ((1, Reduce), (0, Copy)):
        for k in range(lap, size - 1 + lap):
            yield Step(
                send=[Send(right, (rank - k) % size), Send(left, size + (rank + k) % size)],
                recv=[receive(left, (rank - k - 1) % size), receive(right, size + (rank + k + 1) % size)],
            )
