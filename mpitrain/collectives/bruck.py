"""Bruck's all-to-all: log2(p) messages a rank instead of p - 1, at the price of sending blocks more than once.

A block for the rank j places to the right travels 2^k places in step k if bit k of j is set. In each step a rank
gathers all blocks that travel into one message.

    Bruck, Ho, Kipnis, Upfal and Weathersby, Efficient algorithms for all-to-all communications, IEEE TPDS 8(11), 1997
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective, per_rank
from mpitrain.collectives.schedule import INPUT, OUTPUT, SCRATCH, Copy, Move, Send, Step


@collective("alltoall", chunks=per_rank, ordered=True, equal_blocks=True)
def alltoall(rank: int, size: int) -> Iterator[Step]:
    """Input chunk d is the block for rank d; output chunk s is the block from rank s.

    Scratch block j is the one that is, or was, bound for rank + j; the output serves to pack and unpack messages.

    steps      ceil_log2(p)
    bytes      n / p * sum(sum(j >> k & 1 for j in range(p)) for k in range(ceil_log2(p)))
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Bruck et al., IEEE TPDS 8(11), 1997
    """
    yield Step(local=[Move(INPUT[(rank + j) % size], SCRATCH[j]) for j in range(size)])
    distance = 1
    while distance < size:
        travelling = [j for j in range(size) if j & distance]
        sent, received = OUTPUT[0 : len(travelling)], OUTPUT[len(travelling) : 2 * len(travelling)]
        yield Step(local=[Move(SCRATCH[j], OUTPUT[at]) for at, j in enumerate(travelling, sent.start)])
        yield Step(
            send=[Send((rank + distance) % size, sent)],
            recv=[Copy((rank - distance) % size, received)],
            local=[Move(OUTPUT[at], SCRATCH[j]) for at, j in enumerate(travelling, received.start)],
        )
        distance *= 2
    yield Step(local=[Move(SCRATCH[j], OUTPUT[(rank - j) % size]) for j in range(size)])
