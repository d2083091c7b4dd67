"""Recursive doubling: partners at distance 1, 2, 4, ... exchange all they have.

After k steps a rank knows what 2^k ranks know, so that log2(p) steps suffice: the fewest possible, best for small data.
Ranks beyond a power of two are guests of others (`folding`).

    Thakur, Rabenseifner and Gropp, Optimization of collective communication operations in MPICH, IJHPCA 19(1), 2005
    MPICH, src/mpi/coll: scan/scan_intra_recursive_doubling.c and exscan/exscan_intra_recursive_doubling.c
"""

from collections.abc import Callable, Iterator

from mpitrain.collectives.algorithm import collective, per_rank, whole
from mpitrain.collectives.folding import core_rank, core_size, place
from mpitrain.collectives.schedule import LEFT, OUTPUT, RIGHT, SCRATCH, Combine, Copy, Move, Reduce, Send, Step

ChunksOf = Callable[[int, int], range]
"""From a range of core indices (first, stop) to the chunks they answer for."""
RankOf = Callable[[int, int], int]
"""From a core index and the size to a rank."""


@collective("allreduce", chunks=whole, ordered=True)
def allreduce(rank: int, size: int) -> Iterator[Step]:
    """Both partners of an exchange form the same sum, the lower rank's value standing left.

    steps      log2(core) + (2 if guests else 0)
    bytes      n * (log2(core) + (1 if guests else 0))
    roundings  ceil_log2(p)
    alike      yes
    order      rank
    sizes      any
    paper      Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
    """
    index, host, guest = place(rank, size)
    if host is not None:
        yield Step(send=[Send(host, 0)])
        yield Step(recv=[Copy(host, 0)])
        return
    if guest is not None:
        yield Step(recv=[Reduce(guest, 0)])
    distance = 1
    while distance < core_size(size):
        partner = index ^ distance
        peer = core_rank(partner, size)
        yield Step(send=[Send(peer, 0)], recv=[Reduce(peer, 0, side=LEFT if partner < index else RIGHT)])
        distance *= 2
    if guest is not None:
        yield Step(send=[Send(guest, 0)])


@collective("allgather", chunks=per_rank, ordered=True)
def allgather(rank: int, size: int) -> Iterator[Step]:
    """Partners exchange the blocks of chunks they have gathered; blocks double with the distance.

    steps      log2(core) + (2 if guests else 0)
    bytes      n / p * (sum(min(2 * 2**k, 2**k + guests) for k in range(log2(core))) + (p if guests else 0))
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
    """
    index, host, guest = place(rank, size)
    if host is not None:
        yield Step(send=[Send(host, rank)])
        yield Step(recv=[Copy(host, range(size))])
        return
    if guest is not None:
        yield Step(recv=[Copy(guest, guest)])
    yield from spread(index, size, lambda first, stop: range(core_rank(first, size), core_rank(stop, size)))
    if guest is not None:
        yield Step(send=[Send(guest, range(size))])


def spread(index: int, size: int, chunks: ChunksOf, rank_of: RankOf = core_rank) -> Iterator[Step]:
    """The core's part of an allgather: `chunks(first, stop)` are what the indices first ... stop - 1 start with."""
    distance = 1
    while distance < core_size(size):
        mine = index - index % distance
        theirs = mine ^ distance
        peer = rank_of(index ^ distance, size)
        yield Step(
            send=[Send(peer, chunks(mine, mine + distance))], recv=[Copy(peer, chunks(theirs, theirs + distance))]
        )
        distance *= 2


@collective("scan", chunks=whole, ordered=True)
def scan(rank: int, size: int) -> Iterator[Step]:
    """What comes from a lower partner is added to the own sum on the left.

    steps      ceil_log2(p)
    bytes      n * ceil_log2(p)
    roundings  ceil_log2(p)
    alike      yes
    order      rank
    sizes      any
    paper      MPICH, scan_intra_recursive_doubling.c
    """
    yield from add_lower(rank, size, holds_sum=True)


@collective("exscan", chunks=whole, ordered=True)
def exscan(rank: int, size: int) -> Iterator[Step]:
    """As a scan, but what comes first takes the place of the own. Rank 0's output is not defined, as in MPI.

    steps      ceil_log2(p)
    bytes      n * ceil_log2(p)
    roundings  ceil_log2(max(p - 1, 1))
    alike      yes
    order      rank
    sizes      any
    paper      MPICH, exscan_intra_recursive_doubling.c
    """
    yield from add_lower(rank, size, holds_sum=False)


def add_lower(rank: int, size: int, holds_sum: bool) -> Iterator[Step]:
    """Add all lower ranks' values to the output, if it `holds_sum`, or else put their sum there.

    A rank keeps the total of its block of 2^k ranks (scratch 0) beside the sum up to itself. Blocks below a rank are
    always whole, so that missing partners at the upper end do no harm. Somebody asks for a rank's total of 2^k ranks
    if there is a rank 2^k places higher; else it is left as it is.
    """
    total, incoming = SCRATCH[0], SCRATCH[1]
    if rank + 1 < size:
        yield Step(local=[Move(OUTPUT[0], total)])
    distance = 1
    while distance < size:
        peer = rank ^ distance
        is_asked, peer_is_asked = rank + 2 * distance < size, peer + 2 * distance < size
        if rank < peer < size:
            yield Step(
                send=[Send(peer, total)],
                recv=[Copy(peer, incoming)] if is_asked else [],
                local=[Combine(incoming, total, RIGHT)] if is_asked else [],
            )
        elif peer < rank and is_asked:
            lower = Combine(incoming, OUTPUT[0], LEFT) if holds_sum else Move(incoming, OUTPUT[0])
            yield Step(
                send=[Send(peer, total)], recv=[Copy(peer, incoming)], local=[lower, Combine(incoming, total, LEFT)]
            )
        elif peer < rank:
            yield Step(
                send=[Send(peer, total)] if peer_is_asked else [],
                recv=[Reduce(peer, 0, side=LEFT) if holds_sum else Copy(peer, 0)],
            )
        holds_sum = holds_sum or peer < rank
        distance *= 2
