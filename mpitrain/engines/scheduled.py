"""What all worlds that run schedules share: take arguments, choose an algorithm, bind it to memory.

A subclass brings a `Messenger`, and `_opaque` for algorithms that are not ours.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from mpitrain.array import as_array
from mpitrain.collectives.catalogue import find
from mpitrain.collectives.schedule import Algorithm, Opaque, Program, ScheduleError
from mpitrain.event import Event
from mpitrain.tuning import Choice, choose
from mpitrain.world import Array, Plan, Work, World
from mpitrain.engines.binding import Action, Piece, bind, cuts_of, even_cuts
from mpitrain.engines.reduction import Op, as_op, check_dtype, divide
from mpitrain.engines.staged import BoundStep, Messenger, StagedPlan

REDUCING = ("allreduce", "reduce", "reduce_scatter", "exscan")
ROOTED = ("reduce", "bcast")
BY_BLOCKS = ("reduce_scatter", "allgather", "alltoall")


class Call:
    """The arguments of one collective call, checked and bound to arrays."""

    def __init__(
        self,
        world: "ScheduledWorld",
        collective: str,
        buffer: Array,
        op: Any = None,
        root: int = 0,
        counts: Sequence[int] | None = None,
        received: Array | None = None,
    ):
        self.collective, self.root = collective, root
        self.rank, self.size = world.rank, world.size
        self.shaped = as_array(buffer)  # what the caller gets back
        self.array = flat(collective, self.shaped)
        self.op: Op | None = None
        if collective in REDUCING:
            self.op = as_op(op)
            check_dtype(self.op, self.array.dtype)
        if collective in ROOTED and not 0 <= root < self.size:
            raise ValueError(f"{collective}: root {root}: expected a rank below {self.size}")
        self.counts = self._counts(counts) if collective in BY_BLOCKS else None
        self.received = None
        if collective == "alltoall":
            self.shaped = np.empty_like(self.array) if received is None else as_array(received)
            self.received = self._received(flat(collective, self.shaped))

    def _counts(self, counts: Sequence[int] | None) -> list[int]:
        count = self.array.size
        if counts is None:
            if self.collective == "alltoall" and count % self.size:
                raise ValueError(f"alltoall: {count} elements: expected a multiple of the {self.size} ranks")
            cuts = even_cuts(count, self.size)
            return [stop - start for start, stop in zip(cuts, cuts[1:], strict=False)]
        if len(counts) != self.size or sum(counts) != count or min(counts) < 0:
            raise ValueError(
                f"{self.collective}: counts {list(counts)}: expected {self.size} counts, one a rank, of sum {count}"
            )
        return list(counts)

    def _received(self, target: np.ndarray) -> np.ndarray:
        if target.size != self.array.size or target.dtype != self.array.dtype:
            raise ValueError(
                f"alltoall: receives {target.size} x {target.dtype}: "
                f"expected {self.array.size} x {self.array.dtype}, as is sent"
            )
        if np.may_share_memory(target, self.array):
            raise ValueError("alltoall: sends and receives in one buffer: expected two, or none to receive in")
        return target

    @property
    def block(self) -> np.ndarray:
        """This rank's own block of the array."""
        cuts = cuts_of(self.counts)
        return self.array[cuts[self.rank] : cuts[self.rank + 1]]

    @property
    def result(self) -> np.ndarray | None:
        """What the call returns, once it is done."""
        if self.collective == "reduce":
            return self.shaped if self.rank == self.root else None
        return self.block if self.collective == "reduce_scatter" else self.shaped

    def epilogue(self) -> list[Action]:
        if self.op is None or self.op.name != "mean" or self.result is None:
            return []
        summed = self.rank if self.collective == "exscan" else self.size
        return [partial(divide, self.result, summed)] if summed else []

    def event(self, algorithm: str, engine: str, tag: int) -> Event:
        return Event(
            self.collective, algorithm, engine, self.op and self.op.name, self.array.dtype.name, self.array.size,
            self.array.nbytes, tag, 0.0,
        )  # fmt: skip


def flat(call: str, buffer: Array) -> np.ndarray:
    """`buffer` as a flat array over the same memory."""
    array = as_array(buffer)
    if not array.flags.c_contiguous:
        raise ValueError(f"{call}: a buffer of shape {array.shape} with gaps: expected contiguous memory")
    if not array.flags.writeable:
        raise ValueError(f"{call}: a read-only buffer: expected one that may be written")
    return array.reshape(-1)


@lru_cache(maxsize=256)
def program_of(algorithm: Algorithm, rank: int, size: int, root: int | None) -> Program:
    return algorithm.schedule(size, **({} if root is None else {"root": root})).program(rank)


class ScheduledWorld(World):
    """A world whose collectives run the catalogue's schedules."""

    messenger: Messenger

    def allreduce(self, buffer, op="sum", *, algorithm="auto"):
        return self._bound(Call(self, "allreduce", buffer, op), algorithm).run()

    def start_allreduce(self, buffer, op="sum", *, algorithm="auto") -> Work:
        return self._bound(Call(self, "allreduce", buffer, op), algorithm).start()

    def reduce(self, buffer, op="sum", root=0, *, algorithm="auto"):
        return self._bound(Call(self, "reduce", buffer, op, root), algorithm).run()

    def start_reduce(self, buffer, op="sum", root=0, *, algorithm="auto") -> Work:
        return self._bound(Call(self, "reduce", buffer, op, root), algorithm).start()

    def bcast(self, buffer, root=0, *, algorithm="auto"):
        return self._bound(Call(self, "bcast", buffer, root=root), algorithm).run()

    def start_bcast(self, buffer, root=0, *, algorithm="auto") -> Work:
        return self._bound(Call(self, "bcast", buffer, root=root), algorithm).start()

    def reduce_scatter(self, buffer, op="sum", counts=None, *, algorithm="auto"):
        return self._bound(Call(self, "reduce_scatter", buffer, op, counts=counts), algorithm).run()

    def start_reduce_scatter(self, buffer, op="sum", counts=None, *, algorithm="auto") -> Work:
        return self._bound(Call(self, "reduce_scatter", buffer, op, counts=counts), algorithm).start()

    def allgather(self, buffer, counts=None, *, algorithm="auto"):
        return self._bound(Call(self, "allgather", buffer, counts=counts), algorithm).run()

    def start_allgather(self, buffer, counts=None, *, algorithm="auto") -> Work:
        return self._bound(Call(self, "allgather", buffer, counts=counts), algorithm).start()

    def alltoall(self, send, recv=None, *, algorithm="auto"):
        return self._bound(Call(self, "alltoall", send, received=recv), algorithm).run()

    def start_alltoall(self, send, recv=None, *, algorithm="auto") -> Work:
        return self._bound(Call(self, "alltoall", send, received=recv), algorithm).start()

    def exscan(self, buffer, op="sum", *, algorithm="auto"):
        return self._bound(Call(self, "exscan", buffer, op), algorithm).run()

    def start_exscan(self, buffer, op="sum", *, algorithm="auto") -> Work:
        return self._bound(Call(self, "exscan", buffer, op), algorithm).start()

    def plan(self, collective, buffer, *, algorithm="auto", op="sum", root=0, counts=None) -> Plan:
        return self._bound(Call(self, collective, buffer, op, root, counts), algorithm, kept=True)

    def explain(self, collective: str, nbytes: int) -> Choice:
        return choose(collective, nbytes, self.engine)

    def empty(self, count: int, dtype: Any = "float32") -> np.ndarray:
        """Aligned to 64 bytes, a cache line."""
        kind = np.dtype(dtype)
        room = np.empty(count * kind.itemsize + 64, np.uint8)
        start = -room.ctypes.data % 64
        return room[start : start + count * kind.itemsize].view(kind)

    def _bound(self, call: Call, name: str, kept: bool = False) -> Plan:
        if name == "auto":
            name = choose(
                call.collective, call.array.nbytes, self.engine, commutative=call.op is None or call.op.commutative
            ).algorithm
        algorithm = find(call.collective, name)
        tag = self._tag(kept)
        if isinstance(algorithm, Opaque):
            return self._opaque(call, tag, kept)
        if call.op is not None and not (call.op.commutative or algorithm.ordered):
            raise ScheduleError(
                f"{algorithm} does not keep rank order, which op {call.op.name!r} needs since it does not commute"
            )
        root = call.root if algorithm.rooted else None
        program = program_of(algorithm, self.rank, self.size, root)
        cuts = cuts_of(call.counts) if call.counts else even_cuts(call.array.size, algorithm.chunks(self.size))
        prologue: list[Action] = []
        output, given = call.array, None
        if not algorithm.in_place:
            output, given = call.received, Piece(call.array, cuts)
        elif call.collective == "reduce" and self.rank != call.root and any(step.recv for step in program):
            output = np.empty_like(call.array)  # MPI leaves the buffers of other ranks as they are
            prologue.append(partial(np.copyto, output, call.array))
        steps = [
            BoundStep(
                stage.before,
                self.messenger.prepare(stage, tag, kept) if stage.send or stage.recv else None,
                stage.after,
            )
            for stage in bind(program, Piece(output, cuts), call.op, given)
        ]
        event = call.event(algorithm.name, self.engine, tag)
        return StagedPlan(self.messenger, steps, event, call.result, prologue, call.epilogue())

    def _tag(self, kept: bool) -> int:
        raise NotImplementedError

    def _opaque(self, call: Call, tag: int, kept: bool) -> Plan:
        raise NotImplementedError
