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
        arguments, after = _arguments(call)
        name = "allgatherv" if call.collective == "allgather" else call.collective
        self._blocking: Callable[[], None] = partial(getattr(comm, name.capitalize()), *arguments)
        self._progress = messenger.progress
        self._after = [*after, *call.epilogue()]
        step = BoundStep((), LibraryCall(partial(getattr(comm, f"I{name}"), *arguments)), self._after)
        super().__init__(messenger, [step], operation, why, call.result)

    def run(self) -> Any:
        if self.freed:
            return self.start().wait()  # which refuses
        progress = self._progress
        if progress.under_way:
            progress.wait_for_all()
        event = Event(self.operation, progress.now())
        event.awaited = event.begun
        self._blocking()
        for action in self._after:
            action()
        event.ended = progress.now()
        if progress.observers:
            progress.tell(event)
        return self.result


def _arguments(call: Call) -> tuple[tuple[Any, ...], list[Action]]:
    """What mpi4py's method takes, and what is left to do after it."""
    array, root = call.array, call.root
    if call.collective == "bcast":
        return (as_words(array), root), []
    if call.collective == "alltoall":
        return (as_words(array), as_words(call.received)), []
    if call.collective == "allgather":
        words = as_words(array)
        counts = [count * (array.itemsize // words.itemsize) for count in call.counts]
        return (MPI.IN_PLACE, [words, counts, cuts_of(counts)[:-1], MPI.Datatype.fromcode(words.dtype.char)]), []
    op = _op(call.op, call.array.dtype)
    if call.collective == "reduce_scatter":
        received = np.empty_like(call.block)
        return (array, received, call.counts, op), [partial(np.copyto, call.block, received)]
    if call.collective == "reduce":
        return ((MPI.IN_PLACE, array, op, root) if call.rank == root else (array, None, op, root)), []
    return (MPI.IN_PLACE, array, op), []


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
