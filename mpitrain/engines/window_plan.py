"""Replay bound groups: wait for flags, act, post one's own flag, until no group is left."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mpitrain.engines.actions import Action
from mpitrain.engines.lanes import STRIDE, Lane
from mpitrain.engines.plan import EnginePlan, EngineWork
from mpitrain.engines.tally import TALLY
from mpitrain.engines.tiles import BoundGroup
from mpitrain.event import Event, Operation

if TYPE_CHECKING:
    from mpitrain.engines.shared import SharedEngine


class WindowPlan(EnginePlan):
    """A collective bound to memory that all ranks share.

    `groups` is a list that an action of the first group may extend: a call without a plan learns where the others'
    buffers lie once they have entered. `before` and `after` are this rank's own affair.
    """

    def __init__(self, engine: "SharedEngine", lane: Lane, operation: Operation, why: str, result: Any):
        super().__init__(engine.progress, operation, why, result)
        self.shared, self.lane = engine, lane
        self.before: Sequence[Action] = ()
        self.groups: list[BoundGroup] = []
        self.after: Sequence[Action] = ()

    def run(self) -> Any:
        """The same as `start().wait()` with nothing else under way. This is what must be fast."""
        shared, lane, progress = self.shared, self.lane, self.progress
        if progress.under_way or self.freed:
            return super().run()
        TALLY.collectives += 1
        event = Event(self.operation, begun := progress.now(), begun)
        lane.base += STRIDE
        for action in self.before:
            action()
        shared.replay(lane, self.groups)
        for action in self.after:
            action()
        event.ended = progress.now()
        if progress.observers:
            progress.tell(event)
        return self.result

    def begin(self) -> "WindowWork":
        self.check_may_start()
        self.work = WindowWork(self)
        return self.work

    def free(self) -> None:
        self.check_idle("it is freed")
        if not self.freed:
            self.shared.give_back(self.lane)
        self.before, self.groups, self.after, self.freed = (), [], (), True


class WindowWork(EngineWork):
    """A plan under way."""

    def __init__(self, plan: WindowPlan):
        super().__init__(plan)
        self._shared, self._lane, self._groups, self._after = plan.shared, plan.lane, plan.groups, plan.after
        self._at = 0
        self._lane.base += STRIDE
        self._base = self._lane.base
        self.guarded(partial(self._act, plan.before))
        self.move_on()

    def wait_and_move(self) -> None:
        missing = self._missing()
        if missing is not None:
            rank, number = missing
            self._shared.wait(self._lane.flags[rank], self._base + number, self)
        self.move_on()

    def move_on(self) -> None:
        while not self.done and self._missing() is None:
            self.guarded(self._step)

    def _missing(self) -> tuple[int, int] | None:
        """A wait of the next group that is not met yet."""
        for rank, number in self._groups[self._at].waits:
            if self._lane.flags[rank][0] <= self._base + number:
                return rank, number
        return None

    def _step(self) -> None:
        """The next group; nothing that it waits for is missing."""
        _, actions, done = self._groups[self._at]
        self._shared.sync()
        self._act(actions)
        if done:
            self._shared.sync()
            self._lane.own[0] = self._base + done
        self._at += 1
        if self._at == len(self._groups):
            self._act(self._after)
            self.end()

    @staticmethod
    def _act(actions: Sequence[Action]) -> None:
        for action in actions:
            action()
