"""Prove a schedule: run it on symbolic values and compare with what its collective promises.

A value is whose contributions it holds, in which order, with which weights. Each must arrive exactly once, every rank
must end with what the collective promises, lengths must agree wherever data move, nothing may be read before it is
written, and no rank may wait for ever even if every send is synchronous (`replay`). Uneven and empty chunks need no
proof of their own: the walk does not look at counts.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mpitrain.collectives.schedule import (
    INPUT, OUTPUT, SCRATCH, Chunks, Combine, Copy, Opaque, Schedule, ScheduleError, Space, Step,
)  # fmt: skip
from mpitrain.analysis.promise import PROMISES, Contributions, spell
from mpitrain.analysis.replay import replay
from mpitrain.analysis.values import Mixtures, Sums


@dataclass(frozen=True)
class Proof:
    """A schedule keeps its collective's promise, and this is how.

    `roundings` is the longest chain of additions behind a result, `alike` whether ranks that end with the same sum hold
    the same bits, `ordered` whether contributions stand in rank order everywhere, `exact` whether a gossip ends with
    the mean (True for every other collective).
    """

    schedule: Schedule
    roundings: int
    alike: bool
    ordered: bool
    exact: bool = True


def prove(schedule: Schedule) -> Proof:
    """The proof of `schedule`, or `ScheduleError` saying rank, step, chunk, what was expected and what was found."""
    if isinstance(schedule, Opaque):
        raise ScheduleError(f"{schedule} is opaque: its steps are the library's own, there is nothing to prove")
    if schedule.algorithm.collective == "gossip":
        return _prove_gossip(schedule)
    memory = _Memory(schedule, Sums())
    replay(schedule, memory)
    promise = PROMISES[schedule.algorithm.collective]
    roundings, ordered, alike = 0, True, True
    named: dict[Contributions, object] = {}
    for rank in range(schedule.size):
        for chunk in range(schedule.chunks):
            expected = promise.after(schedule, rank, chunk)
            if expected is None:
                continue
            value = memory.cells[rank].get((OUTPUT, chunk))
            found = value.contributions if value else ()
            if tuple(sorted(found)) != expected:
                raise ScheduleError(
                    "ends with the wrong value", rank=rank, chunk=chunk, expected=spell(expected), found=spell(found)
                )
            roundings = max(roundings, value.roundings)
            ordered = ordered and found == expected
            alike = alike and named.setdefault(expected, value.rounding) == value.rounding
    return Proof(schedule, roundings, alike, ordered)


def _prove_gossip(schedule: Schedule) -> Proof:
    """Each rank ends with a weighted mean, and each contribution weighs as much in all ends together as any other."""
    memory = _Memory(schedule, Mixtures())
    replay(schedule, memory)
    roundings, alike, exact = 0, True, True
    for chunk in range(schedule.chunks):
        ends = [memory.cells[rank][OUTPUT, chunk] for rank in range(schedule.size)]
        for rank, end in enumerate(ends):
            contributions = PROMISES["gossip"].after(schedule, rank, chunk) or ()
            for name, total in (
                ("weights do not form a mean", sum(end.weights.values())),
                ("contribution gains or loses weight", sum(e.weights.get(contributions[rank], 0) for e in ends)),
            ):
                if total != 1 or min(end.weights.values()) < 0:
                    raise ScheduleError(name, rank=rank, chunk=chunk, expected="weights of sum 1", found=str(total))
            roundings = max(roundings, end.roundings)
            alike = alike and end.rounding == ends[0].rounding
            exact = exact and all(end.weights.get(c) == Fraction(1, schedule.size) for c in contributions)
    return Proof(schedule, roundings, alike, ordered=False, exact=exact)


class _Memory:
    """A reading: every rank's chunks hold symbolic values."""

    def __init__(self, schedule: Schedule, domain: Sums | Mixtures):
        self.schedule, self.domain = schedule, domain
        self.promise = PROMISES[schedule.algorithm.collective]
        given = OUTPUT if schedule.algorithm.in_place else INPUT
        self.cells: list[dict[tuple[Space, int], object]] = []
        for rank in range(schedule.size):
            start = {chunk: self.promise.before(schedule, rank, chunk) for chunk in range(schedule.chunks)}
            self.cells.append({(given, chunk): domain.leaf(c) for chunk, c in start.items() if c is not None})

    def begin(self, rank: int, number: int, step: Step) -> Sequence[tuple[list[Hashable], list]]:
        return [
            (
                [self._length(rank, number, cell) for cell in cells(send.chunks)],
                [self._located(rank, number, cell, self.domain.scale, self._read(rank, number, cell), send.weight)
                 for cell in cells(send.chunks)],
            )
            for send in step.send
        ]  # fmt: skip

    def end(self, rank: int, number: int, step: Step, arrived: Sequence[tuple[list[Hashable], list]]) -> None:
        for receive, (lengths, values) in zip(step.recv, arrived, strict=True):
            self._check_lengths(rank, number, receive.chunks, lengths)
            for cell, value in zip(cells(receive.chunks), values, strict=True):
                if isinstance(receive, Copy):
                    self.cells[rank][cell] = value
                else:
                    self._combine(rank, number, cell, value, receive.side, receive.weight)
        for action in step.local:
            self._check_lengths(
                rank, number, action.target, [self._length(rank, number, cell) for cell in cells(action.source)]
            )
            values = [self._read(rank, number, cell) for cell in cells(action.source)]
            for cell, value in zip(cells(action.target), values, strict=True):
                if isinstance(action, Combine):
                    self._combine(rank, number, cell, value, action.side, None)
                else:
                    self.cells[rank][cell] = value

    def _combine(self, rank, number, cell, value, side, weight) -> None:
        own = self._read(rank, number, cell)
        self.cells[rank][cell] = self._located(
            rank, number, cell, self.domain.combine, own, value, side, weight
        )

    def _read(self, rank: int, number: int, cell: tuple[Space, int]):
        value = self.cells[rank].get(cell)
        if value is None:
            raise ScheduleError(
                "reads a chunk that holds nothing yet", rank=rank, step=number, chunk=cell[0][cell[1]],
                expected="a value", found="nothing",
            )  # fmt: skip
        return value

    def _located(self, rank, number, cell, function, *arguments):
        try:
            return function(*arguments)
        except ScheduleError as error:
            raise ScheduleError(
                error.fault, rank=rank, step=number, chunk=cell[0][cell[1]],
                expected=error.expected, found=error.found,
            ) from None  # fmt: skip

    def _length(self, rank: int, number: int, cell: tuple[Space, int]) -> Hashable:
        space, chunk = cell
        spaces = (OUTPUT, SCRATCH) if self.schedule.algorithm.in_place else (INPUT, OUTPUT, SCRATCH)
        last = self.schedule.chunks - 1
        if space not in spaces or chunk < 0 or (chunk > last and space is not SCRATCH):
            raise ScheduleError(
                "names a chunk that is not there", rank=rank, step=number, chunk=space[chunk],
                expected=f"chunks 0-{last}", found=f"chunk {space[chunk]}",
            )  # fmt: skip
        if self.schedule.algorithm.equal_blocks:
            return "equal"
        return self.promise.length(rank, chunk % self.schedule.chunks, space is INPUT)

    def _check_lengths(self, rank: int, number: int, chunks: Chunks, lengths: list[Hashable]) -> None:
        own = [self._length(rank, number, cell) for cell in cells(chunks)]
        if own != lengths:
            raise ScheduleError(
                "lengths differ", rank=rank, step=number, chunk=chunks,
                expected=f"chunks as long as {own}", found=f"as long as {lengths}",
            )  # fmt: skip


def cells(chunks: Chunks) -> list[tuple[Space, int]]:
    """The single chunks of a contiguous piece."""
    return [(chunks.space, chunk) for chunk in range(chunks.start, chunks.stop)]
