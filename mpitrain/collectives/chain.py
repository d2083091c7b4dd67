"""Chain: every rank hands on to the next what it has from the one before, segment by segment.

A rank sends one segment while the next one comes in. Once the chain is full, every port carries data all the time, so
that large data in many segments take little longer than one message of their size. For few bytes, the p - 1 steps until
the last rank has anything are too many.

    Pjesivac-Grbovic, Angskun, Bosilca, Fagg, Gabriel and Dongarra, Performance analysis of MPI collective operations,
    Cluster Computing 10(2), 2007
"""

from collections.abc import Callable, Iterator

from mpitrain.collectives.algorithm import collective, per_segment
from mpitrain.collectives.schedule import LEFT, RIGHT, Copy, Reduce, Send, Step


@collective("bcast", chunks=per_segment, ordered=True, segments=4)
def bcast(rank: int, size: int, segments: int, root: int = 0) -> Iterator[Step]:
    """From the root to the right, and on from rank p - 1 to rank 0.

    steps      p - 2 + segments if p > 1 else 0
    bytes      n if p > 1 else 0
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Pjesivac-Grbovic et al., Cluster Computing 10(2), 2007
    """
    left, right = (rank - 1) % size, (rank + 1) % size
    yield from link(
        segments,
        receive=None if rank == root else lambda segment: Copy(left, segment),
        send=None if right == root else lambda segment: Send(right, segment),
    )


@collective("reduce", chunks=per_segment, ordered=True, segments=4)
def reduce(rank: int, size: int, segments: int, root: int = 0) -> Iterator[Step]:
    """From root + 1 up to rank p - 1, on from root - 1 down to rank 0, and to the root: a sum that grows at its ends.

    The root adds its own last, if it is the lowest or the highest rank. Else it has to come first, to keep rank order:
    the chain is then a ring, and one step longer.

    steps      (p - 1 if 0 < root < p - 1 else p - 2) + segments if p > 1 else 0
    bytes      n if p > 1 else 0
    roundings  p - 1
    alike      yes
    order      rank
    sizes      any
    paper      Pjesivac-Grbovic et al., Cluster Computing 10(2), 2007
    """

    def rank_at(place: int) -> int:
        up = root + 1 + place
        return root if place % size == size - 1 else up if up < size else size - 2 - place

    is_first = 0 < root < size - 1
    if rank != root:
        at = rank - root - 1 if rank > root else size - 2 - rank
        before, after = rank_at(at - 1), rank_at(at + 1)
        side = LEFT if rank > root else RIGHT
        yield from link(
            segments,
            receive=None if at == 0 and not is_first else lambda segment: Reduce(before, segment, side),
            send=lambda segment: Send(after, segment),
        )
    elif is_first:
        for k in range(segments + size - 1):
            send = [Send(rank_at(0), k)] if k < segments else []
            recv = [Copy(rank_at(size - 2), k - size + 1)] if k >= size - 1 else []
            if send or recv:
                yield Step(send=send, recv=recv)
    elif size > 1:
        side = RIGHT if root == 0 else LEFT
        yield from link(segments, receive=lambda segment: Reduce(rank_at(size - 2), segment, side), send=None)


def link(
    segments: int, receive: Callable[[int], Copy | Reduce] | None, send: Callable[[int], Send] | None
) -> Iterator[Step]:
    """One rank's part: a segment comes in while the one before goes out, as far as there are neighbours."""
    for k in range(segments + 1):
        sends = [send(k - 1)] if send and k > 0 else []
        receives = [receive(k)] if receive and k < segments else []
        if sends or receives:
            yield Step(send=sends, recv=receives)
