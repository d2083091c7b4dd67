"""Collectives under way, as requests of MPI: to be waited for alone or together with any others.

A request is a generalized request of MPI, which our engine completes. MPI's own waiting functions, such as
`MPI.Request.Waitall`, know nothing of our engine: there a thread moves it on (if MPI allows more than one).
"""

import ctypes
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Literal, NoReturn

from mpitrain.communicator.describe import Bound
from mpitrain.communicator.region import Action
from mpitrain.engines.mpi import MPIWorld
from mpitrain.engines.progress import THREAD
from mpitrain.engines.start import MPI
from mpitrain.event import Event
from mpitrain.world import Plan


class Pending:
    """The works of one world that requests stand for."""

    def __init__(self, world: MPIWorld):
        self._progress = progress = world.progress
        self._runs: dict[int, Run] = {}
        world.observe(self._ended)
        if progress.mode != THREAD and MPI.Query_thread() == MPI.THREAD_MULTIPLE:
            progress.move_by(THREAD)

    def start(self, plan: Plan, bound: Bound) -> "Run":
        for action in bound.before:
            action()
        with self._progress.lock:
            work: Any = plan.start()
            run = Run(work, bound.after)
            if work.done:
                run.complete()
            else:
                self._runs[id(work.event)] = run
        return run

    def _ended(self, event: Event) -> None:
        """Whoever moved the work to its end completes the request too."""
        run = self._runs.pop(id(event), None)
        if run is not None:
            run.complete()


class Run:
    """A work under way, what to do after it, and the generalized request that is complete then."""

    def __init__(self, work: Any, after: Sequence[Action]):
        self.work, self._after = work, after
        self.error: BaseException | None = None
        self.request = MPI.Grequest.Start(self._query)

    def move_on(self, wait: bool) -> None:
        """An error is kept for the one who asks for the result."""
        with suppress(Exception):
            self.work.wait() if wait else self.work.test()

    def complete(self) -> None:
        self.error = self.work._error
        if self.error is None:
            try:
                for action in self._after:
                    action()
            except Exception as error:
                self.error = error
        self.request.Complete()

    def _query(self, status: MPI.Status) -> None:
        """MPI asks how it went."""
        if self.error is not None:
            status.Set_error(MPI.ERR_OTHER)


class _Moving:
    """What both kinds of requests do: move our engine on before they ask MPI. `run` is None while nothing is."""

    run: Run | None = None

    def Wait(self: Any, status: MPI.Status | None = None) -> Literal[True]:
        if self.run is not None:
            self.run.move_on(wait=True)
        MPI.Request.Wait(self, status)
        self._raise_error()
        return True

    def Test(self: Any, status: MPI.Status | None = None) -> bool:
        if self.run is not None:
            self.run.move_on(wait=False)
        done = MPI.Request.Test(self, status)
        if done:
            self._raise_error()
        return done

    def Get_status(self: Any, status: MPI.Status | None = None) -> bool:
        if self.run is not None:
            self.run.move_on(wait=False)
        return MPI.Request.Get_status(self, status)

    def wait(self, status: MPI.Status | None = None) -> None:
        self.Wait(status)

    def test(self, status: MPI.Status | None = None) -> tuple[bool, None]:
        return self.Test(status), None

    def Cancel(self) -> NoReturn:
        """MPI allows it for no collective."""
        raise MPI.Exception(MPI.ERR_REQUEST)

    def cancel(self) -> NoReturn:
        self.Cancel()

    def _raise_error(self) -> None:
        run, self.run = self.run, None
        if run is not None and run.error is not None:
            raise run.error


class CollectiveRequest(_Moving, MPI.Grequest):
    """What nonblocking calls return."""

    def __new__(cls, run: Run) -> "CollectiveRequest":
        return super().__new__(cls, run.request)

    def __init__(self, run: Run):
        self.run = run

    def Free(self) -> NoReturn:
        """MPI allows it for no collective: wait for it."""
        raise MPI.Exception(MPI.ERR_REQUEST)


class CollectivePrequest(_Moving, MPI.Prequest):
    """What the calls ending in `_init` return.

    MPI sees a request while it is started, and the null request before and after: waiting for it with others is right
    at any time. `Startall` of this class starts any persistent requests, ours and MPI's; MPI's own starts only its own.
    """

    def __new__(cls, pending: Pending, plan: Plan, bound: Bound) -> "CollectivePrequest":
        return super().__new__(cls)

    def __init__(self, pending: Pending, plan: Plan, bound: Bound):
        self._pending, self._bound = pending, bound
        self._plan: Plan | None = plan

    def Start(self) -> None:
        if self._plan is None or self != MPI.REQUEST_NULL:
            raise MPI.Exception(MPI.ERR_REQUEST)
        self.run = self._pending.start(self._plan, self._bound)
        ctypes.memmove(MPI._addressof(self), MPI._addressof(self.run.request), MPI._sizeof(self))

    @classmethod
    def Startall(cls, requests: Iterable[MPI.Prequest]) -> None:
        for request in requests:
            request.Start()

    def Free(self) -> None:
        """Collective. Only while it is not started."""
        if self._plan is None or self != MPI.REQUEST_NULL:
            raise MPI.Exception(MPI.ERR_REQUEST)
        self._plan.free()
        self._plan = None

    free = Free

    def __bool__(self) -> bool:
        return self._plan is not None
