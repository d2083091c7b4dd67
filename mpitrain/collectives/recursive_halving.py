"""Recursive halving: partners exchange halves of what they are both still summing, then quarters, ...

After log2(p) steps every rank of a power of two holds its share of the sum, and has sent no byte more than that takes.
Ranks beyond a power of two are guests of others (`folding`).

    Thakur, Rabenseifner and Gropp, Optimization of collective communication operations in MPICH, IJHPCA 19(1), 2005
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective, per_rank
from mpitrain.collectives.folding import core_rank, core_size, place
from mpitrain.collectives.recursive_doubling import ChunksOf, RankOf
from mpitrain.collectives.schedule import LEFT, RIGHT, Copy, Reduce, Send, Step


def halve(index: int, size: int, chunks: ChunksOf, rank_of: RankOf = core_rank) -> Iterator[Step]:
    """The core's part of a reduce-scatter: `chunks(first, stop)` are what ends at the indices first ... stop - 1."""
    first, stop = 0, core_size(size)
    while stop - first > 1:
        middle = (first + stop) // 2
        if index < middle:
            partner, keep, give = index + middle - first, (first, middle), (middle, stop)
        else:
            partner, keep, give = index - middle + first, (middle, stop), (first, middle)
        peer = rank_of(partner, size)
        side = LEFT if peer < rank_of(index, size) else RIGHT
        yield Step(send=[Send(peer, chunks(*give))], recv=[Reduce(peer, chunks(*keep), side)])
        first, stop = keep


@collective("reduce_scatter", chunks=per_rank)
def reduce_scatter(rank: int, size: int) -> Iterator[Step]:
    """A host ends with its guest's chunk as well, and hands it over.

    steps      log2(core) + (2 if guests else 0)
    bytes      n if guests else n * (p - 1) / p
    roundings  ceil_log2(p)
    alike      yes
    order      any
    sizes      any
    paper      Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
    """
    index, host, guest = place(rank, size)
    if host is not None:
        yield Step(send=[Send(host, range(size))])
        yield Step(recv=[Copy(host, rank)])
        return
    if guest is not None:
        yield Step(recv=[Reduce(guest, range(size))])
    yield from halve(index, size, lambda first, stop: range(core_rank(first, size), core_rank(stop, size)))
    if guest is not None:
        yield Step(send=[Send(guest, guest)])
