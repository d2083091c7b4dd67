"""Binomial tree: the root reaches one rank, both reach two more, those four reach four more, ...

In step k the set that has the data doubles, so that ceil(log2 p) steps reach everyone; every message is the whole data.
Counted from the root, a rank's parent is found by clearing the lowest bit that is set in its number.

    Thakur, Rabenseifner and Gropp, Optimization of collective communication operations in MPICH, IJHPCA 19(1), 2005
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective, whole
from mpitrain.collectives.schedule import Copy, Reduce, Send, Step


@collective("bcast", chunks=whole, ordered=True)
def bcast(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """From the root down, the largest subtree first.

    steps      ceil_log2(p)
    bytes      n * ceil_log2(p)
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
    """
    parent, children = family(rank, size, root)
    if parent is not None:
        yield Step(recv=[Copy(parent, 0)])
    for child in reversed(children):
        yield Step(send=[Send(child, 0)])


@collective("reduce", chunks=whole)
def reduce(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """From the leaves up, the smallest subtree first.

    Contributions stand in the order of the ranks counted from the root, which is rank order if the root is 0.

    steps      ceil_log2(p)
    bytes      n if p > 1 else 0
    roundings  ceil_log2(p)
    alike      yes
    order      any
    sizes      any
    paper      Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
    """
    parent, children = family(rank, size, root)
    for child in children:
        yield Step(recv=[Reduce(child, 0)])
    if parent is not None:
        yield Step(send=[Send(parent, 0)])


@collective("allreduce", chunks=whole, ordered=True)
def allreduce(rank: int, size: int) -> Iterator[Step]:
    """Reduce to rank 0, then broadcast from it.

    steps      2 * ceil_log2(p)
    bytes      n * ceil_log2(p)
    roundings  ceil_log2(p)
    alike      yes
    order      rank
    sizes      any
    paper      Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
    """
    yield from reduce(rank, size)
    yield from bcast(rank, size)


def family(rank: int, size: int, root: int) -> tuple[int | None, list[int]]:
    """The parent (None for the root) and the children, smallest subtree first."""
    relative = (rank - root) % size
    children = []
    bit = 1
    while bit < size and not relative & bit:
        if relative + bit < size:
            children.append((relative + bit + root) % size)
        bit *= 2
    return (None if relative == 0 else (relative - bit + root) % size), children
