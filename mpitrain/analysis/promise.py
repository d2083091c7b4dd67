"""What each collective promises: what a rank holds before it, and what it must hold after it.

A contribution is (rank, chunk): the value that this rank had at the start, in this chunk. Two chunks are equally long
if their length labels are equal; labels stand for counts that may differ from chunk to chunk.
"""

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import NamedTuple

from mpitrain.collectives.algorithm import Schedule


class Contribution(NamedTuple):
    rank: int
    chunk: int


Contributions = tuple[Contribution, ...]


class Promise(NamedTuple):
    """`before(schedule, rank, chunk)` is the contribution that stands there at the start, None if nothing does.

    `after(schedule, rank, chunk)` are the contributions that must end there in rank order, None if anything may.
    `length(rank, chunk, given)` labels the length of a chunk of the input (given) or the output. `room(schedule, rank,
    chunk, given)`: whether the caller has memory for it.
    """

    before: Callable[[Schedule, int, int], Contribution | None]
    after: Callable[[Schedule, int, int], Contributions | None]
    length: Callable[[int, int, bool], Hashable] = lambda rank, chunk, given: chunk
    room: Callable[[Schedule, int, int, bool], bool] = lambda schedule, rank, chunk, given: True


def _own(schedule: Schedule, rank: int, chunk: int) -> Contribution:
    return Contribution(rank, chunk)


def _from_all(schedule: Schedule, rank: int, chunk: int) -> Contributions:
    return _all_of(schedule.size, chunk)


@lru_cache(maxsize=1024)  # Every rank of an allreduce is promised the same.
def _all_of(ranks: int, chunk: int) -> Contributions:
    """Of the first so many ranks."""
    return tuple(Contribution(source, chunk) for source in range(ranks))


PROMISES = {
    "allreduce": Promise(_own, _from_all),
    "reduce": Promise(_own, lambda s, rank, chunk: _from_all(s, rank, chunk) if rank == s.root else None),
    "reduce_scatter": Promise(_own, lambda s, rank, chunk: _from_all(s, rank, chunk) if rank == chunk else None),
    "allgather": Promise(
        lambda s, rank, chunk: Contribution(rank, chunk) if rank == chunk else None,
        lambda s, rank, chunk: (Contribution(chunk, chunk),),
    ),
    "bcast": Promise(
        lambda s, rank, chunk: Contribution(rank, chunk) if rank == s.root else None,
        lambda s, rank, chunk: (Contribution(s.root, chunk),),
    ),
    "gather": Promise(
        lambda s, rank, chunk: Contribution(rank, chunk) if rank == chunk else None,
        lambda s, rank, chunk: (Contribution(chunk, chunk),) if rank == s.root else None,
        room=lambda s, rank, chunk, given: rank == chunk if given else rank == s.root,
    ),
    "scatter": Promise(
        lambda s, rank, chunk: Contribution(rank, chunk) if rank == s.root else None,
        lambda s, rank, chunk: (Contribution(s.root, chunk),) if rank == chunk else None,
        room=lambda s, rank, chunk, given: rank == s.root if given else rank == chunk,
    ),
    "alltoall": Promise(
        _own,
        lambda s, rank, chunk: (Contribution(chunk, rank),),
        lambda rank, chunk, given: (rank, chunk) if given else (chunk, rank),
    ),
    "scan": Promise(_own, lambda s, rank, chunk: _all_of(rank + 1, chunk)),
    "exscan": Promise(_own, lambda s, rank, chunk: _all_of(rank, chunk) or None),
    "barrier": Promise(_own, _from_all),
    "gossip": Promise(_own, _from_all),
}


def spell(contributions: Contributions) -> str:
    """`chunk 3 of ranks 0-4, 6`, in the given order."""
    if not contributions:
        return "nothing"
    chunks = sorted({c.chunk for c in contributions})
    runs: list[list[int]] = []
    for contribution in contributions:
        if runs and contribution.rank == runs[-1][-1] + 1:
            runs[-1].append(contribution.rank)
        else:
            runs.append([contribution.rank])
    ranks = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    noun = "rank" if len(contributions) == 1 else "ranks"
    return f"chunk {', '.join(map(str, chunks))} of {noun} {ranks}"
