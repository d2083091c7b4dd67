"""Replay a bound program: begin a stage's messages, and once they are done do what follows, until no stage is left.

This knows neither MPI nor any other way of moving data: a `Messenger` does. It is what every message engine shares.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from mpitrain.engines.binding import Action, Stage
from mpitrain.event import Event, Operation
from mpitrain.world import Plan, Work

Requests = list[Any]


class Messages(Protocol):
    """The messages of one stage."""

    def post(self) -> Requests:
        """Begin to send and receive them."""

    def free(self) -> None:
        """They will not be posted again."""


class Messenger(Protocol):
    """How messages move."""

    def prepare(self, stage: Stage, tag: int, kept: bool) -> Messages:
        """The stage's messages, to be posted once, or many times if they are `kept`."""

    def test(self, requests: Requests) -> bool:
        """Whether all of them are done."""

    def wait(self, work: "StagedWork") -> None:
        """Return once `work` is done; others under way move on meanwhile."""

    def now(self) -> float: ...

    def begun(self, work: "StagedWork") -> None:
        """The work is under way."""

    def ended(self, work: "StagedWork") -> None:
        """The work is done: it is no longer under way, and its event is complete."""

    def free(self) -> None:
        """Give back what is held for plans."""


class BoundStep(NamedTuple):
    """One stage, ready to be replayed; `messages` is None if it has none."""

    before: Sequence[Action]
    messages: Messages | None
    after: Sequence[Action]


class StagedPlan(Plan):
    """A collective bound to memory; `why` says why its algorithm was taken."""

    def __init__(self, messenger: Messenger, steps: Sequence[BoundStep], operation: Operation, why: str, result: Any):
        self.messenger, self.steps, self.operation, self.why, self.result = messenger, steps, operation, why, result
        self.algorithm, self.engine = operation.algorithm, operation.engine
        self.freed = False

    def start(self) -> "StagedWork":
        return StagedWork(self)

    def free(self) -> None:
        for step in self.steps:
            if step.messages is not None:
                step.messages.free()
        self.steps, self.freed = [], True


class StagedWork(Work):
    """A plan under way."""

    def __init__(self, plan: StagedPlan):
        if plan.freed:
            raise ValueError(f"this plan of {plan.operation.collective} was freed and cannot run again")
        self.plan, self.result = plan, plan.result
        self.event: Event = Event(plan.operation, plan.messenger.now())
        self.requests: Requests = []
        self.done = False
        self._at = -1
        plan.messenger.begun(self)
        self.advance()

    def advance(self) -> None:
        """The current stage's messages are done: do what follows, up to the next stage that has messages."""
        steps = self.plan.steps
        while True:
            if self._at >= 0:
                for action in steps[self._at].after:
                    action()
            self._at += 1
            if self._at == len(steps):
                self.requests = []
                self.done = True
                self.event.ended = self.plan.messenger.now()
                self.plan.messenger.ended(self)
                return
            step = steps[self._at]
            for action in step.before:
                action()
            if step.messages is not None:
                self.requests = step.messages.post()
                return

    def test(self) -> bool:
        while not self.done:
            if not self.plan.messenger.test(self.requests):
                return False
            self.advance()
        return True

    def wait(self) -> Any:
        if not self.done:
            self.event.awaited = self.plan.messenger.now()
            self.plan.messenger.wait(self)
        return self.result
