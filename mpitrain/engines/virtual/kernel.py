"""The clock of a virtual world: one queue of events, and tasks that run until they must wait.

A task is a greenlet: ordinary code with a stack of its own, that hands over only where it waits. The *hub* takes the
earliest event, of those at one time the one that the seed prefers, and runs it; that may resume a task, which runs
until it waits again. Nothing else decides who runs, so that one seed gives one run.
"""

from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet

from mpitrain.engines.virtual.pace import Pace
from mpitrain.network import Number


class RankCrashed(BaseException):
    """Thrown into a rank's code when a fault ends it. No `except Exception` of the program's holds it up."""


class Task:
    """A flow of control of one rank, which stands still when its `pace` does."""

    __slots__ = ("_greenlet", "ending", "kernel", "missing", "pace", "rank", "requests")

    def __init__(self, kernel: "Kernel", rank: int, pace: Pace, function: Callable[[], Any]):
        self.kernel, self.rank, self.pace = kernel, rank, pace
        self.missing = 0  # of what it waits for, so much is not there yet
        self.requests: Any = ()  # what it waits for
        self._greenlet = greenlet(function, kernel.hub)  # to which it goes at its end, whoever has made it
        self.ending: type[BaseException] | None = None  # what a fault has thrown into it, before its own end

    @property
    def ended(self) -> bool:
        return self.ending is not None or self._greenlet.dead

    @property
    def frame(self) -> Any:
        """Where it waits."""
        return self._greenlet.gr_frame

    def resume(self) -> None:
        """By the hub: run until it waits. A rank that stands still just now runs once it moves again."""
        kernel = self.kernel
        if self.ending is not None:
            return
        if self.pace.changes and (awake := self.pace.finish(kernel.now, 0)) > kernel.now:
            kernel.at(awake, self.resume)
            return
        kernel.current, before = self, kernel.current
        self._greenlet.switch()
        kernel.current = before

    def end(self, error: type[BaseException]) -> None:
        """By the hub: raise an error where it waits, and wherever it would wait from then on."""
        if self._greenlet.dead:
            return
        started_and_alive = bool(self._greenlet)
        self.ending = error
        if started_and_alive:
            self.kernel.current, before = self, self.kernel.current
            with suppress(error):
                self._greenlet.throw(error)
            self.kernel.current = before

    def check_may_wait(self) -> None:
        if self.ending is not None:
            raise self.ending


class Kernel:
    """The queue. `settle`, if set, is called once before time moves on, and may plan events that come earlier."""

    def __init__(self, seed: int):
        self.now: Number = 0
        self.events = 0
        self.current: Task | None = None
        self.settle: Callable[[], None] | None = None
        self.stopped: BaseException | None = None
        self._tie = Random(f"ties {seed}").random
        self._queue: list[tuple[Any, ...]] = []
        self._number = 0
        self.hub = getcurrent()

    def at(self, time: Number, action: Callable[..., Any], *arguments: Any, order: Number = 0) -> None:
        """Run `action` at this time; of events at one time those of the lowest `order` first, then as the seed says."""
        if time == inf:
            return
        self._number += 1
        heappush(self._queue, (time, order, self._tie(), self._number, action, arguments))

    def run(self) -> None:
        """Until nothing is left to do, or `stop`."""
        queue = self._queue
        while self.stopped is None:
            if self.settle is not None and (not queue or queue[0][0] > self.now):
                settle, self.settle = self.settle, None
                settle()
                continue
            if not queue:
                return
            time, _, _, _, action, arguments = heappop(queue)
            self.now = time
            self.events += 1
            action(*arguments)
        raise self.stopped

    def stop(self, error: BaseException) -> None:
        """Nothing runs any more, and `run` raises this."""
        if self.stopped is None:
            self.stopped = error

    @property
    def task(self) -> Task:
        """The one that runs."""
        assert self.current is not None, "only a rank's own code may wait"
        return self.current

    def wait(self) -> None:
        """By a task: until somebody resumes it."""
        self.task.check_may_wait()
        self.hub.switch()

    def sleep(self, until: Number) -> None:
        """By a task: until then, for ever if that is `inf`."""
        self.at(until, self.task.resume)
        self.wait()
