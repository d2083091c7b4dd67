"""Bruck's all-to-all and allgather: log2(p) steps for any number of ranks.

All-to-all: log2(p) messages a rank instead of p - 1, at the price of sending blocks more than once. A block for the
rank j places to the right travels 2^k places in step k if bit k of j is set. In each step a rank gathers all blocks
that travel into one message.

Allgather: a rank holds the blocks of the 2^k ranks from itself on, and doubles them with those of the rank behind.

    Bruck, Ho, Kipnis, Upfal and Weathersby, Efficient algorithms for all-to-all communications in multiport
    message-passing systems, IEEE TPDS 8(11), 1997 (there "index", with radix 2, and "concatenation")
"""

from collections.abc import Iterator
from itertools import accumulate, pairwise

from mpitrain.collectives.algorithm import collective, per_rank
from mpitrain.collectives.schedule import INPUT, OUTPUT, SCRATCH, Copy, Move, Send, Step


@collective("alltoall", chunks=per_rank, ordered=True, equal_blocks=True)
def alltoall(rank: int, size: int) -> Iterator[Step]:
    """Input chunk d is the block for rank d; output chunk s is the block from rank s.

    Scratch block j is the one that is, or was, bound for rank + j; those that travel lie in runs of `distance`. The
    output serves to pack and unpack messages.

    steps      ceil_log2(p)
    bytes      n / p * sum(sum(j >> k & 1 for j in range(p)) for k in range(ceil_log2(p)))
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Bruck et al., IEEE TPDS 8(11), 1997
    """
    turned = [Move(INPUT[rank:size], SCRATCH[0 : size - rank])]
    yield Step(local=turned + ([Move(INPUT[0:rank], SCRATCH[size - rank : size])] if rank else []))
    distance = 1
    while distance < size:
        runs = [(first, min(first + distance, size)) for first in range(distance, size, 2 * distance)]
        at = list(accumulate((stop - first for first, stop in runs), initial=0))
        half = at[-1]
        packed = list(zip(runs, pairwise(at), strict=True))
        yield Step(local=[Move(SCRATCH[i:j], OUTPUT[k:m]) for (i, j), (k, m) in packed])
        yield Step(
            send=[Send((rank + distance) % size, OUTPUT[0:half])],
            recv=[Copy((rank - distance) % size, OUTPUT[half : 2 * half])],
            local=[Move(OUTPUT[half + k : half + m], SCRATCH[i:j]) for (i, j), (k, m) in packed],
        )
        distance *= 2
    yield Step(local=[Move(SCRATCH[j], OUTPUT[(rank - j) % size]) for j in range(size)])


@collective("allgather", chunks=per_rank, ordered=True)
def allgather(rank: int, size: int) -> Iterator[Step]:
    """Rows go on from chunk p - 1 to 0 in scratch, whose chunk p is as long as chunk 0: one message each.

    steps      ceil_log2(p)
    bytes      n * (p - 1) / p
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Bruck et al., IEEE TPDS 8(11), 1997
    """
    if size == 1:
        return
    yield Step(local=[Move(OUTPUT[rank], SCRATCH[rank])])
    distance = 1
    while distance < size:
        left, right, count = (rank - distance) % size, (rank + distance) % size, min(distance, size - distance)
        behind = rank + distance
        yield Step(
            send=[Send(left, SCRATCH[rank : rank + count])], recv=[Copy(right, SCRATCH[behind : behind + count])]
        )
        distance *= 2
    others = [(rank + 1, size), (size, size + rank)]
    yield Step(local=[Move(SCRATCH[a:b], OUTPUT[a % size : (b - 1) % size + 1]) for a, b in others if a < b])
