"""What all worlds that run schedules share: choose an algorithm and bind its program to memory.

A subclass brings a `Messenger`, tags for its messages, and what to do for algorithms that are not ours.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from mpitrain.collectives.algorithm import Algorithm, Opaque
from mpitrain.collectives.catalogue import find
from mpitrain.collectives.schedule import Program, ScheduleError
from mpitrain.engines.binding import Action, Piece, bind, cuts_of, even_cuts
from mpitrain.engines.call import Call
from mpitrain.engines.staged import BoundStep, Messenger, Observer, StagedPlan
from mpitrain.event import Operation
from mpitrain.tuning import Choice, choose
from mpitrain.world import Array, Plan, World


@lru_cache(maxsize=256)
def program_of(algorithm: Algorithm, rank: int, size: int, root: int) -> Program:
    """A rank's program; kept, since training calls the same collectives again and again."""
    parameters = {"root": root} if algorithm.rooted else {}
    return algorithm.schedule(size, **parameters).program(rank)


class ScheduledWorld(World):
    """A world whose collectives run the catalogue's schedules."""

    crowded = False  # more ranks than cores on some host; alike on all ranks

    def __init__(self, messenger: Messenger):
        self.messenger = messenger
        self.closed = False
        self._plans: list[StagedPlan] = []

    def close(self) -> None:
        for plan in self._plans:
            if not plan.freed:
                plan.free()
        self._plans, self.closed = [], True

    def observe(self, observer: Observer) -> None:
        self.messenger.observers.append(observer)

    def explain(self, collective: str, nbytes: int) -> Choice:
        return choose(collective, nbytes, self.engine, crowded=self.crowded)

    def empty(self, count: int, dtype: Any = "float32") -> np.ndarray:
        """Aligned to 64 bytes, a cache line."""
        kind = np.dtype(dtype)
        room = np.empty(count * kind.itemsize + 64, np.uint8)
        start = -room.ctypes.data % 64
        return room[start : start + count * kind.itemsize].view(kind)

    def _bound(
        self,
        collective: str,
        buffer: Array,
        algorithm: str | Algorithm,
        op: Any = "sum",
        root: int = 0,
        counts: Sequence[int] | None = None,
        received: Array | None = None,
        kept: bool = False,
    ) -> Plan:
        self._check_open()
        call = Call(collective, self.rank, self.size, buffer, op, root, counts, received)
        commutative = call.op.commutative or not call.reduces
        if algorithm == "auto":
            choice = choose(collective, call.array.nbytes, self.engine, crowded=self.crowded, commutative=commutative)
            algorithm = choice.algorithm
        else:
            name = algorithm if isinstance(algorithm, str) else algorithm.name
            choice = Choice(collective, name, self.engine, "as asked for", "none")
        found = find(collective, algorithm) if isinstance(algorithm, str) else algorithm
        if found.collective != collective:
            raise ScheduleError(f"{found} is no algorithm for {collective}: expected one that is made for it")
        operation = Operation(
            collective, choice.algorithm, self.engine, call.op.name if call.reduces else None, call.array.dtype.name,
            call.array.size, call.array.nbytes, self._tag(kept),
        )  # fmt: skip
        if isinstance(found, Algorithm) and not (commutative or found.ordered):
            raise ScheduleError(
                f"{found} does not keep rank order, which op {operation.op!r} needs since it does not commute"
            )
        if isinstance(found, Opaque):
            plan = self._opaque(call, operation, choice.reason)
        else:
            plan = self._plan(call, found, operation, choice.reason, kept)
        if kept:
            self._plans = [other for other in self._plans if not other.freed] + [plan]
        return plan

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("this world is closed: expected calls before close() only")

    def _plan(self, call: Call, algorithm: Algorithm, operation: Operation, why: str, kept: bool) -> StagedPlan:
        program = program_of(algorithm, self.rank, self.size, call.root if algorithm.rooted else 0)
        cuts = cuts_of(call.counts) if call.counts else even_cuts(call.array.size, algorithm.chunks(self.size))
        output, given, prologue = call.array, None, list[Action]()
        if not algorithm.in_place:
            output, given = call.received, Piece(call.array, cuts)
        elif call.collective == "reduce" and self.rank != call.root and any(step.recv for step in program):
            output = np.empty_like(call.array)  # MPI leaves the buffers of other ranks as they are
            prologue.append(partial(np.copyto, output, call.array))
        steps = [BoundStep(prologue, None, ())] if prologue else []
        for stage in bind(program, Piece(output, cuts), call.op, given):
            messages = self.messenger.prepare(stage, operation.tag, kept) if stage.send or stage.recv else None
            steps.append(BoundStep(stage.before, messages, stage.after))
        if epilogue := call.epilogue():
            steps.append(BoundStep(epilogue, None, ()))
        return StagedPlan(self.messenger, steps, operation, why, call.result)

    def _tag(self, kept: bool) -> int:
        """The tag of a call's messages: that of a plan, if it is kept, belongs to it alone."""
        raise NotImplementedError

    def _opaque(self, call: Call, operation: Operation, why: str) -> StagedPlan:
        """The plan of an algorithm that is not ours."""
        raise NotImplementedError
