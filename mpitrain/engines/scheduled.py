"""What all worlds that run schedules share: choose an algorithm and bind its program to memory.

A subclass brings a `Messenger`, tags for its messages, and what to do for algorithms that are not ours.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mpitrain.collectives.algorithm import Algorithm, Opaque
from mpitrain.collectives.catalogue import find
from mpitrain.collectives.schedule import INPUT, OUTPUT, ScheduleError, Step
from mpitrain.engines.actions import HOST, Action
from mpitrain.engines.binding import Piece, Stage, bind, check_weights
from mpitrain.engines.buffers import Counts
from mpitrain.engines.call import Call
from mpitrain.engines.fitting import fitted
from mpitrain.engines.plan import EnginePlan
from mpitrain.engines.programs import program_of, schedule_of
from mpitrain.engines.progress import Observer
from mpitrain.engines.staged import BoundStep, Messenger, StagedPlan
from mpitrain.engines.tally import TALLY
from mpitrain.event import Operation
from mpitrain.tuning import Choice
from mpitrain.world import AlgorithmLike, Array, World

if TYPE_CHECKING:
    from mpitrain.engines.check import Check, CheckedPlan

SHARED = "shared"
"""The engine that works in memory of all ranks, and needs no tags."""

BY_ELEMENT = ("allreduce", "reduce", "bcast")
"""Collectives in which every element goes its way by itself, so that parts of the data may go one after the other."""


class ScheduledWorld(World):
    """A world whose collectives run the catalogue's schedules."""

    node_sizes: tuple[int, ...] | None = (1,)
    strands_from = math.inf  # bytes from which data go in two strands; alike on all ranks
    crowded = False  # more ranks than cores on some host; alike on all ranks
    check: "Check | None" = None  # in checked mode
    arithmetic = HOST  # where its programs are bound, and what they compute with

    def __init__(self, messenger: Messenger):
        self.messenger = messenger
        self.progress = messenger.progress
        self.closed = False
        self._plans: list[EnginePlan] = []

    def close(self) -> None:
        for plan in self._plans:
            if not plan.freed:
                plan.free()
        self._plans, self.closed = [], True

    def observe(self, observer: Observer) -> None:
        self.progress.observers.append(observer)

    def move_on(self) -> None:
        self.progress.between_layers()

    def explain(self, collective: str, nbytes: int) -> Choice:
        return self._choose(collective, nbytes)

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
        algorithm: AlgorithmLike,
        op: Any = "sum",
        root: int = 0,
        counts: Counts = None,
        received: Array | None = None,
        received_counts: Counts = None,
        kept: bool = False,
        engine: str = "auto",
    ) -> "EnginePlan | CheckedPlan":
        try:
            self._check_open()
            call = Call(collective, self.rank, self.size, buffer, op, root, counts, received, received_counts)
            found, choice = self._chosen(call, algorithm, engine, once=not kept)
            if isinstance(found, Algorithm):
                check_weights(partial(self._program, found, root), call.dtype)
        except Exception as error:
            if self.check is not None:
                self.check.failed(collective, error)
            raise
        operation = Operation(
            collective, choice.algorithm, choice.engine, call.op.name if call.reduces else None,
            call.dtype.name, call.count, call.nbytes,
        )  # fmt: skip
        if kept:
            TALLY.collectives += 1
        if self.check is not None:
            self.check.bound(call, operation, counts, kept)
        if isinstance(found, Opaque):
            plan = self._opaque(call, operation, choice.reason)
        else:
            plan = self._plan(call, found, operation, choice, kept)
        if not kept:
            return plan
        self._plans = [other for other in self._plans if not other.freed] + [plan]
        return plan if self.check is None else self.check.plan(plan)

    def _chosen(
        self, call: Call, algorithm: AlgorithmLike, engine: str, once: bool
    ) -> tuple[Algorithm | Opaque, Choice]:
        """What runs, and why. `ScheduleError` if it cannot."""
        collective, commutative = call.collective, call.op.commutative or not call.reduces
        if algorithm == "auto":
            choice = self._choose(
                collective, call.nbytes, engine, library=self._library_can(call), commutative=commutative,
                equal_blocks=call.exchanged is None, once=once,
            )  # fmt: skip
            found = find(collective, choice.algorithm)
            return fitted(found, call.nbytes, self.node_sizes) if isinstance(found, Algorithm) else found, choice
        found = find(collective, algorithm) if isinstance(algorithm, str) else algorithm
        if isinstance(found, Algorithm):
            found = fitted(found, call.nbytes, self.node_sizes)
        if found.collective != collective:
            raise ScheduleError(f"{found} is no algorithm for {collective}: expected one that is made for it")
        if isinstance(found, Algorithm) and found.equal_blocks and call.exchanged is not None:
            raise ScheduleError(f"{found} moves equal blocks only: expected no counts, or another algorithm")
        if isinstance(found, Algorithm) and not (commutative or found.ordered):
            raise ScheduleError(
                f"{found} does not keep rank order, which op {call.op.name!r} needs since it does not commute"
            )
        return found, Choice(collective, found.name, self._engine_for(found, engine), "as asked for", "none")

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("this world is closed: expected calls before close() only")

    def _plan(self, call: Call, algorithm: Algorithm, operation: Operation, choice: Choice, kept: bool) -> EnginePlan:
        """An algorithm of ours, by messages; long data in two strands, if they go far."""
        halves = call.collective in BY_ELEMENT and call.nbytes >= self.strands_from
        middle = call.array.size // 2
        parts = [call.part(slice(middle)), call.part(slice(middle, None))] if halves else [call]
        strands = [self._steps(part, algorithm, kept) for part in parts]
        return StagedPlan(self.messenger, strands, operation, choice.reason, call.result)

    def _steps(self, call: Call, algorithm: Algorithm, kept: bool) -> Iterable[BoundStep]:
        steps = partial(self._program, algorithm, call.root)
        layout = call.layout(schedule_of(algorithm, self.size, call.root).chunks)
        output, prologue = call.received, list[Action]()
        if call.collective == "reduce" and self.rank != call.root and any(step.recv for step in steps()):
            output = self.arithmetic.empty(call.array.size, call.dtype)  # MPI leaves other ranks' buffers as they are
            prologue.append(self.arithmetic.copying(call.array, output))
        given = output if call.kind.in_place else call.array
        read, written = (
            Piece(array, layout.cuts(self.rank, space)) for array, space in ((given, INPUT), (output, OUTPUT))
        )
        stages = partial(bind, steps, read, written, layout.lengths, call.op, self.arithmetic)
        return self._replayed(
            partial(self._bound_steps, prologue, stages, call.epilogue(self.arithmetic), self._tag(kept), kept), kept
        )

    def _program(self, algorithm: Algorithm, root: int) -> Iterable[Step]:
        """This rank's steps."""
        return program_of(algorithm, self.rank, self.size, root)

    def _replayed(self, bound: Callable[[], Iterator[BoundStep]], kept: bool) -> Iterable[BoundStep]:
        """What is replayed: the bound steps, for calls that are `kept` many times."""
        return list(bound())

    def _bound_steps(
        self,
        prologue: Sequence[Action],
        stages: Callable[[], Iterator[Stage]],
        epilogue: Sequence[Action],
        tag: int,
        kept: bool,
    ) -> Iterator[BoundStep]:
        if prologue:
            yield BoundStep(prologue, None, ())
        for stage in stages():
            messages = self.messenger.prepare(stage, tag, kept) if stage.send or stage.recv else None
            yield BoundStep(stage.before, messages, self._after(stage))
        if epilogue:
            yield BoundStep(epilogue, None, ())

    def _after(self, stage: Stage) -> Sequence[Action]:
        """What follows a stage's messages."""
        return stage.after

    def _choose(self, collective: str, nbytes: int, engine: str = "auto", **call: bool) -> Choice:
        """What `auto` takes, on one engine or any; `call` says more, as `tuning.choose` takes it."""
        raise NotImplementedError

    def _engine_for(self, algorithm: Algorithm | Opaque, engine: str) -> str:
        """Where an algorithm runs that was asked for by name."""
        return self.engine if engine == "auto" else engine

    def _library_can(self, call: Call) -> bool:
        """Whether the MPI library, if there is one, can do this call too."""
        return False

    def _tag(self, kept: bool) -> int:
        """The tag of a call's messages; that of a plan, which is kept, belongs to it alone."""
        raise NotImplementedError

    def _opaque(self, call: Call, operation: Operation, why: str) -> EnginePlan:
        """The plan of an algorithm that is not ours."""
        raise NotImplementedError
