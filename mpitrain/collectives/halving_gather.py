"""Halving-gather (Rabenseifner): recursive halving sums the shares, which then climb a binomial tree to the root.

Two thirds of a binomial tree's bytes at 8 ranks, and ever fewer of them. Ranks keep their numbers whatever the root,
and with them their order: the tree is the one in which the root's share is at the top, and a root that would be a guest
is the host of its host (`folding`).

    Rabenseifner, Optimization of collective reduction operations, ICCS 2004
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective
from mpitrain.collectives.folding import Place, core_rank, core_size, place, reversed_bits
from mpitrain.collectives.recursive_halving import halve
from mpitrain.collectives.schedule import LEFT, RIGHT, Copy, Reduce, Send, Step


@collective("reduce", chunks=core_size, ordered=True)
def reduce(rank: int, size: int, root: int = 0) -> Iterator[Step]:
    """Guests in, halving, then up the tree: each time half of those that are left hand over all they have.

    steps      2 * log2(core) + (1 if guests else 0)
    bytes      n * (core - 1) / core + (n / 2 if p > 1 else 0)
    roundings  ceil_log2(p)
    alike      yes
    order      rank
    sizes      any
    paper      Rabenseifner, ICCS 2004
    """
    index, host, guest = place_under(root, rank, size)
    everything = range(core_size(size))
    if host is not None:
        yield Step(send=[Send(host, everything)])
        return
    if guest is not None:
        yield Step(recv=[Reduce(guest, everything, side=LEFT if guest < rank else RIGHT)])

    def rank_of(share: int, size: int) -> int:
        here = core_rank(reversed_bits(share, size), size)
        return root if place(here, size).core_index == place(root, size).core_index else here

    share, top = (reversed_bits(at, size) for at in (index, place(root, size).core_index))
    yield from halve(share, size, range, rank_of)
    distance = 1
    while distance < core_size(size):
        mine, other = share - share % distance, share ^ distance
        theirs = other - other % distance
        if (share ^ top) & distance:
            yield Step(send=[Send(rank_of(other, size), range(mine, mine + distance))])
            return
        yield Step(recv=[Copy(rank_of(other, size), range(theirs, theirs + distance))])
        distance *= 2


def place_under(root: int, rank: int, size: int) -> Place:
    """The rank's place; a root that would be a guest changes places with its host."""
    index, host, guest = place(rank, size)
    if guest == root:
        return Place(index, root, None)
    return Place(index, None, host) if rank == root and host is not None else Place(index, host, guest)
