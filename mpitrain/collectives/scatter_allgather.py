"""Scatter-allgather (van de Geijn): the root deals out shares down a binomial tree, then an allgather hands them round.

A broadcast of about 2 n bytes a rank, where a binomial tree's root sends n log2(p). With a ring as the allgather it is
the one for large data, with recursive doubling the one for middling data.

    Barnett, Gupta, Payne, Shuler, van de Geijn and Watts, Building a high-performance collective communication library,
    Supercomputing 1994
    Thakur, Rabenseifner and Gropp, Optimization of collective communication operations in MPICH, IJHPCA 19(1), 2005
"""

from collections.abc import Iterator, Mapping

from mpitrain.collectives.algorithm import Algorithm, collective, per_rank
from mpitrain.collectives.binomial_tree import family
from mpitrain.collectives.embedding import embed, part
from mpitrain.collectives.schedule import Copy, Send, Step


def terms(collective: str, size: int, allgather: str, root: int = 0) -> Mapping[str, Algorithm]:
    """What the card's formulas are made of, besides what all cards know."""
    return {"gathering": part("allgather", allgather)}


@collective("bcast", chunks=per_rank, ordered=True, allgather="ring")
def bcast(rank: int, size: int, allgather: str = "ring", root: int = 0) -> Iterator[Step]:
    """Chunk c is for the rank that comes c places after the root; a child gets those of its whole subtree.

    steps      at most ceil_log2(p) + steps(gathering, p)
    bytes      at most n * (p - 1) / p + n * bytes(gathering, p)
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Barnett et al., Supercomputing 1994
    """
    first = (rank - root) % size
    parent, children = family(rank, size, root)
    subtrees = [(child, (child - root) % size) for child in children]
    stop = min(first + (first & -first or size), size)
    if parent is not None:
        yield Step(recv=[Copy(parent, range(first, stop))])
    for child, start in reversed(subtrees):
        yield Step(send=[Send(child, range(start, stop))])
        stop = start
    ranks = [(root + place) % size for place in range(size)]
    yield from embed(part("allgather", allgather), rank, ranks, [[range(c, c + 1)] for c in range(size)], size)
