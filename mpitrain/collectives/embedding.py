"""An algorithm within another: some of the ranks run it, on some of the chunks.

Rank r of the inner program is `ranks[r]` of the whole, and its chunk c is a list of chunk ranges of the whole:

    ring.allreduce on ranks 1, 3, 5      its rank  0 1 2 -> 1 3 5       its chunk  0 1 2 -> 4-5, 6-7, 8-9

A message is one contiguous piece of memory, so that one message of the inner program becomes as many as its chunks have
gaps, and none if they are empty. Scratch goes along: as many chunks of it for each chunk that the inner program has.
"""

from collections.abc import Iterator, Sequence
from functools import cache

from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import Chunks, ScheduleError, Send, Step

Ranges = Sequence[range]
"""Chunks of the whole that make one chunk of an inner program: one range, several, or none."""


def embed(
    algorithm: Algorithm, rank: int, ranks: Sequence[int], chunks: Sequence[Ranges], total: int
) -> Iterator[Step]:
    """The steps of `rank`, one of `ranks`, in `algorithm` on these chunks of a whole of `total` chunks."""
    parameters, size = dict(algorithm.parameters), len(ranks)
    if algorithm.equal_blocks:
        raise ScheduleError(f"{algorithm} wants equal blocks: it cannot work on part of the data")
    assert algorithm.chunks(size, **parameters) == len(chunks)
    at = cache(lambda part: whole(part, chunks, total))
    for step in algorithm(ranks.index(rank), size, **parameters):
        send = [Send(ranks[peer], piece, weight) for peer, part, weight in step.send for piece in at(part)]
        recv = [
            receive._replace(peer=ranks[receive.peer], chunks=piece)
            for receive in step.recv
            for piece in at(receive.chunks)
        ]
        local = [
            action._replace(source=source, target=target)
            for action in step.local
            for source, target in zip(at(action.source), at(action.target), strict=True)
        ]
        if send or recv or local:
            yield Step(send, recv, local)


def whole(part: Chunks, chunks: Sequence[Ranges], total: int) -> list[Chunks]:
    """The whole's chunks for these of an inner program, as few contiguous pieces as can be.

    Both ends of a message find the same pieces, be they output or scratch, since chunks of one length are made of the
    same ranges. Scratch chunk j of the inner program is in its turn j // len(chunks) as output chunk j % len(chunks).
    """
    found: list[Chunks] = []
    for turn in range(part.start // len(chunks), (part.stop - 1) // len(chunks) + 1):
        first = turn * len(chunks)
        mine = chunks[max(part.start - first, 0) : part.stop - first]
        pieces: list[list[int]] = []
        for start, stop in sorted((piece.start, piece.stop) for ranges in mine for piece in ranges if piece):
            if pieces and pieces[-1][1] == start:
                pieces[-1][1] = stop
            else:
                pieces.append([start, stop])
        found += [Chunks(part.space, turn * total + start, turn * total + stop) for start, stop in pieces]
    return found


def cut(chunks: range, parts: int) -> list[Ranges]:
    """These chunks of the whole as so many equal ranges, one for each chunk of an inner program."""
    length, rest = divmod(len(chunks), parts)
    assert rest == 0
    return [[chunks[at * length : (at + 1) * length]] for at in range(parts)]


def part(collective: str, name: str) -> Algorithm:
    """The catalogue's algorithm, to embed; `ScheduleError` if there is none whose steps are known."""
    from mpitrain.collectives.catalogue import find  # only now, since the catalogue lists those who ask

    found = find(collective, name)
    if not isinstance(found, Algorithm):
        raise ScheduleError(f"{found} is opaque: it cannot be part of another algorithm")
    return found
