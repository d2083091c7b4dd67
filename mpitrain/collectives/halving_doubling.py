"""Halving-doubling (Rabenseifner): recursive halving sums the shares, recursive doubling hands them round.

As few bytes as a ring and only 2 log2(p) steps. The nearest ranks exchange the largest halves, so that what a rank has
summed is always of ranks that follow each other. Ranks beyond a power of two are guests of others (`folding`).

    Rabenseifner, Optimization of collective reduction operations, ICCS 2004
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective
from mpitrain.collectives.folding import core_size, near_rank, place, reversed_bits
from mpitrain.collectives.recursive_doubling import spread
from mpitrain.collectives.recursive_halving import halve
from mpitrain.collectives.schedule import Copy, Reduce, Send, Step


@collective("allreduce", chunks=core_size, ordered=True)
def allreduce(rank: int, size: int) -> Iterator[Step]:
    """Guests in, halving, doubling, guests out.

    steps      2 * log2(core) + (2 if guests else 0)
    bytes      2 * n * (core - 1) / core + (n if guests else 0)
    roundings  ceil_log2(p)
    alike      yes
    order      rank
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
    share = reversed_bits(index, size)
    yield from halve(share, size, range, near_rank)
    yield from spread(share, size, range, near_rank)
    if guest is not None:
        yield Step(send=[Send(guest, everything)])
