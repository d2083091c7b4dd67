"""Linear: one rank talks with all others, or each with the next; what one writes first, and holds the others against.

Where data are handed out or taken in, all messages are under way at once; where they are summed, one follows the other,
so that the root needs room for one of them only. What Open MPI calls "basic linear", but that a sum starts at the root
and not at rank p - 1; both keep rank order.

    Pjesivac-Grbovic, Angskun, Bosilca, Fagg, Gabriel and Dongarra, Performance analysis of MPI collective operations,
    Cluster Computing 10(2), 2007
    Open MPI, ompi/mca/coll/base: basic_linear in coll_base_allreduce.c, coll_base_gather.c and coll_base_scatter.c,
    linear in coll_base_scan.c and coll_base_exscan.c
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective, per_rank, whole
from mpitrain.collectives.direct import others
from mpitrain.collectives.schedule import INPUT, LEFT, OUTPUT, RIGHT, SCRATCH, Combine, Copy, Move, Reduce, Send, Step


@collective("bcast", chunks=whole, ordered=True)
def bcast(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """The root sends the whole to everyone.

    steps      1 if p > 1 else 0
    bytes      n * (p - 1)
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Pjesivac-Grbovic et al., Cluster Computing 10(2), 2007
    """
    if rank != root:
        yield Step(recv=[Copy(root, 0)])
    elif size > 1:
        yield Step(send=[Send(peer, 0) for peer in others(root, size)])


@collective("reduce", chunks=whole, ordered=True)
def reduce(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """The root adds one rank after the other: downwards to rank 0 on the left, then upwards on the right.

    steps      p - 1
    bytes      n if p > 1 else 0
    roundings  p - 1
    alike      yes
    order      rank
    sizes      any
    paper      Pjesivac-Grbovic et al., Cluster Computing 10(2), 2007
    """
    if rank != root:
        yield Step(send=[Send(root, 0)])
        return
    for peer in reversed(range(root)):
        yield Step(recv=[Reduce(peer, 0, side=LEFT)])
    for peer in range(root + 1, size):
        yield Step(recv=[Reduce(peer, 0, side=RIGHT)])


@collective("allreduce", chunks=whole, ordered=True)
def allreduce(rank: int, size: int) -> Iterator[Step]:
    """Reduce to rank 0, then broadcast from it.

    steps      p if p > 1 else 0
    bytes      n * (p - 1)
    roundings  p - 1
    alike      yes
    order      rank
    sizes      any
    paper      Open MPI, coll_base_allreduce.c
    """
    yield from reduce(rank, size)
    yield from bcast(rank, size)


@collective("gather", chunks=per_rank, ordered=True)
def gather(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """Everyone sends its block to the root.

    steps      1 if p > 1 else 0
    bytes      n / p if p > 1 else 0
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Open MPI, coll_base_gather.c
    """
    if rank != root:
        yield Step(send=[Send(root, INPUT[rank])])
    else:
        yield Step(
            recv=[Copy(peer, OUTPUT[peer]) for peer in others(root, size)], local=[Move(INPUT[root], OUTPUT[root])]
        )


@collective("scatter", chunks=per_rank, ordered=True)
def scatter(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """The root sends everyone its block.

    steps      1 if p > 1 else 0
    bytes      n * (p - 1) / p
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Open MPI, coll_base_scatter.c
    """
    if rank != root:
        yield Step(recv=[Copy(root, OUTPUT[rank])])
    else:
        yield Step(
            send=[Send(peer, INPUT[peer]) for peer in others(root, size)], local=[Move(INPUT[root], OUTPUT[root])]
        )


@collective("alltoall", chunks=per_rank, ordered=True)
def alltoall(rank: int, size: int) -> Iterator[Step]:
    """Everyone sends everyone its block, all at once. Input chunk d is for rank d; output chunk s is from rank s.

    steps      1 if p > 1 else 0
    bytes      n * (p - 1) / p
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Pjesivac-Grbovic et al., Cluster Computing 10(2), 2007
    """
    yield Step(
        send=[Send(peer, INPUT[peer]) for peer in others(rank, size)],
        recv=[Copy(peer, OUTPUT[peer]) for peer in reversed(others(rank, size))],
        local=[Move(INPUT[rank], OUTPUT[rank])],
    )


@collective("scan", chunks=whole, ordered=True)
def scan(rank: int, size: int) -> Iterator[Step]:
    """Each rank adds its own to what the one before it has, and hands the sum to the next.

    steps      p - 1
    bytes      n if p > 1 else 0
    roundings  p - 1
    alike      yes
    order      rank
    sizes      any
    paper      Open MPI, coll_base_scan.c
    """
    if rank > 0:
        yield Step(recv=[Reduce(rank - 1, 0, side=LEFT)])
    if rank + 1 < size:
        yield Step(send=[Send(rank + 1, 0)])


@collective("exscan", chunks=whole, ordered=True)
def exscan(rank: int, size: int) -> Iterator[Step]:
    """As a scan, but each rank keeps what came (scratch 0) once it has handed the sum on. Rank 0 keeps its own.

    steps      p - 1
    bytes      n if p > 1 else 0
    roundings  max(p - 2, 0)
    alike      yes
    order      rank
    sizes      any
    paper      Open MPI, coll_base_exscan.c
    """
    lower = SCRATCH[0]
    if rank == 0:
        if size > 1:
            yield Step(send=[Send(1, 0)])
    elif rank == size - 1:
        yield Step(recv=[Copy(rank - 1, 0)])
    else:
        yield Step(recv=[Copy(rank - 1, lower)], local=[Combine(lower, OUTPUT[0], LEFT)])
        yield Step(send=[Send(rank + 1, 0)], local=[Move(lower, OUTPUT[0])])
