"""Binomial tree: the root reaches one rank, both reach two more, those four reach four more, ...

In step k the set that has the data doubles, so that ceil(log2 p) steps reach everyone. A message is the whole data, or
in gather and scatter the blocks of the child's subtree. Counted from the root, a rank's parent is found by clearing the
lowest bit that is set in its number, and a subtree is a row of ranks.

    Thakur, Rabenseifner and Gropp, Optimization of collective communication operations in MPICH, IJHPCA 19(1), 2005
    (gather and scatter as parts of its long reduce and broadcast)
    Open MPI, ompi/mca/coll/base/coll_base_barrier.c: tree
    Mellor-Crummey and Scott, Algorithms for scalable synchronization on shared-memory multiprocessors, ACM TOCS 9(1),
    1991 (the tournament barrier: up and down the same tree)
"""

from collections.abc import Iterator
from itertools import pairwise

from mpitrain.collectives.algorithm import collective, per_rank, whole
from mpitrain.collectives.schedule import INPUT, OUTPUT, SCRATCH, Chunks, Copy, Move, Reduce, Send, Space, Step


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


@collective("barrier", chunks=whole, ordered=True)
def barrier(rank: int, size: int) -> Iterator[Step]:
    """Who has come is told up the tree, then down. The data are a token, which stands for those who have come.

    steps      2 * ceil_log2(p)
    bytes      n * ceil_log2(p)
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Open MPI, coll_base_barrier.c; Mellor-Crummey and Scott, ACM TOCS 9(1), 1991
    """
    yield from allreduce(rank, size)


@collective("gather", chunks=per_rank, ordered=True)
def gather(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """From the leaves up, the smallest subtree first. On the way, blocks gather in scratch.

    steps      ceil_log2(p)
    bytes      n / p * max(core // 2, guests)
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
    """
    parent, up, down = blocks(rank, size, root, at_root=OUTPUT, at_leaf=INPUT)
    if parent is None or down:
        yield Step(local=[Move(INPUT[rank], (OUTPUT if parent is None else SCRATCH)[rank])])
    for child, theirs in down:
        yield Step(recv=[Copy(child, chunks) for chunks in theirs])
    if parent is not None:
        yield Step(send=[Send(parent, chunks) for chunks in up])


@collective("scatter", chunks=per_rank, ordered=True)
def scatter(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """From the root down, the largest subtree first. On the way, blocks stay in scratch.

    steps      ceil_log2(p)
    bytes      n * (p - 1) / p
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
    """
    parent, up, down = blocks(rank, size, root, at_root=INPUT, at_leaf=OUTPUT)
    if parent is not None:
        yield Step(recv=[Copy(parent, chunks) for chunks in up])
    for child, theirs in reversed(down):
        yield Step(send=[Send(child, chunks) for chunks in theirs])
    if parent is None or down:
        yield Step(local=[Move((INPUT if parent is None else SCRATCH)[rank], OUTPUT[rank])])


Blocks = list[Chunks]
"""What goes from one rank to another in one step: one message for each."""


def blocks(
    rank: int, size: int, root: int, at_root: Space, at_leaf: Space
) -> tuple[int | None, Blocks, list[tuple[int, Blocks]]]:
    """The parent, and the blocks to exchange with it; the children and theirs, smallest subtree first.

    A row of ranks that goes on from p - 1 to 0 goes on in scratch too, whose chunk p is as long as chunk 0, and is one
    message; only the root has it in two pieces.
    """
    parent, children = family(rank, size, root)
    relative = (rank - root) % size
    end = rank + min(relative & -relative or size, size - relative)
    ends = [*(rank + (child - rank) % size for child in children), end]
    down = []
    for child, (first, stop) in zip(children, pairwise(ends), strict=True):
        if parent is None:
            row = pieces(child, child + stop - first, size)
            down.append((child, [at_root[a % size : (b - 1) % size + 1] for a, b in row]))
        else:
            down.append((child, [SCRATCH[first:stop]]))
    if not children:
        return parent, [at_leaf[rank]], down
    row = pieces(rank, end, size) if parent == root else [(rank, end)]
    return parent, [SCRATCH[first:stop] for first, stop in row], down


def pieces(first: int, stop: int, size: int) -> list[tuple[int, int]]:
    """A row of ranks, cut where it goes on from p - 1 to 0."""
    return [(first, stop)] if stop <= size else [(first, size), (size, stop)]


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
