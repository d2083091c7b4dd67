"""Replay a bound program: begin a stage's messages, and once they are done do what follows, until no stage is left.

This knows neither MPI nor any other way of moving data: a `Messenger` does. It is what every message engine shares.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from mpitrain.engines.actions import Action
from mpitrain.engines.binding import Stage
from mpitrain.engines.progress import Progress
from mpitrain.event import Event, Operation
from mpitrain.world import Plan, Work

Requests = list[Any]

Again = Callable[[np.ndarray], Any]
"""Makes a call once more, on any array of the type and size that it was made for; gives its result."""


class Messages(Protocol):
    """The messages of one stage."""

    def post(self) -> Requests:
        """Begin to send and receive them: those received come first."""

    def free(self) -> None:
        """They will not be posted again."""


class Messenger(Protocol):
    """How messages move. `progress` knows the works under way."""

    progress: Progress

    def prepare(self, stage: Stage, tag: int, kept: bool) -> Messages:
        """The stage's messages, to be posted once, or many times if they are `kept`."""

    def test(self, requests: Requests) -> bool:
        """Whether all of them are done."""

    def wait(self, requests: Requests, work: "StagedWork") -> None:
        """Return once these requests of `work` are done; the other works under way move on meanwhile."""


class BoundStep(NamedTuple):
    """One stage, ready to be replayed; `messages` is None if it has none, and `arrivals` are as in `Stage`."""

    before: Sequence[Action]
    messages: Messages | None
    after: Sequence[Action]
    arrivals: Sequence[tuple[int, Action]] = ()


class EnginePlan(Plan):
    """What all engines' plans share: one work at a time, and none once it is freed."""

    def __init__(self, operation: Operation, why: str, result: Any):
        self.operation, self.why, self.result = operation, why, result
        self.algorithm, self.engine = operation.algorithm, operation.engine
        self.freed = False
        self.work: Any = None

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


class StagedPlan(EnginePlan):
    """A collective bound to memory; `why` says why its algorithm was taken."""

    def __init__(self, messenger: Messenger, steps: Sequence[BoundStep], operation: Operation, why: str, result: Any):
        super().__init__(operation, why, result)
        self.messenger, self.steps = messenger, steps

    def start(self) -> "StagedWork":
        self.check_may_start()
        self.work = StagedWork(self)
        return self.work

    def free(self) -> None:
        self.check_idle("it is freed")
        for step in self.steps:
            if step.messages is not None:
                step.messages.free()
        self.steps, self.freed = [], True


class StagedWork(Work):
    """A plan under way."""

    def __init__(self, plan: StagedPlan):
        self.plan, self.result = plan, plan.result
        self.progress = plan.messenger.progress
        self.event: Event = Event(plan.operation, self.progress.now())
        self.requests: Requests = []
        self.done = False
        self._at = -1
        self._arrivals: deque[tuple[int, Action]] = deque()  # of the current stage, those that are left
        self._error: BaseException | None = None
        self.progress.begun(self)
        self._advance()

    def test(self) -> bool:
        self.move_on()
        self._raise_error()
        return self.done

    def wait(self) -> Any:
        if not self.done:
            self.event.awaited = self.progress.now()
        messenger = self.plan.messenger
        while not self.done:
            if self._arrivals:
                messenger.wait([self.requests[self._arrivals[0][0]]], self)
                self._guarded(self._arrived)
            else:
                messenger.wait(self.requests, self)
                self._advance()
        self._raise_error()
        return self.result

    def move_on(self) -> None:
        messenger = self.plan.messenger
        while self._arrivals and messenger.test([self.requests[self._arrivals[0][0]]]):
            self._guarded(self._arrived)
        while not (self.done or self._arrivals) and messenger.test(self.requests):
            self._advance()

    def _arrived(self) -> Requests:
        """The next message that somebody combines at once is there."""
        _, action = self._arrivals.popleft()
        action()
        return self.requests

    def _advance(self) -> None:
        """The current stage's messages are done: do what follows, up to the next stage that has messages."""
        self._guarded(self._next_requests)

    def _guarded(self, part: Callable[[], Requests]) -> None:
        """What it leaves to wait for; an error (of the caller's operation, say) ends the work, and is kept."""
        try:
            self.requests = part()
        except BaseException as error:
            self._error, self.requests = error, []
            self._arrivals.clear()
        if not self.requests:
            self.done = True
            self.event.ended = self.progress.now()
            self.progress.ended(self, self.event)

    def _next_requests(self) -> Requests:
        """The messages of the next stage that has any, posted; none after the last."""
        steps = self.plan.steps
        if self._at >= 0:
            self._run(steps[self._at].after)
        for at in range(self._at + 1, len(steps)):
            self._at, step = at, steps[at]
            self._run(step.before)
            if step.messages is not None:
                self._arrivals.extend(step.arrivals)
                return step.messages.post()
            self._run(step.after)
        return []

    @staticmethod
    def _run(actions: Sequence[Action]) -> None:
        for action in actions:
            action()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
