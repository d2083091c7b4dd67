"""Central: rank 0 waits until all have come, then lets all go.

Two steps, however many ranks; but all messages meet at one port, so that the time grows with their number.

    Open MPI, ompi/mca/coll/base/coll_base_barrier.c: basic_linear
    Mellor-Crummey and Scott, Algorithms for scalable synchronization on shared-memory multiprocessors,
    ACM TOCS 9(1), 1991 (the centralised barrier, with a counter in place of rank 0)
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective, whole
from mpitrain.collectives.schedule import Reduce, Send, Step


@collective("barrier", chunks=whole, ordered=True)
def barrier(rank: int, size: int) -> Iterator[Step]:
    """The data are a token, which stands for those who have come.

    steps      2 if p > 1 else 0
    bytes      n * (p - 1)
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Open MPI, coll_base_barrier.c; Mellor-Crummey and Scott, ACM TOCS 9(1), 1991
    """
    if rank != 0:
        yield Step(send=[Send(0, 0)])
        yield Step(recv=[Reduce(0, 0)])
    elif size > 1:
        yield Step(recv=[Reduce(peer, 0) for peer in range(1, size)])
        yield Step(send=[Send(peer, 0) for peer in range(1, size)])
