"""Direct: every rank answers for one share and fetches it, or hands it out, straight from and to all others.

One step where others need many, and p - 1 messages in it: the natural algorithm where all ranks share memory or a
switch. Messages are sent in rotation, so that no two reach the same rank at the same time. Shares are summed in rank
order.

    Cowan, Maleki, Musuvathi, Saarikivi and Xiong, MSCCLang: Microsoft collective communication language, ASPLOS 2023,
    and its msccl-tools, examples/mscclang/allreduce_a100_allpairs.py: "all pairs"
    Rabenseifner, Optimization of collective reduction operations, ICCS 2004 (reduce: a reduce-scatter, then a gather)
    Barnett, Gupta, Payne, Shuler, van de Geijn and Watts, Building a high-performance collective communication library,
    Supercomputing 1994 (broadcast: a scatter, then an allgather)
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective, per_rank
from mpitrain.collectives.schedule import LEFT, RIGHT, Copy, Reduce, Send, Step


@collective("reduce_scatter", chunks=per_rank, ordered=True)
def reduce_scatter(rank: int, size: int) -> Iterator[Step]:
    """Everyone sums its own share straight from all: downwards to rank 0 on the left, then upwards on the right.

    steps      1 if p > 1 else 0
    bytes      n * (p - 1) / p
    roundings  p - 1
    alike      yes
    order      rank
    sizes      any
    paper      Cowan et al., ASPLOS 2023, half of all pairs
    """
    below = [Reduce(peer, rank, side=LEFT) for peer in reversed(range(rank))]
    above = [Reduce(peer, rank, side=RIGHT) for peer in range(rank + 1, size)]
    if size > 1:
        yield Step(send=[Send(peer, peer) for peer in others(rank, size)], recv=below + above)


@collective("allgather", chunks=per_rank, ordered=True)
def allgather(rank: int, size: int) -> Iterator[Step]:
    """Everyone hands its own share straight to all.

    steps      1 if p > 1 else 0
    bytes      n * (p - 1) / p
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Cowan et al., ASPLOS 2023, half of all pairs
    """
    if size > 1:
        yield Step(
            send=[Send(peer, rank) for peer in others(rank, size)],
            recv=[Copy(peer, peer) for peer in others(rank, size)],
        )


@collective("allreduce", chunks=per_rank, ordered=True)
def allreduce(rank: int, size: int) -> Iterator[Step]:
    """Everyone sums its own share, then hands it to all.

    steps      2 if p > 1 else 0
    bytes      2 * n * (p - 1) / p
    roundings  p - 1
    alike      yes
    order      rank
    sizes      any
    paper      Cowan et al., ASPLOS 2023, all pairs
    """
    yield from reduce_scatter(rank, size)
    yield from allgather(rank, size)


@collective("reduce", chunks=per_rank, ordered=True)
def reduce(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """Everyone sums its own share, then hands it to the root.

    steps      2 if p > 1 else 0
    bytes      n if p > 1 else 0
    roundings  p - 1
    alike      yes
    order      rank
    sizes      any
    paper      Rabenseifner, ICCS 2004, with all its steps at once
    """
    yield from reduce_scatter(rank, size)
    if rank != root:
        yield Step(send=[Send(root, rank)])
    elif size > 1:
        yield Step(recv=[Copy(peer, peer) for peer in others(rank, size)])


@collective("bcast", chunks=per_rank, ordered=True)
def bcast(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """The root deals out the shares, then everyone hands its own to all who lack it.

    steps      2 if p > 1 else 0
    bytes      2 * n * (p - 1) / p
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Barnett et al., Supercomputing 1994, with all its steps at once
    """
    lacking = [peer for peer in others(rank, size) if peer != root]
    if rank == root:
        if size > 1:
            yield Step(send=[Send(peer, peer) for peer in lacking] + [Send(peer, root) for peer in lacking])
    else:
        yield Step(recv=[Copy(root, rank)])
        yield Step(send=[Send(peer, rank) for peer in lacking], recv=[Copy(peer, peer) for peer in others(rank, size)])


def others(rank: int, size: int) -> list[int]:
    """All other ranks, the right neighbour first."""
    return [(rank + k) % size for k in range(1, size)]
