"""What the plans and works of all engines share."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mpitrain.engines.progress import Progress
from mpitrain.event import Event, Operation
from mpitrain.world import Plan, Work

Again = Callable[[np.ndarray], Any]
"""Makes a call once more, on any array of the type and size that it was made for; gives its result."""


class EnginePlan(Plan):
    """What all engines' plans share: one work at a time, and none once it is freed. A subclass says how to `begin`."""

    def __init__(self, progress: Progress, operation: Operation, why: str, result: Any):
        self.progress, self.operation, self.why, self.result = progress, operation, why, result
        self.algorithm, self.engine = operation.algorithm, operation.engine
        self.freed = False
        self.work: Any = None

    def start(self) -> "EngineWork":
        with self.progress.lock:
            work = self.begin()
        if not work.done:
            self.progress.left_alone()
        return work

    def run(self) -> Any:
        with self.progress.lock:  # nobody else need look after it
            return self.begin().wait()

    def begin(self) -> "EngineWork":
        """Start, with the lock of `progress`."""
        raise NotImplementedError

    def again(self) -> Again | None:
        """For a call without a plan: how to make it on other arrays, if that can be done more quickly than anew."""
        return None

    def check_may_start(self) -> None:
        if self.freed:
            raise ValueError(f"this plan of {self.operation.collective} was freed and cannot run again")
        self.check_idle("it starts again")

    def check_idle(self, purpose: str) -> None:
        if self.work is not None and not self.work.done:
            raise ValueError(f"this plan of {self.operation.collective} is under way: wait for it before {purpose}")


class EngineWork(Work):
    """A plan under way. A subclass moves it on, each part `guarded`, and says when it `end`s."""

    event: Event

    def __init__(self, plan: EnginePlan):
        self.result, self.progress = plan.result, plan.progress
        self.event = Event(plan.operation, self.progress.now())
        self.done = False
        self._error: BaseException | None = None
        self.progress.begun(self)

    def test(self) -> bool:
        lock = self.progress.lock
        if not lock.acquire(blocking=False):
            return False  # another thread moves works on just now
        try:
            self.move_on()
        finally:
            lock.release()
        self._raise_error()
        if not self.done:
            self.progress.polled()
        return self.done

    def wait(self) -> Any:
        with self.progress.lock:
            if not self.done:
                self.event.awaited = self.progress.now()
            while not self.done:
                self.wait_and_move()
        self._raise_error()
        return self.result

    def move_on(self) -> None:
        """As far as it goes without waiting."""
        raise NotImplementedError

    def wait_and_move(self) -> None:
        """Wait for what it waits for now, and move on; other works under way move meanwhile."""
        raise NotImplementedError

    def guarded(self, part: Callable[[], None]) -> None:
        """An error (of the caller's operation, say) ends the work, and is kept for the one who waits for it."""
        try:
            part()
        except BaseException as error:
            self._error = error
            if not self.done:
                self.end()

    def end(self) -> None:
        self.event.ended = self.progress.now()
        try:
            self.progress.ended(self, self.event)
        finally:
            self.done = True

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
