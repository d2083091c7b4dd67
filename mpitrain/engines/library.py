"""The MPI library's own collectives, behind the same calls: opaque, to run and to compare with."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.binding import Action, cuts_of
from mpitrain.engines.messages import as_bytes
from mpitrain.engines.scheduled import REDUCING, Call
from mpitrain.engines.staged import BoundStep, Messenger, StagedPlan
from mpitrain.engines.start import MPI

OPS = {"sum": MPI.SUM, "mean": MPI.SUM, "prod": MPI.PROD, "min": MPI.MIN, "max": MPI.MAX}


class LibraryPlan(StagedPlan):
    """`run` is the library's blocking call, `start` the one that returns a request."""

    def __init__(self, messenger: Messenger, comm: MPI.Intracomm, call: Call, tag: int):
        arguments, after = _arguments(call)
        name = "allgatherv" if call.collective == "allgather" else call.collective
        self._blocking: Callable[..., Any] = getattr(comm, name.capitalize())
        starting: Callable[..., MPI.Request] = getattr(comm, f"I{name}")
        self._arguments, self._after = arguments, [*after, *call.epilogue()]
        super().__init__(
            messenger,
            [BoundStep((), lambda: [starting(*arguments)], self._after)],
            call.event("library", "mpi", tag),
            call.result,
        )

    def run(self) -> np.ndarray | None:
        self._blocking(*self._arguments)
        for action in self._after:
            action()
        return self.result


def _arguments(call: Call) -> tuple[tuple, list[Action]]:
    """What mpi4py's method takes, and what is left to do after it."""
    array, root = call.array, call.root
    if call.collective == "bcast":
        return (as_bytes(array), root), []
    if call.collective == "alltoall":
        return (as_bytes(array), as_bytes(call.received)), []
    if call.collective == "allgather":
        counts = [count * array.itemsize for count in call.counts]
        return (MPI.IN_PLACE, [as_bytes(array), counts, cuts_of(counts)[:-1], MPI.BYTE]), []
    op = _op(call)
    if call.collective == "reduce_scatter":
        received = np.empty_like(call.block)
        return (array, received, call.counts, op), [partial(np.copyto, call.block, received)]
    if call.collective == "reduce":
        return ((MPI.IN_PLACE, array, op, root) if call.rank == root else (array, None, op, root)), []
    return (MPI.IN_PLACE, array, op), []


def _op(call: Call) -> MPI.Op:
    assert call.collective in REDUCING and call.op is not None
    if call.op.name not in OPS:
        raise ScheduleError(f"the MPI library does not know op {call.op.name!r}: expected one of {', '.join(OPS)}")
    if call.array.dtype.itemsize == 2 and call.array.dtype.kind not in "iu":
        raise ScheduleError(f"the MPI library cannot reduce {call.array.dtype.name}: choose one of our algorithms")
    return OPS[call.op.name]
