"""Whether a rank can run its program while it knows the lengths of its own blocks only."""

from collections.abc import Iterator
from functools import lru_cache

from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import INPUT, OUTPUT, Chunks, Step
from mpitrain.engines.programs import schedule_of


@lru_cache(maxsize=256)
def own_counts_suffice(algorithm: Algorithm, rank: int, size: int, root: int) -> bool:
    """The answer is alike on all ranks.

    Of a gather or scatter the root knows all lengths, and every other rank its own block's. Of an alltoall each rank
    knows what it gives to each peer and gets from it, and all ranks do the same.
    """
    schedule = schedule_of(algorithm, size, root)
    if algorithm.collective == "alltoall":
        return all(_direct(step) for step in schedule.program(rank))
    others = (peer for peer in range(size) if peer != root)
    return all(
        (chunks.start, chunks.stop) == (peer, peer + 1)
        for peer in others
        for step in schedule.program(peer)
        for chunks in _chunks(step)
    )


def _direct(step: Step) -> bool:
    """Each block goes straight from where its sender has it to where its receiver wants it."""
    sent = all(send.chunks == INPUT[send.peer] for send in step.send)
    received = all(receive.chunks == OUTPUT[receive.peer] for receive in step.recv)
    return sent and received and all(move.source.space is INPUT and move.target.space is OUTPUT for move in step.local)


def _chunks(step: Step) -> Iterator[Chunks]:
    for message in (*step.send, *step.recv):
        yield message.chunks
    for move in step.local:
        yield move.source
        yield move.target
