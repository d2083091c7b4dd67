"""Replay a bound program: begin a stage's messages, and once they are done do what follows, until no stage is left.

Long data may be cut in *strands*, each of which runs the whole program on its part. While one strand sums what has
arrived, or waits for the last bytes of its stage, the other keeps the link busy.

This knows neither MPI nor any other way of moving data: a `Messenger` does. It is what every message engine shares.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from mpitrain.engines.actions import Action
from mpitrain.engines.binding import Stage
from mpitrain.engines.plan import EnginePlan, EngineWork
from mpitrain.engines.progress import Progress
from mpitrain.engines.tally import TALLY
from mpitrain.event import Event, Operation

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

    def wait(self, requests: Requests, work: "StagedWork | None") -> None:
        """Return once all of them are done, which are `work`'s; other works under way move on meanwhile."""

    def pause(self, work: "StagedWork") -> None:
        """Nothing of `work` can move on just now: other works do."""


class BoundStep(NamedTuple):
    """One stage, ready to be replayed; `messages` is None if it has none."""

    before: Sequence[Action]
    messages: Messages | None
    after: Sequence[Action]


class StagedPlan(EnginePlan):
    """A collective bound to memory; `why` says why its algorithm was taken."""

    def __init__(
        self, messenger: Messenger, strands: Sequence[Iterable[BoundStep]], operation: Operation, why: str, result: Any
    ):
        super().__init__(messenger.progress, operation, why, result)
        self.messenger, self.strands = messenger, strands

    def run(self) -> Any:
        """The same as `start().wait()` with nothing else under way. Small data spend their time here."""
        progress, strands = self.progress, self.strands
        if progress.under_way or len(strands) != 1:
            return super().run()
        TALLY.collectives += 1
        event = Event(self.operation, begun := progress.now(), begun)
        for before, messages, after in strands[0]:
            for action in before:
                action()
            if messages is not None:
                self.messenger.wait(messages.post(), None)
            for action in after:
                action()
        event.ended = progress.now()
        if progress.observers:
            progress.tell(event)
        return self.result

    def begin(self) -> "StagedWork":
        self.check_may_start()
        self.work = StagedWork(self)
        return self.work

    def free(self) -> None:
        self.check_idle("it is freed")
        for steps in self.strands:
            for step in steps:
                if step.messages is not None:
                    step.messages.free()
        self.strands, self.freed = [], True


class Strand:
    """A part of the data on its way through the stages."""

    __slots__ = ("_after", "_steps", "requests")

    def __init__(self, steps: Iterable[BoundStep]):
        self._steps = iter(steps)
        self._after: Sequence[Action] = ()
        self.requests: Requests = []

    def advance(self) -> bool:
        """The current stage's messages are done: do what follows, up to the next stage that has messages; whether
        there is none."""
        self._run(self._after)
        for before, messages, after in self._steps:
            self._run(before)
            if messages is not None:
                self._after, self.requests = after, messages.post()
                return False
            self._run(after)
        return True

    @staticmethod
    def _run(actions: Sequence[Action]) -> None:
        for action in actions:
            action()


class StagedWork(EngineWork):
    """A plan under way."""

    def __init__(self, plan: StagedPlan):
        super().__init__(plan)
        self._messenger, self._strands = plan.messenger, [Strand(steps) for steps in plan.strands]
        self.guarded(self._begin)

    def wait_and_move(self) -> None:
        strands = self._strands
        if len(strands) == 1:
            self._messenger.wait(strands[0].requests, self)
            self.guarded(partial(self._advance, strands[0]))
        else:
            self._messenger.pause(self)
            self.move_on()

    def move_on(self) -> None:
        for strand in tuple(self._strands):
            while not self.done and strand in self._strands and self._messenger.test(strand.requests):
                self.guarded(partial(self._advance, strand))

    def _begin(self) -> None:
        for strand in tuple(self._strands):
            self._advance(strand)

    def _advance(self, strand: Strand) -> None:
        """A strand that fails is over; the others have messages under way, which must come to their end."""
        try:
            over = strand.advance()
        except Exception as error:
            self._error, over = error, True
        if over:
            self._strands.remove(strand)
            if not self._strands:
                self.end()
