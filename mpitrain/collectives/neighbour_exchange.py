"""Neighbour exchange: a ring's allgather in half its steps, since pairs of neighbours exchange both ways.

Ranks 2j and 2j + 1 form pair j and first exchange what they have. Then every rank turns to its other neighbour, and
back, and so on, and each time passes on the two chunks that the last exchange brought.

The paper's ranks are even in number. An odd one at the end is a guest of its left neighbour, who takes its chunk before
and hands it all others after.

    Chen, Zhang, Zhang and Yuan, Performance evaluation of allgather algorithms on terascale Linux cluster with
    fast Ethernet, HPC Asia 2005
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective, per_rank
from mpitrain.collectives.schedule import Copy, Send, Step


@collective("allgather", chunks=per_rank, ordered=True)
def allgather(rank: int, size: int) -> Iterator[Step]:
    """The chunks of a pair lie side by side; those of the last pair have the guest's beside them.

    steps      p // 2 + (2 if p % 2 and p > 1 else 0)
    bytes      n / p * (p - 1 if p % 2 == 0 or p == 1 else 2 * p - (1 if p > 3 else 2))
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Chen et al., HPC Asia 2005
    """
    ring, guest = size - size % 2, size - 1
    if size % 2 and size > 1:
        if rank == guest:
            yield Step(send=[Send(rank - 1, rank)])
            yield Step(recv=[Copy(rank - 1, range(rank))])
            return
        if rank == guest - 1:
            yield Step(recv=[Copy(guest, guest)])
    pairs, pair, right = ring // 2, rank // 2, 1 - 2 * (rank % 2)

    def chunks(number: int) -> range:
        return range(2 * number, size if number == pairs - 1 else 2 * number + 2)

    if pairs:
        own, other = ((at, size if at == ring - 1 else at + 1) for at in (rank, rank + right))
        yield Step(send=[Send(rank + right, range(*own))], recv=[Copy(rank + right, range(*other))])
    last = pair
    for step in range(1, pairs):
        towards = -right if step % 2 else right
        coming = (pair + towards * ((step + 1) // 2)) % pairs
        peer = (rank + towards) % ring
        yield Step(send=[Send(peer, chunks(last))], recv=[Copy(peer, chunks(coming))])
        last = coming
    if size % 2 and rank == guest - 1:
        yield Step(send=[Send(guest, range(guest))])
