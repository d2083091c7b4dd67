"""Halving-doubling (Rabenseifner): partners exchange halves, then quarters, ...; the way back doubles.

Recursive halving leaves every rank of a power of two with its share of the sum; recursive doubling hands the shares
round. As few bytes as a ring and only 2 log2(p) steps. Ranks beyond a power of two are guests of others (`folding`).

    Rabenseifner, Optimization of collective reduction operations, ICCS 2004
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective, per_rank
from mpitrain.collectives.folding import Place, core_rank, core_size, place
from mpitrain.collectives.recursive_doubling import ChunksOf, RankOf, spread
from mpitrain.collectives.schedule import Copy, Reduce, Send, Step


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
        yield Step(send=[Send(peer, chunks(*give))], recv=[Reduce(peer, chunks(*keep))])
        first, stop = keep


@collective("reduce_scatter", chunks=per_rank)
def reduce_scatter(rank: int, size: int) -> Iterator[Step]:
    """Recursive halving; a host ends with its guest's chunk as well, and hands it over.

    steps      log2(core) + (2 if guests else 0)
    bytes      n if guests else n * (p - 1) / p
    roundings  ceil_log2(p)
    alike      yes
    order      any
    sizes      any
    paper      Rabenseifner, ICCS 2004
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


@collective("allreduce", chunks=core_size)
def allreduce(rank: int, size: int) -> Iterator[Step]:
    """Guests in, halving, doubling, guests out.

    steps      2 * log2(core) + (2 if guests else 0)
    bytes      2 * n * (core - 1) / core + (n if guests else 0)
    roundings  ceil_log2(p)
    alike      yes
    order      any
    sizes      any
    paper      Rabenseifner, ICCS 2004
    """
    index, host, guest = place(rank, size)
    everything = range(core_size(size))
    if host is not None:
        yield Step(send=[Send(host, everything)])
        yield Step(recv=[Copy(host, everything)])
        return
    if guest is not None:
        yield Step(recv=[Reduce(guest, everything)])
    yield from halve(index, size, range)
    yield from spread(index, size, range)
    if guest is not None:
        yield Step(send=[Send(guest, everything)])


@collective("reduce", chunks=core_size)
def reduce(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """Recursive halving, then the shares climb a binomial tree to the root. Ranks count from the root.

    steps      2 * log2(core) + (1 if guests else 0)
    bytes      n * (core - 1) / core + (n / 2 if p > 1 else 0)
    roundings  ceil_log2(p)
    alike      yes
    order      any
    sizes      any
    paper      Rabenseifner, ICCS 2004
    """
    (index, host, guest), rank_of = _seen_from(root, rank, size)
    everything = range(core_size(size))
    if host is not None:
        yield Step(send=[Send(host, everything)])
        return
    if guest is not None:
        yield Step(recv=[Reduce(guest, everything)])
    yield from halve(index, size, range, rank_of)
    distance = 1
    while distance < core_size(size):
        if index & distance:
            yield Step(send=[Send(rank_of(index - distance, size), range(index, index + distance))])
            return
        child = index + distance
        yield Step(recv=[Copy(rank_of(child, size), range(child, child + distance))])
        distance *= 2


@collective("bcast", chunks=core_size, ordered=True)
def bcast(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """Shares descend a binomial tree from the root, then recursive doubling hands them round.

    Ranks count from the root.

    steps      2 * log2(core) + (1 if guests else 0)
    bytes      2 * n * (core - 1) / core + (n if guests else 0)
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      van de Geijn, scatter-allgather broadcast; Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
    """
    (index, host, guest), rank_of = _seen_from(root, rank, size)
    everything = range(core_size(size))
    if host is not None:
        yield Step(recv=[Copy(host, everything)])
        return
    distance = core_size(size) // 2
    while distance:
        if index % (2 * distance) == 0:
            child = index + distance
            yield Step(send=[Send(rank_of(child, size), range(child, child + distance))])
        elif index % distance == 0:
            yield Step(recv=[Copy(rank_of(index - distance, size), range(index, index + distance))])
        distance //= 2
    yield from spread(index, size, range, rank_of)
    if guest is not None:
        yield Step(send=[Send(guest, everything)])


def _seen_from(root: int, rank: int, size: int) -> tuple[Place, RankOf]:
    """This rank's place when ranks count from the root, and the way back from an index to a rank."""
    index, host, guest = place((rank - root) % size, size)
    here = Place(
        index,
        None if host is None else (host + root) % size,
        None if guest is None else (guest + root) % size,
    )
    return here, lambda index, size: (core_rank(index, size) + root) % size
