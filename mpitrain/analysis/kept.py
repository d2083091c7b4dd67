"""Ranks whose caller's memory must stay as it is though their programs write: they work in a room of their own.

MPI promises so on all ranks of a reduce but the root. Only chunks that the program writes need the room; all others are
read where the caller has them.
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import OUTPUT, Chunks, Program


def kept_chunks(schedule: Schedule, rank: int) -> frozenset[int]:
    """The output chunks for which this rank needs room; none for most. Chunks that are named together stay together."""
    if schedule.algorithm.collective != "reduce" or rank == schedule.root:
        return frozenset()
    program = schedule.programs[rank]
    kept = {chunk for step in program for chunks in step.written for chunk in _output(chunks)}
    while more := {c for chunks in _named(program) if (named := _output(chunks)) & kept for c in named - kept}:
        kept |= more
    return frozenset(kept)


def moves(program: Program, kept: frozenset[int]) -> Iterator[Chunks]:
    """What to copy from the input first, as the program names it, so that it can be fused with what follows."""
    left = set(kept)
    for chunks in _named(program):
        if _output(chunks) <= left:
            left -= _output(chunks)
            if _output(chunks):
                yield chunks
    yield from (OUTPUT[chunk] for chunk in sorted(left))


def _output(chunks: Chunks) -> set[int]:
    return set(range(chunks.start, chunks.stop)) if chunks.space is OUTPUT else set()


def _named(program: Program) -> Iterator[Chunks]:
    for step in program:
        yield from step.named
