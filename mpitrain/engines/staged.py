"""Replay a bound program: begin a stage's messages, and once they are done do what follows, until no stage is left.

This knows neither MPI nor any other way of moving data: a `Messenger` does. It is what every message engine shares.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from mpitrain.engines.actions import Action
from mpitrain.engines.binding import Stage
from mpitrain.engines.plan import EnginePlan, EngineWork
from mpitrain.engines.progress import Progress
from mpitrain.event import Operation

Requests = list[Any]


class Messages(Protocol):
    """The messages of one stage."""

    def post(self) -> Requests:
        """Begin to send and receive them."""

    def free(self) -> None:
        """They will not be posted again."""


class Messenger(Protocol):
    """How messages move. `progress` knows the works under way."""

    progress: Progress

    def prepare(self, stage: Stage, tag: int, kept: bool) -> Messages:
        """The stage's messages, to be posted once, or many times if they are `kept`."""

    def test(self, requests: Requests) -> bool:
        """Whether all of them are done."""

    def wait(self, work: "StagedWork") -> None:
        """Return once all of its requests are done; the other works under way move on meanwhile."""


class BoundStep(NamedTuple):
    """One stage, ready to be replayed; `messages` is None if it has none."""

    before: Sequence[Action]
    messages: Messages | None
    after: Sequence[Action]


class StagedPlan(EnginePlan):
    """A collective bound to memory; `why` says why its algorithm was taken."""

    def __init__(self, messenger: Messenger, steps: Sequence[BoundStep], operation: Operation, why: str, result: Any):
        super().__init__(messenger.progress, operation, why, result)
        self.messenger, self.steps = messenger, steps

    def begin(self) -> "StagedWork":
        self.check_may_start()
        self.work = StagedWork(self)
        return self.work

    def free(self) -> None:
        self.check_idle("it is freed")
        for step in self.steps:
            if step.messages is not None:
                step.messages.free()
        self.steps, self.freed = [], True


class StagedWork(EngineWork):
    """A plan under way."""

    def __init__(self, plan: StagedPlan):
        super().__init__(plan)
        self.requests: Requests = []
        self._messenger, self._steps = plan.messenger, plan.steps
        self._at = -1
        self.guarded(self._advance)

    def wait_and_move(self) -> None:
        self._messenger.wait(self)
        self.guarded(self._advance)

    def move_on(self) -> None:
        while not self.done and self._messenger.test(self.requests):
            self.guarded(self._advance)

    def _advance(self) -> None:
        """The current stage's messages are done: do what follows, up to the next stage that has messages."""
        steps = self._steps
        if self._at >= 0:
            self._run(steps[self._at].after)
        for at in range(self._at + 1, len(steps)):
            self._at, step = at, steps[at]
            self._run(step.before)
            if step.messages is not None:
                self.requests = step.messages.post()
                return
            self._run(step.after)
        self.end()

    @staticmethod
    def _run(actions: Sequence[Action]) -> None:
        for action in actions:
            action()
