"""The world that mpirun or srun makes: real ranks that exchange messages over mpi4py."""

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from mpitrain.collectives.algorithm import Algorithm, Opaque
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.buffers import Counts, flat
from mpitrain.engines.call import Call
from mpitrain.engines.calls import AlikeCalls, CallPlan
from mpitrain.engines.check import Check, wanted
from mpitrain.engines.clock import offset
from mpitrain.engines.hosts import place
from mpitrain.engines.library import LibraryPlan, library_can
from mpitrain.engines.messages import Message, MessageWork, MPIMessenger
from mpitrain.engines.mpi_window import MPIWindow
from mpitrain.engines.plan import Again, EnginePlan
from mpitrain.engines.progress import Progress
from mpitrain.engines.scheduled import SHARED, ScheduledWorld
from mpitrain.engines.shared import SharedEngine
from mpitrain.engines.start import CROWDED, MPI
from mpitrain.engines.tally import TALLY
from mpitrain.engines.threads import ThreadWork
from mpitrain.engines.tuned import File, Tables, agreed_tables, tuning_of
from mpitrain.errors import UsageError
from mpitrain.event import Operation
from mpitrain.launch_environment import mismatch
from mpitrain.tuning import Choice, choose
from mpitrain.world import AlgorithmLike, Array, Window, Work, World

FIRST_PLAN_TAG = 16384
"""Ad-hoc calls cycle through the tags below, plans take theirs from here up; MPI grants at least 32767 to everyone."""

REMEMBERED = 256
"""How many kinds of calls are remembered at most."""


class MPIWorld(ScheduledWorld):
    """The ranks of an mpi4py communicator. Works on duplicates of it, never on the caller's own. Collective to make."""

    def __init__(self, comm: MPI.Intracomm, clock_offset: float = 0.0, engine: str = "auto", tables: Tables = None):
        """`engine` "mpi" or "shared" insists on messages, or on memory that all ranks share. `tables`: of tuning."""
        self._comm = comm.Dup()
        self.messenger: MPIMessenger
        super().__init__(MPIMessenger(self._comm, Progress(self.now if clock_offset else time.perf_counter)))
        self._caller_messages = comm.Dup()
        self._clock_offset = clock_offset
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.node, self.node_rank, self.node_size, self.node_sizes, nodes = place(self._comm)
        self.messenger.know_nodes(nodes)
        self.strands_from = self.messenger.strands_from
        self.crowded = self._comm.allreduce(CROWDED, MPI.LOR)
        self._engine_asked = engine
        self.tuning = tuning_of(comm, self.node, self.node_sizes, self.crowded, tables)
        self.engines = self._possible_engines(engine)
        self.engine = self.engines[0]
        self._shared: SharedEngine | None = None
        self._again: dict[tuple[Any, ...], Again] = {}
        self._call_tags = itertools.cycle(range(FIRST_PLAN_TAG))
        self._plan_tags = itertools.count(FIRST_PLAN_TAG)
        if self._comm.allreduce(wanted(os.environ), MPI.LOR) and self.size > 1:
            self.check = Check(self._comm, self.messenger)
        TALLY.worlds += 1

    @classmethod
    def of_job(cls, engine: str = "auto", tuning: File = None) -> "MPIWorld":
        """All ranks that the launcher started. `UsageError` if it was another MPI's launcher."""
        trap = mismatch(os.environ, MPI.Get_library_version(), MPI.COMM_WORLD.Get_size())
        if trap:
            raise UsageError(trap, agreed=True)
        return cls(MPI.COMM_WORLD, offset(MPI.COMM_WORLD), engine, agreed_tables(MPI.COMM_WORLD, tuning))

    def _possible_engines(self, asked: str) -> tuple[str, ...]:
        """The engines that this world may use, the best first."""
        one_node = self.node_size == self.size
        if asked == SHARED and not one_node:
            raise UsageError(
                f"engine shared: the {self.size} ranks are on several nodes: expected one; use engine auto or mpi",
                agreed=True,
            )
        every = (SHARED, "mpi") if one_node and self.size > 1 else ("mpi",)
        return every if asked == "auto" else (asked,)

    def empty(self, count: int, dtype: Any = "float32") -> np.ndarray:
        """Aligned to 64 bytes, a cache line; on one node, in memory that all ranks share."""
        self._check_open()
        TALLY.collectives += 1
        if self.check is not None:
            self.check.agree("empty", {"count": count, "dtype": np.dtype(dtype).name})
        if SHARED not in self.engines:
            return super().empty(count, dtype)
        return self.shared.arena.empty(count, np.dtype(dtype))

    @property
    def shared(self) -> SharedEngine:
        """The engine of one node. The first call is collective."""
        if self._shared is None:
            self.progress.wait_for_all()
            self._shared = SharedEngine(self._comm, self.progress, self.crowded)
        return self._shared

    def barrier(self, *, algorithm: AlgorithmLike = "auto") -> None:
        if algorithm != "auto":
            return super().barrier(algorithm=algorithm)
        self._check_open()
        TALLY.collectives += 1
        if self.check is not None:
            self.check.agree("barrier")
        self.progress.wait_for_all()
        self._comm.Barrier()
        return None

    def start_send(self, buffer: Array, peer: int, tag: int = 0) -> Work:
        self._check_open()
        array = flat("send", buffer, written=False).view("u1")
        message = Message("to", peer, tag, array.size)
        return MessageWork(self.messenger, self._caller_messages.Isend(array, peer, tag), None, message)

    def start_recv(self, buffer: Array, peer: int, tag: int = 0) -> Work:
        self._check_open()
        array = flat("recv", buffer).view("u1")
        message = Message("from", peer, tag, array.size)
        return MessageWork(self.messenger, self._caller_messages.Irecv(array, peer, tag), buffer, message)

    def probe(self, peer: int | None = None, tag: int | None = None) -> tuple[int, int, int] | None:
        status = MPI.Status()
        source, wanted = MPI.ANY_SOURCE if peer is None else peer, MPI.ANY_TAG if tag is None else tag
        if not self._caller_messages.Iprobe(source, wanted, status):
            return None
        return status.Get_source(), status.Get_tag(), status.Get_count(MPI.BYTE)

    def window(self, count: int, dtype: Any = "float32") -> Window:
        self._check_open()
        TALLY.collectives += 1
        if self.check is not None:
            self.check.agree("window", {"count": count, "dtype": np.dtype(dtype).name})
        self.progress.wait_for_all()
        return MPIWindow(self._comm, count, np.dtype(dtype))

    def now(self) -> float:
        return time.perf_counter() + self._clock_offset

    def background(self, function: Callable[[], Any]) -> ThreadWork:
        return ThreadWork(function)

    def split(self, color: int | None, key: int = 0) -> World | None:
        self._check_open()
        TALLY.collectives += 1
        if self.check is not None:
            self.check.agree("split")
        self.progress.wait_for_all()
        part = self._comm.Split(MPI.UNDEFINED if color is None else color, key)
        if part == MPI.COMM_NULL:
            return None
        world = MPIWorld(MPI.Intracomm(part), self._clock_offset, self._engine_asked, self.tuning.tables)
        part.Free()
        return world

    def close(self) -> None:
        if not self.closed:
            TALLY.collectives += 1
            if self.check is not None:
                self.check.agree("close")
            self.progress.close()
            super().close()
            self._again.clear()
            if self._shared is not None:
                self._shared.close()
            if self.check is not None:
                self.check.close()
                self.check = None
            self._comm.Free()
            self._caller_messages.Free()
            TALLY.worlds -= 1

    def abort(self, code: int = 1) -> NoReturn:
        MPI.COMM_WORLD.Abort(code)
        raise SystemExit(code)

    def _run(
        self,
        collective: str,
        buffer: Array | None,
        algorithm: AlgorithmLike,
        op: Any = "sum",
        root: int = 0,
        counts: Counts = None,
        received: Array | None = None,
        received_counts: Counts = None,
    ) -> Any:
        """A call like an earlier one is made without finding out anew what to do: most calls of a program are."""
        if type(buffer) is not np.ndarray or counts is not None or received is not None:
            return super()._run(collective, buffer, algorithm, op, root, counts, received, received_counts)
        key = (collective, algorithm, op, root, buffer.dtype, buffer.size)
        again = self._again.get(key)
        if again is not None and buffer.flags.carray and not self.progress.under_way:
            return again(buffer)
        plan = self._bound(collective, buffer, algorithm, op, root)
        result = plan.run()
        if self.check is None and again is None and isinstance(op, str) and (again := plan.again()):
            if len(self._again) >= REMEMBERED:
                self._again.clear()
            self._again[key] = again
        return result

    def _tag(self, kept: bool) -> int:
        if not kept:
            return next(self._call_tags)
        tag, most = next(self._plan_tags), self._comm.Get_attr(MPI.TAG_UB) or 32767
        if tag > most:
            raise ScheduleError(
                f"{tag - FIRST_PLAN_TAG} plans were made, and this MPI has tags up to {most} only: keep and run plans "
                f"instead of making new ones"
            )
        return tag

    def _choose(self, collective: str, nbytes: int, engine: str = "auto", **call: bool) -> Choice:
        engines = self.engines if engine == "auto" else (engine,)
        return choose(collective, nbytes, self.tuning, engines=engines, **call)

    def _engine_for(self, algorithm: Algorithm | Opaque, engine: str) -> str:
        return "mpi" if isinstance(algorithm, Opaque) else super()._engine_for(algorithm, engine)

    def _library_can(self, call: Call) -> bool:
        return library_can(call)

    def _plan(self, call: Call, algorithm: Algorithm, operation: Operation, choice: Choice, kept: bool) -> EnginePlan:
        if operation.engine != SHARED:
            return super()._plan(call, algorithm, operation, choice, kept)
        if call.exchanged is not None:
            self.progress.wait_for_all()
            call.known = self._comm.allgather(call.exchanged)
        elsewhere = None
        if choice.elsewhere is not None:
            other = replace(operation, algorithm=choice.elsewhere.algorithm, engine=choice.elsewhere.engine)
            elsewhere = self._opaque(call, other, choice.elsewhere.reason)
        if not kept:
            alike = AlikeCalls(self.shared, call, algorithm, operation, elsewhere)
            return CallPlan(alike, call.buffers, choice.reason, call.result)
        if elsewhere is not None and self.shared.any_elsewhere(call.buffers):
            return elsewhere
        return self.shared.plan(call, algorithm, operation, choice.reason)

    def _opaque(self, call: Call, operation: Operation, why: str) -> LibraryPlan:
        return LibraryPlan(self.messenger, self._comm, call, operation, why)
