"""Swing: as halving-doubling, but partners stay near each other on a ring or torus of ranks.

In step s partners are 1, 1, 3, 5, 11, ... places apart instead of 1, 2, 4, 8, 16: even ranks find theirs now to the
right, now to the left, odd ranks the other way round. Messages cross fewer links, so that fewer share one.

    step 0    0-1  2-3  4-5  6-7        step 1    0-7  1-2  3-4  5-6        step 2    0-3  1-6  2-5  4-7

Of the ranks whose shares a rank still sums after step s, the even ones agree in s + 1 bits above the lowest: those bits
say which half to keep, so that every message is one contiguous range of shares. Ranks beyond a power of two are guests
of others (`folding`).

    De Sensi, Bonato, Saam and Hoefler, Swing: short-cutting rings for higher bandwidth allreduce, NSDI 2024
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective
from mpitrain.collectives.folding import core_rank, core_size, place, reversed_bits
from mpitrain.collectives.schedule import Copy, Reduce, Send, Step


@collective("allreduce", chunks=core_size)
def allreduce(rank: int, size: int) -> Iterator[Step]:
    """Partners exchange halves of what they are both still summing; on the way back, the shares they have.

    steps      2 * log2(core) + (2 if guests else 0)
    bytes      2 * n * (core - 1) / core + (n if guests else 0)
    roundings  ceil_log2(p)
    alike      yes
    order      any
    sizes      any
    paper      De Sensi et al., NSDI 2024
    """
    index, host, guest = place(rank, size)
    core = core_size(size)
    if host is not None:
        yield Step(send=[Send(host, range(core))])
        yield Step(recv=[Copy(host, range(core))])
        return
    if guest is not None:
        yield Step(recv=[Reduce(guest, range(core))])
    share, first, stop = share_of(index, core), 0, core
    meetings = []
    for step in range(core.bit_length() - 1):
        peer, middle = core_rank(partner(index, step, core), size), (first + stop) // 2
        keep, give = range(first, middle), range(middle, stop)
        if share >= middle:
            keep, give = give, keep
        yield Step(send=[Send(peer, give)], recv=[Reduce(peer, keep)])
        first, stop = keep.start, keep.stop
        meetings.append((peer, keep, give))
    for peer, mine, theirs in reversed(meetings):
        yield Step(send=[Send(peer, mine)], recv=[Copy(peer, theirs)])
    if guest is not None:
        yield Step(send=[Send(guest, range(core))])


def partner(index: int, step: int, core: int) -> int:
    """Whom a core index meets: (1 - (-2)^(step + 1)) / 3 places to the right if it is even, to the left if odd."""
    distance = (1 - (-2) ** (step + 1)) // 3
    return (index - distance if index % 2 else index + distance) % core


def share_of(index: int, core: int) -> int:
    """The share that ends at this index. Even and odd partners of the last step share all bits but the last."""
    even = partner(index, core.bit_length() - 2, core) if index % 2 else index
    return reversed_bits(even // 2 + index % 2 * core // 2, core)
