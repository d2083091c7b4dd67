"""The MPI library's own collectives, behind the same calls: opaque, to run and to compare with."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.actions import Action
from mpitrain.engines.binding import cuts_of
from mpitrain.engines.call import Call
from mpitrain.engines.messages import MPIMessenger, as_words
from mpitrain.engines.plan import Again
from mpitrain.engines.reduction import OPS, Op
from mpitrain.engines.staged import BoundStep, Requests, StagedPlan
from mpitrain.engines.start import MPI
from mpitrain.event import Event, Operation

LIBRARY_OPS = {"sum": MPI.SUM, "mean": MPI.SUM, "prod": MPI.PROD, "min": MPI.MIN, "max": MPI.MAX}


class LibraryCall:
    """A nonblocking call of the library, in the place of a stage's messages."""

    def __init__(self, starting: Callable[[], MPI.Request]):
        self._starting = starting

    def post(self) -> Requests:
        return [self._starting()]

    def free(self) -> None:
        pass


class LibraryPlan(StagedPlan):
    """`run` is the library's blocking call, `start` the one that returns a request."""

    def __init__(self, messenger: MPIMessenger, comm: MPI.Intracomm, call: Call, operation: Operation, why: str):
        name = "allgatherv" if call.collective == "allgather" else call.collective
        self._blocking = getattr(comm, name.capitalize())
        self._arguments_of = _arguments(call)
        self._arguments = self._arguments_of(call.array)
        self._after = [*_arrivals(call, self._arguments), *call.epilogue()]
        step = BoundStep((), LibraryCall(partial(getattr(comm, f"I{name}"), *self._arguments)), self._after)
        super().__init__(messenger, [step], operation, why, call.result)

    def run(self) -> Any:
        if self.freed:
            return self.start().wait()  # which refuses
        progress = self.messenger.progress
        if progress.under_way:
            progress.wait_for_all()
        event = Event(self.operation, begun := progress.now(), begun)
        self._blocking(*self._arguments)
        for action in self._after:
            action()
        event.ended = progress.now()
        if progress.observers:
            progress.tell(event)
        return self.result

    def again(self) -> Again | None:
        """`run` on other arrays of this type and size, at the least cost: small calls are made by the thousand."""
        if self._after or self.operation.collective == "alltoall":
            return None
        operation, progress, blocking, arguments_of = (
            self.operation,
            self.messenger.progress,
            self._blocking,
            self._arguments_of,
        )
        now, elsewhere = progress.now, self.result is None

        def again(array: np.ndarray) -> Any:
            event = Event(operation, begun := now(), begun)
            blocking(*arguments_of(array))
            event.ended = now()
            if progress.observers:
                progress.tell(event)
            return None if elsewhere else array

        return again


def _arguments(call: Call) -> Callable[[np.ndarray], tuple[Any, ...]]:
    """From an array to what mpi4py's method takes."""
    root = call.root
    if call.collective == "bcast":
        return lambda array: (as_words(array), root)
    if call.collective == "alltoall":
        return lambda array: (as_words(array), as_words(call.received))
    if call.collective == "allgather":
        words = as_words(call.array)
        counts = [count * (call.array.itemsize // words.itemsize) for count in call.counts]
        places, kind = cuts_of(counts)[:-1], MPI.Datatype.fromcode(words.dtype.char)
        return lambda array: (MPI.IN_PLACE, [as_words(array), counts, places, kind])
    op = _op(call.op, call.array.dtype)
    if call.collective == "reduce_scatter":
        received = np.empty_like(call.block)
        return lambda array: (array, received, call.counts, op)
    if call.collective == "reduce" and call.rank != root:
        return lambda array: (array, None, op, root)
    if call.collective == "reduce":
        return lambda array: (MPI.IN_PLACE, array, op, root)
    return lambda array: (MPI.IN_PLACE, array, op)


def _arrivals(call: Call, arguments: tuple[Any, ...]) -> list[Action]:
    """What the library cannot do in place is copied to its place."""
    return [partial(np.copyto, call.block, arguments[1])] if call.collective == "reduce_scatter" else []


def library_can(call: Call) -> bool:
    """Whether the library knows the operation and the type."""
    if not call.reduces:
        return True
    try:
        _op(call.op, call.array.dtype)
    except ScheduleError:
        return False
    return True


def _op(op: Op, dtype: np.dtype) -> MPI.Op:
    if op is not OPS.get(op.name):
        names = ", ".join(LIBRARY_OPS)
        raise ScheduleError(f"the MPI library does not know the operation {op.name!r} given: expected one of {names}")
    if dtype.itemsize == 2 and dtype.kind not in "iu":
        raise ScheduleError(f"the MPI library cannot reduce {dtype.name}: choose one of our algorithms")
    return LIBRARY_OPS[op.name]
