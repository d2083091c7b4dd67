"""Replay bound groups: wait for flags, act, post one's own flag, until no group is left."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mpitrain.engines.actions import Action
from mpitrain.engines.lanes import STRIDE, Lane
from mpitrain.engines.staged import EnginePlan
from mpitrain.engines.tiles import BoundGroup
from mpitrain.event import Event, Operation
from mpitrain.world import Work

if TYPE_CHECKING:
    from mpitrain.engines.shared import SharedEngine


class WindowPlan(EnginePlan):
    """A collective bound to memory that all ranks share.

    `groups` is a list that an action of the first group may extend: a call without a plan learns where the others'
    buffers lie once they have entered. `before` and `after` are this rank's own affair.
    """

    def __init__(self, engine: "SharedEngine", lane: Lane, operation: Operation, why: str, result: Any):
        super().__init__(operation, why, result)
        self.shared, self.lane = engine, lane
        self.before: Sequence[Action] = ()
        self.groups: list[BoundGroup] = []
        self.after: Sequence[Action] = ()

    def run(self) -> Any:
        """The same as `start().wait()` with nothing else under way. This is what must be fast."""
        shared, lane, progress = self.shared, self.lane, self.shared.progress
        if progress.under_way or self.freed:
            return self.begin().wait()
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

    def start(self) -> "WindowWork":
        return self.begin()

    def begin(self) -> "WindowWork":
        self.check_may_start()
        self.work = WindowWork(self)
        return self.work

    def free(self) -> None:
        self.check_idle("it is freed")
        if not self.freed:
            self.shared.give_back(self.lane)
        self.before, self.groups, self.after, self.freed = (), [], (), True


class WindowWork(Work):
    """A plan under way."""

    def __init__(self, plan: WindowPlan):
        self.plan, self.result = plan, plan.result
        self._shared, self._lane, self._groups = plan.shared, plan.lane, plan.groups
        self.event: Event = Event(plan.operation, self._shared.progress.now())
        self.done = False
        self._at = 0
        self._error: BaseException | None = None
        self._lane.base += STRIDE
        self._base = self._lane.base
        self._shared.progress.begun(self)
        self._guarded(self._enter)
        self.move_on()

    def test(self) -> bool:
        self.move_on()
        self._raise_error()
        return self.done

    def wait(self) -> Any:
        if not self.done:
            self.event.awaited = self._shared.progress.now()
        while not self.done:
            missing = self._missing()
            if missing is not None:
                rank, number = missing
                self._shared.wait(self._lane.flags[rank], self._base + number, self)
            self.move_on()
        self._raise_error()
        return self.result

    def move_on(self) -> None:
        while not self.done and self._missing() is None:
            self._guarded(self._step)

    def _enter(self) -> None:
        for action in self.plan.before:
            action()

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
        for action in actions:
            action()
        if done:
            self._shared.sync()
            self._lane.own[0] = self._base + done
        self._at += 1
        if self._at == len(self._groups):
            for action in self.plan.after:
                action()
            self._end()

    def _guarded(self, part: Callable[[], None]) -> None:
        """An error (of the caller's operation, say) ends the work, and is kept for the one who waits for it."""
        try:
            part()
        except BaseException as error:
            self._error = error
            self._end()

    def _end(self) -> None:
        self.done = True
        self.event.ended = self._shared.progress.now()
        self._shared.progress.ended(self, self.event)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
