"""Symbolic memory: what every rank's chunks hold while a schedule is walked through.

It is a reading for the walk of `replay`. It knows the effect of a step and nothing of what a value is, which is its
domain's affair (`values`). On the way it finds chunks that are not there, chunks that are read before they hold
anything, and data that move between chunks which need not be equally long.
"""

from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import Generic

from mpitrain.analysis.promise import PROMISES
from mpitrain.analysis.values import Domain, Value
from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import (
    INPUT,
    OUTPUT,
    SCRATCH,
    Chunks,
    Combine,
    Copy,
    ScheduleError,
    Side,
    Space,
    Step,
)

Payload = tuple[list[Hashable], list[Value]]
"""What a message carries: for each of its chunks a label of its length, and its value."""


class Memory(Generic[Value]):
    """Every rank's chunks, at the start as the collective's promise says."""

    def __init__(self, schedule: Schedule, domain: Domain[Value]):
        self._schedule, self._domain = schedule, domain
        self._promise = PROMISES[schedule.algorithm.collective]
        self._spaces = (OUTPUT, SCRATCH) if schedule.algorithm.kind.in_place else (INPUT, OUTPUT, SCRATCH)
        self._ranks: list[dict[Space, dict[int, Value]]] = []
        for rank in range(schedule.size):
            start = {chunk: self._promise.before(schedule, rank, chunk) for chunk in range(schedule.chunks)}
            spaces: dict[Space, dict[int, Value]] = {space: {} for space in self._spaces}
            spaces[self._spaces[0]] = {chunk: domain.leaf(given) for chunk, given in start.items() if given is not None}
            self._ranks.append(spaces)

    def result(self, rank: int, chunk: int) -> Value | None:
        """What an output chunk holds now, None if nothing."""
        return self._ranks[rank][OUTPUT].get(chunk)

    def begin(self, rank: int, number: int, step: Step) -> Sequence[Payload[Value]]:
        payloads = []
        for send in step.send:
            lengths, values = self._lengths(rank, number, send.chunks), self._read(rank, number, send.chunks)
            if send.weight is not None:
                try:
                    values = [self._domain.scale(value, send.weight) for value in values]
                except ScheduleError as error:
                    raise error.at(rank, number, send.chunks) from None
            payloads.append((lengths, values))
        return payloads

    def end(self, rank: int, number: int, step: Step, arrived: Sequence[Payload[Value]]) -> None:
        for receive, (lengths, values) in zip(step.recv, arrived, strict=True):
            self._check_lengths(rank, number, receive.chunks, lengths)
            if isinstance(receive, Copy):
                self._write(rank, receive.chunks, values)
            else:
                self._combine(rank, number, receive.chunks, values, receive.side, receive.weight)
        for action in step.local:
            self._check_lengths(rank, number, action.target, self._lengths(rank, number, action.source))
            values = self._read(rank, number, action.source)
            if isinstance(action, Combine):
                self._combine(rank, number, action.target, values, action.side, None)
            else:
                self._write(rank, action.target, values)

    def _read(self, rank: int, number: int, chunks: Chunks) -> list[Value]:
        held = self._ranks[rank][chunks.space]
        values = []
        for chunk in range(chunks.start, chunks.stop):
            if chunk not in held:
                raise ScheduleError(
                    "reads a chunk that holds nothing yet", rank=rank, step=number, chunk=chunks.space[chunk],
                    expected="a value", found="nothing",
                )  # fmt: skip
            values.append(held[chunk])
        return values

    def _write(self, rank: int, chunks: Chunks, values: list[Value]) -> None:
        self._ranks[rank][chunks.space].update(zip(range(chunks.start, chunks.stop), values, strict=True))

    def _combine(
        self, rank: int, number: int, chunks: Chunks, incoming: list[Value], side: Side, weight: Fraction | None
    ) -> None:
        combined: list[Value] = []
        for own, value in zip(self._read(rank, number, chunks), incoming, strict=True):
            try:
                combined.append(self._domain.combine(own, value, side, weight))
            except ScheduleError as error:
                raise error.at(rank, number, chunks.space[chunks.start + len(combined)]) from None
        self._write(rank, chunks, combined)

    def _lengths(self, rank: int, number: int, chunks: Chunks) -> list[Hashable]:
        """Labels of the chunks' lengths: equal labels are equal lengths, whatever the counts."""
        count, (space, start, stop) = self._schedule.chunks, chunks
        if space not in self._spaces or start < 0 or (stop > count and space is not SCRATCH):
            there = ", ".join(str(space[0:count]) for space in self._spaces if space is not SCRATCH)
            raise ScheduleError(
                "names a chunk that is not there", rank=rank, step=number, chunk=chunks,
                expected=f"one of {there} or scratch", found=chunks,
            )  # fmt: skip
        if space is not SCRATCH:
            for chunk in range(start, stop):
                if not self._promise.room(self._schedule, rank, chunk, space is INPUT):
                    raise ScheduleError(
                        f"the caller has no memory for {space[chunk]} here", rank=rank, step=number, chunk=chunks,
                        expected="chunks that are given or wanted here, or scratch", found=chunks,
                    )  # fmt: skip
        if self._schedule.algorithm.equal_blocks:
            return ["any"] * (stop - start)
        return [self._promise.length(rank, chunk % count, space is INPUT) for chunk in range(start, stop)]

    def _check_lengths(self, rank: int, number: int, chunks: Chunks, lengths: list[Hashable]) -> None:
        own = self._lengths(rank, number, chunks)
        if own != lengths:
            raise ScheduleError(
                "lengths differ", rank=rank, step=number, chunk=chunks,
                expected=f"the lengths of chunks {_list(own)}", found=f"those of {_list(lengths)}",
            )  # fmt: skip


def _list(lengths: list[Hashable]) -> str:
    return ", ".join(map(str, lengths))
