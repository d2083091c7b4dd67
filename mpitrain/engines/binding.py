"""Bind a program to memory: from chunks to arrays, from the effect of a step to what is done in which order.

A stage is a step over real arrays. What may not be received in place is staged: a value to be combined, and a copy into
a chunk that the same step still sends or otherwise writes. Empty messages are left out; both sides know that they are
empty, since they know the lengths.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mpitrain.collectives.schedule import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Chunks,
    Combine,
    Copy,
    Reduce,
    Space,
    Step,
    scratch_chunks,
)
from mpitrain.engines.actions import HOST, Action, Arithmetic
from mpitrain.engines.layout import scratch_cuts
from mpitrain.engines.reduction import Op, is_float


class Stage(NamedTuple):
    """Do `before`, exchange the messages, then do `after`, which combines so many bytes. Messages are (peer, array)."""

    before: tuple[Action, ...]
    send: tuple[tuple[int, np.ndarray], ...]
    recv: tuple[tuple[int, np.ndarray], ...]
    after: tuple[Action, ...]
    combined: int


class Piece(NamedTuple):
    """A flat array and where its chunks begin: chunk i is array[cuts[i]:cuts[i + 1]]."""

    array: np.ndarray
    cuts: Sequence[int]

    def view(self, chunks: Chunks) -> np.ndarray:
        return self.array[self.cuts[chunks.start] : self.cuts[chunks.stop]]


def bind(
    steps: Callable[[], Iterable[Step]],
    given: Piece,
    output: Piece,
    lengths: Sequence[int],
    op: Op,
    arithmetic: Arithmetic = HOST,
) -> Iterator[Stage]:
    """The stages of a program over its input `given` and its `output`; scratch is measured by the chunks' `lengths`.

    `steps()` is called twice, to measure and to bind: neither the steps nor the stages need be in memory at one time.
    """
    dtype = output.array.dtype
    scratch = scratch_cuts(lengths, scratch_chunks(steps()))
    pieces = {INPUT: given, OUTPUT: output, SCRATCH: Piece(arithmetic.empty(scratch[-1], dtype), scratch)}
    binder = _Binder(pieces, op, arithmetic)
    staging = arithmetic.empty(max(map(binder.staged, steps()), default=0), dtype)
    return (binder.stage(step, staging) for step in steps())


def check_weights(steps: Callable[[], Iterable[Step]], dtype: np.dtype) -> None:
    """`TypeError` if the program has weights and the type cannot be weighted."""
    if not is_float(dtype) and any(_weights(steps())):
        raise TypeError(f"a program with weights needs floats: found {dtype}")


def _weights(steps: Iterable[Step]) -> Iterator[bool]:
    for step in steps:
        yield any(send.weight is not None for send in step.send)
        yield any(isinstance(receive, Reduce) and receive.weight is not None for receive in step.recv)


def _must_stage(step: Step, number: int) -> bool:
    receive = step.recv[number]
    if isinstance(receive, Reduce):
        return True
    others = [s.chunks for s in step.send] + [r.chunks for i, r in enumerate(step.recv) if i != number]
    return any(receive.chunks.overlaps(chunks) for chunks in others)


class _Binder:
    def __init__(self, pieces: Mapping[Space, Piece], op: Op, arithmetic: Arithmetic):
        self.pieces, self.op, self.arithmetic = pieces, op, arithmetic

    def view(self, chunks: Chunks) -> np.ndarray:
        return self.pieces[chunks.space].view(chunks)

    def staged(self, step: Step) -> int:
        """Elements that this step must stage."""
        weighted = sum(self.view(send.chunks).size for send in step.send if send.weight is not None)
        return weighted + sum(
            self.view(receive.chunks).size for i, receive in enumerate(step.recv) if _must_stage(step, i)
        )

    def stage(self, step: Step, staging: np.ndarray) -> Stage:
        before: list[Action] = []
        sends: list[tuple[int, np.ndarray]] = []
        receives: list[tuple[int, np.ndarray]] = []
        after: list[Action] = []
        used = combined = 0
        does = self.arithmetic

        def take(count: int) -> np.ndarray:
            nonlocal used
            used += count
            return staging[used - count : used]

        for send in step.send:
            source = self.view(send.chunks)
            if send.weight is not None:
                weighted = take(source.size)
                before.append(does.scaling(source, weighted, float(send.weight)))
                source = weighted
            sends.append((send.peer, source))
        for i, receive in enumerate(step.recv):
            target = self.view(receive.chunks)
            arrival = take(target.size) if _must_stage(step, i) else target
            receives.append((receive.peer, arrival))
            if isinstance(receive, Copy):
                if arrival is not target:
                    after.append(does.copying(arrival, target))
                continue
            combined += target.nbytes
            if receive.weight is not None:
                after.append(does.mixing(target, arrival, float(receive.weight)))
            else:
                after.append(does.combining(self.op, target, arrival, receive.side))
        for action in step.local:
            source, target = self.view(action.source), self.view(action.target)
            if isinstance(action, Combine):
                combined += target.nbytes
                after.append(does.combining(self.op, target, source, action.side))
            else:
                after.append(does.copying(source, target))
        return Stage(
            tuple(before),
            tuple((peer, array) for peer, array in sends if array.size),
            tuple((peer, array) for peer, array in receives if array.size),
            tuple(after),
            combined,
        )
