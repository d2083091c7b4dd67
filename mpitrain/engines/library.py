"""The MPI library's own collectives, behind the same calls: opaque, to run and to compare with."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mpitrain.collectives.kinds import KINDS
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.call import Call, finish
from mpitrain.engines.layout import cuts_of
from mpitrain.engines.messages import KNOWN, MPIMessenger, as_words
from mpitrain.engines.plan import Again
from mpitrain.engines.reduction import OPS, Op
from mpitrain.engines.staged import BoundStep, Requests, StagedPlan
from mpitrain.engines.start import MPI
from mpitrain.engines.tally import TALLY
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
        method = _method(call)
        self._blocking, self._shown = method.of(comm), method.shown
        self._array, self._given = call.array, method.shows(call.array)
        self._finish = finish(call, blocks_come_first=True)
        after = [partial(self._finish, call.array)] if self._finish else []
        step = BoundStep((), LibraryCall(partial(method.of(comm, blocking=False), self._given)), after)
        super().__init__(messenger, [[step]], operation, why, call.result)

    def run(self) -> Any:
        if self.freed:
            return self.start().wait()  # which refuses
        progress = self.messenger.progress
        if progress.under_way:
            progress.wait_for_all()
        TALLY.collectives += 1
        event = Event(self.operation, begun := progress.now(), begun)
        self._blocking(self._given)
        if self._finish is not None:
            self._finish(self._array)
        event.ended = progress.now()
        if progress.observers:
            progress.tell(event)
        return self.result

    def again(self) -> Again | None:
        """`run` on other arrays of this type and size, at the least cost: small calls are made by the thousand."""
        if not KINDS[self.operation.collective].in_place:
            return None
        operation, progress, finishing = self.operation, self.messenger.progress, self._finish
        now, blocking, shown = progress.now, self._blocking, self._shown

        def again(array: np.ndarray) -> Any:
            TALLY.collectives += 1
            event = Event(operation, begun := now(), begun)
            blocking(array if shown is None else shown(array))
            result = array if finishing is None else finishing(array)
            event.ended = now()
            if progress.observers:
                progress.tell(event)
            return result

        return again


class BareCall(NamedTuple):
    """mpi4py's own method bound to its arguments, and the memory in which its result will lie."""

    run: Callable[[], None]
    result: np.ndarray


def bare_call(
    collective: str,
    array: np.ndarray | None,
    root: int = 0,
    comm: MPI.Intracomm = MPI.COMM_WORLD,
    received: np.ndarray | None = None,
) -> BareCall:
    """What somebody without mpitrain would call, in place if that goes, to sum or to copy: what we are compared with.

    Without a record, without an epilogue. `ScheduleError` where the library cannot do it.
    """
    call = Call(collective, comm.Get_rank(), comm.Get_size(), array, root=root, received=received)
    method = _method(call)
    result = call.array[: call.block.size] if collective == "reduce_scatter" else call.received
    return BareCall(partial(method.of(comm), method.shows(call.array)), result)


def bare_ping_pong(buffer: np.ndarray) -> None:
    """A message from rank 0 to rank 1 and back, by mpi4py's own methods; the other ranks do nothing."""
    comm = MPI.COMM_WORLD
    rank = comm.Get_rank()
    if rank == 0:
        comm.Send(buffer, 1)
        comm.Recv(buffer, 1)
    elif rank == 1:
        comm.Recv(buffer, 0)
        comm.Send(buffer, 0)


def library_version() -> str:
    """Name and version of the MPI library, such as "Open MPI v5.0.11"."""
    return " ".join(re.split("[,\n]", MPI.Get_library_version())[0].replace("Version:", "").split())


class Method(NamedTuple):
    """mpi4py's method as its users write it, in place: `name(*before, array, **named)`.

    `shown` makes of the array what stands in its place; None where that is the array itself.
    """

    name: str
    before: tuple[Any, ...] = ()
    named: Mapping[str, Any] = {}
    shown: Callable[[np.ndarray], Any] | None = None
    takes_array: bool = True

    def of(self, comm: MPI.Intracomm, blocking: bool = True) -> Callable[[Any], Any]:
        """To be called with what stands for the array."""
        method = getattr(comm, self.name.capitalize() if blocking else f"I{self.name}")
        return partial(method, *self.before, **self.named) if self.takes_array else lambda array: method()

    def shows(self, array: np.ndarray) -> Any:
        return array if self.shown is None else self.shown(array)


def _method(call: Call) -> Method:
    name, root = call.collective, call.root
    words = None if call.dtype.char in KNOWN else as_words
    if name == "barrier":
        return Method(name, takes_array=False)
    if name == "bcast":
        return Method(name, (), {"root": root}, words)
    if name == "allgather":
        if len(set(call.counts)) == 1:
            return Method(name, (MPI.IN_PLACE,), {}, words)
        return Method("allgatherv", (MPI.IN_PLACE,), {}, partial(_blocks, call.counts))
    if not call.kind.in_place:
        return _moving(call)
    op = _op(call.op, call.dtype)
    if name == "reduce_scatter":
        return Method(name, (MPI.IN_PLACE,), {"recvcounts": call.counts, "op": op})
    if name == "reduce" and call.rank != root:
        return Method(name, (), {"recvbuf": None, "op": op, "root": root})
    if name == "reduce":
        return Method(name, (MPI.IN_PLACE,), {"op": op, "root": root})
    return Method(name, (MPI.IN_PLACE,), {"op": op})


def _moving(call: Call) -> Method:
    """Of gather, scatter and alltoall: from one buffer to another."""
    name, at_root = call.collective, {"root": call.root} if call.kind.rooted else {}
    equal = len(set(call.counts)) == 1 and call.exchanged is None
    given, received = call.exchanged or (call.counts, call.counts)
    shown: Callable[[np.ndarray], Any] = as_words if equal else partial(_blocks, given)
    arrives: Any = as_words(call.received) if equal else _blocks(received, call.received)
    if name == "gather":
        shown, arrives = as_words, arrives if call.rank == call.root else None
        if call.rank == call.root and np.may_share_memory(call.array, call.received):
            shown = _in_its_place
    if name == "scatter":
        shown, arrives = (shown if call.rank == call.root else _nothing), as_words(call.received)
        if call.rank == call.root and np.may_share_memory(call.array, call.received):
            arrives = MPI.IN_PLACE
    return Method(name if equal else f"{name}v", (), {"recvbuf": arrives, **at_root}, shown)


def _blocks(counts: Sequence[int], array: np.ndarray) -> list[Any]:
    """As MPI's v-forms want it."""
    words = as_words(array)
    counts = [count * (array.itemsize // words.itemsize) for count in counts]
    return [words, counts, cuts_of(counts)[:-1], MPI.Datatype.fromcode(words.dtype.char)]


def _in_its_place(array: np.ndarray) -> Any:
    return MPI.IN_PLACE


def _nothing(array: np.ndarray) -> None:
    """What others than the root give to a scatter."""


def library_can(call: Call) -> bool:
    """Whether the library knows the operation and the type."""
    if not call.reduces or call.collective == "barrier":
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
