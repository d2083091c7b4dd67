"""Schedules on real data, by the definition of a step and nothing else: an interpreter of a page.

It knows nothing of the package's proofs, prices and engines, so that tests can hold those against it.
"""

from collections import defaultdict, deque
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import pytest

from mpitrain.collectives.schedule import INPUT, OUTPUT, SCRATCH, Copy, Move


class Stuck(Exception):
    """Every rank waits for another, if sends wait for their receives."""


class Execution(NamedTuple):
    outputs: list  # of every rank: its output, a flat array
    chunks: list  # of every rank: the same, cut into its chunks
    rounds: int  # messages that followed each other
    sent: list  # of every rank: how many chunks it sent


def execute(schedule, given, lengths, combine):
    """Run all ranks in turn. `given`: each rank's flat array; `lengths`: of the chunks, or for an alltoall with blocks
    of unequal lengths a row for each rank, of what it gives.

    `combine(own, incoming, side, weight)` is the operation. A step's sends take the values from before the step, then
    receives act as listed, then local actions as listed; the step ends once each of its messages has met its partner.
    """
    programs, ranks = schedule.programs, range(schedule.size)
    count = len(lengths)
    cuts = [{space: cut(lengths, rank, space) for space in (INPUT, OUTPUT, SCRATCH)} for rank in ranks]
    memory = [
        {
            space: np.resize(np.array(["?"], object) if array.dtype == object else array[::-1] + 7, at[-1])
            for space, at in cuts[rank].items()
        }
        for rank, array in enumerate(given)
    ]  # fmt: skip
    for rank in ranks:
        memory[rank][OUTPUT if schedule.algorithm.kind.in_place else INPUT] = given[rank].copy()
        memory[rank][OUTPUT] = memory[rank][OUTPUT][: cuts[rank][OUTPUT][count]].copy()

    def piece(rank, chunks):
        if chunks.start < 0 or (chunks.space is not SCRATCH and chunks.stop > count):
            raise IndexError(chunks)
        at = cuts[rank][chunks.space]
        return memory[rank][chunks.space][at[chunks.start] : at[chunks.stop]]

    def begin(rank, step):
        for send in step.send:
            value = piece(rank, send.chunks).copy()
            wires[rank, send.peer].append((value if send.weight is None else value * send.weight, clock[rank] + 1))
            sent[rank, send.peer] += 1
            chunks_sent[rank] += send.chunks.stop - send.chunks.start
        for receive in step.recv:
            awaited[receive.peer, rank] += 1

    def may_end(rank, step):
        return all(awaited[rank, send.peer] >= sent[rank, send.peer] for send in step.send) and all(
            sent[receive.peer, rank] >= awaited[receive.peer, rank] for receive in step.recv
        )

    def end(rank, step):
        arrived = [wires[receive.peer, rank].popleft() for receive in step.recv]
        clock[rank] = max([clock[rank] + bool(step.send or step.recv), *(time for _, time in arrived)])
        for receive, (value, _) in zip(step.recv, arrived, strict=True):
            own = piece(rank, receive.chunks)
            if own.shape != value.shape:
                raise ValueError(receive)
            own[...] = value if isinstance(receive, Copy) else combine(own, value, receive.side, receive.weight)
        for action in step.local:
            own, value = piece(rank, action.target), piece(rank, action.source).copy()
            if own.shape != value.shape:
                raise ValueError(action)
            own[...] = value if isinstance(action, Move) else combine(own, value, action.side, None)

    wires, sent, awaited = defaultdict(deque), defaultdict(int), defaultdict(int)
    clock, chunks_sent = [0 for _ in ranks], [0 for _ in ranks]
    at, begun = [0 for _ in ranks], [False for _ in ranks]
    moving = True
    while moving:
        moving = False
        for rank in ranks:
            if at[rank] == len(programs[rank]):
                continue
            step = programs[rank][at[rank]]
            if not begun[rank]:
                begin(rank, step)
                begun[rank] = moving = True
            elif may_end(rank, step):
                end(rank, step)
                at[rank], begun[rank], moving = at[rank] + 1, False, True
    if any(at[rank] < len(programs[rank]) for rank in ranks):
        raise Stuck(schedule)
    cut_up = [[piece(rank, OUTPUT[chunk]) for chunk in range(count)] for rank in ranks]
    return Execution([memory[rank][OUTPUT] for rank in ranks], cut_up, max(clock), chunks_sent)


def cut(lengths, rank, space):
    """Where a rank's chunks of a space begin; scratch goes on beyond the output."""
    if isinstance(lengths[0], list):
        lengths = lengths[rank] if space is INPUT else [row[rank] for row in lengths]
    return [0, *accumulate(lengths[chunk % len(lengths)] for chunk in range(4 * len(lengths)))]


@pytest.fixture(scope="session")
def by_definition():
    """`by_definition(schedule, given, lengths, combine)`, an `Execution`; raises `by_definition.Stuck`."""
    execute.Stuck = Stuck
    return execute


@pytest.fixture(scope="session")
def promised():
    """`promised(schedule, rank, chunk)`: whether the collective says what must stand there at the end."""
    return lambda schedule, rank, chunk: {
        "reduce": rank == schedule.root,
        "gather": rank == schedule.root,
        "scatter": rank == chunk,
        "reduce_scatter": rank == chunk,
        "exscan": rank > 0,
    }.get(schedule.algorithm.collective, True)
