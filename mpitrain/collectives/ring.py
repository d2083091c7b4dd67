"""Ring: a rank only ever talks to its two neighbours.

The data are cut into p chunks, one per rank. In each step every rank passes one chunk to the right, so that all links
are busy all the time, and no algorithm sends fewer bytes. The price is a number of steps that grows with p.

    Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, JPDC 69(2), 2009
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective, per_rank
from mpitrain.collectives.schedule import Copy, Reduce, Send, Step


@collective("reduce_scatter", chunks=per_rank)
def reduce_scatter(rank: int, size: int) -> Iterator[Step]:
    """Chunk c sets out from rank c + 1 and comes home to rank c fully summed.

    steps      p - 1
    bytes      n * (p - 1) / p
    roundings  p - 1
    alike      yes
    order      any
    sizes      any
    paper      Patarasuk and Yuan, JPDC 69(2), 2009
    """
    left, right = (rank - 1) % size, (rank + 1) % size
    for k in range(1, size):
        yield Step(send=[Send(right, (rank - k) % size)], recv=[Reduce(left, (rank - k - 1) % size)])


@collective("allgather", chunks=per_rank, ordered=True)
def allgather(rank: int, size: int) -> Iterator[Step]:
    """Chunk c sets out from rank c and stops at rank c - 1, one lap later.

    steps      p - 1
    bytes      n * (p - 1) / p
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Patarasuk and Yuan, JPDC 69(2), 2009
    """
    left, right = (rank - 1) % size, (rank + 1) % size
    for k in range(size - 1):
        yield Step(send=[Send(right, (rank - k) % size)], recv=[Copy(left, (rank - k - 1) % size)])


@collective("allreduce", chunks=per_rank)
def allreduce(rank: int, size: int) -> Iterator[Step]:
    """One lap in which every chunk is summed, a second in which the sums go round.

    steps      2 * (p - 1)
    bytes      2 * n * (p - 1) / p
    roundings  p - 1
    alike      yes
    order      any
    sizes      any
    paper      Patarasuk and Yuan, JPDC 69(2), 2009
    """
    yield from reduce_scatter(rank, size)
    yield from allgather(rank, size)
