"""Replay a bound program: begin a stage's messages, and once they are done do what follows, until no stage is left.

This knows neither MPI nor any other way of moving data: a `Messenger` does. It is what every message engine shares.
"""

from collections.abc import Callable, Sequence
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


Observer = Callable[[Event], None]


class Messenger(Protocol):
    """How messages move. `observers` hear of every work's event as it ends."""

    observers: list[Observer]

    def prepare(self, stage: Stage, tag: int, kept: bool) -> Messages:
        """The stage's messages, to be posted once, or many times if they are `kept`."""

    def test(self, requests: Requests) -> bool:
        """Whether all of them are done."""

    def wait(self, requests: Requests) -> None:
        """Return once all of them are done; works under way move on meanwhile, since other ranks may wait for those."""

    def now(self) -> float: ...

    def begun(self, work: "StagedWork") -> None:
        """The work is under way."""

    def ended(self, work: "StagedWork") -> None:
        """The work is done, or failed: it is no longer under way."""


def tell(messenger: Messenger, event: Event) -> None:
    """A collective has ended: its observers hear of it."""
    for observer in messenger.observers:
        observer(event)


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
        self._work: StagedWork | None = None

    def start(self) -> "StagedWork":
        if self.freed:
            raise ValueError(f"this plan of {self.operation.collective} was freed and cannot run again")
        self._check_idle("it starts again")
        self._work = StagedWork(self)
        return self._work

    def free(self) -> None:
        self._check_idle("it is freed")
        for step in self.steps:
            if step.messages is not None:
                step.messages.free()
        self.steps, self.freed = [], True

    def _check_idle(self, purpose: str) -> None:
        if self._work is not None and not self._work.done:
            raise ValueError(f"this plan of {self.operation.collective} is under way: wait for it before {purpose}")


class StagedWork(Work):
    """A plan under way."""

    def __init__(self, plan: StagedPlan):
        self.plan, self.result = plan, plan.result
        self.event: Event = Event(plan.operation, plan.messenger.now())
        self.requests: Requests = []
        self.done = False
        self._at = -1
        self._error: BaseException | None = None
        plan.messenger.begun(self)
        self._advance()

    def test(self) -> bool:
        self.move_on()
        self._raise_error()
        return self.done

    def wait(self) -> Any:
        if not self.done:
            self.event.awaited = self.plan.messenger.now()
        while not self.done:
            self.plan.messenger.wait(self.requests)
            self._advance()
        self._raise_error()
        return self.result

    def move_on(self) -> None:
        """As `test`, for whoever waits for another work: an error is kept for the one who waits for this."""
        while not self.done and self.plan.messenger.test(self.requests):
            self._advance()

    def _advance(self) -> None:
        """The current stage's messages are done: do what follows, up to the next stage that has messages."""
        try:
            self.requests = self._next_requests()
        except BaseException as error:  # an operation of the caller's, say
            self._error, self.requests = error, []
        if not self.requests:
            self.done = True
            self.event.ended = self.plan.messenger.now()
            self.plan.messenger.ended(self)
            tell(self.plan.messenger, self.event)

    def _next_requests(self) -> Requests:
        """The messages of the next stage that has any, posted; none after the last."""
        steps = self.plan.steps
        if self._at >= 0:
            self._run(steps[self._at].after)
        for at in range(self._at + 1, len(steps)):
            self._at, step = at, steps[at]
            self._run(step.before)
            if step.messages is not None:
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
