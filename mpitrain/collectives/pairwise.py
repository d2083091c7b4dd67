"""Pairwise exchange: in step k a rank gives to the one k places to its right, and takes from the one k to its left.

Every block goes straight to where it belongs, one a step, so that no port has two messages at a time: as few bytes as
there can be, for blocks of any lengths, in p - 1 steps.

    Thakur, Rabenseifner and Gropp, Optimization of collective communication operations in MPICH, IJHPCA 19(1), 2005
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective, per_rank
from mpitrain.collectives.schedule import INPUT, LEFT, OUTPUT, RIGHT, SCRATCH, Combine, Copy, Move, Reduce, Send, Step


@collective("alltoall", chunks=per_rank, ordered=True)
def alltoall(rank: int, size: int) -> Iterator[Step]:
    """Input chunk d is the block for rank d; output chunk s is the block from rank s.

    steps      p - 1
    bytes      n * (p - 1) / p
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
    """
    yield Step(local=[Move(INPUT[rank], OUTPUT[rank])])
    for k in range(1, size):
        right, left = (rank + k) % size, (rank - k) % size
        yield Step(send=[Send(right, INPUT[right])], recv=[Copy(left, OUTPUT[left])])


@collective("reduce_scatter", chunks=per_rank, ordered=True)
def reduce_scatter(rank: int, size: int) -> Iterator[Step]:
    """Chunk c is summed at rank c: the lower ranks' downwards from c - 1, then the higher ones' downwards from p - 1.

    To keep rank order, the higher ranks' sum grows in scratch, and is added on the right at the end.

    steps      p - 1
    bytes      n * (p - 1) / p
    roundings  p - 1
    alike      yes
    order      rank
    sizes      any
    paper      Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
    """
    mine, higher = OUTPUT[rank], SCRATCH[rank]
    for k in range(1, size):
        right, left = (rank + k) % size, (rank - k) % size
        receive: Copy | Reduce
        if left < rank:
            receive = Reduce(left, mine, LEFT)
        elif left == size - 1:
            receive = Copy(left, higher)
        else:
            receive = Reduce(left, higher, LEFT)
        last = [Combine(higher, mine, RIGHT)] if left == rank + 1 else []
        yield Step(send=[Send(right, right)], recv=[receive], local=last)
