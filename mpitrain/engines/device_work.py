"""Works that a device does in its own streams, in order with the caller's: the host waits for none of them.

    caller's stream    ... gradients ready | start           wait | use the sums ...
                                           |                   ^
    ours                                   v messages, sums ... |

`start` makes our stream wait for what the caller's current stream has been given so far; `wait` makes the caller's
stream, whichever is current then, wait for ours. A work is over when the device has done it, of which the host hears
when it looks: then its record has its times, and observers hear of it.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from mpitrain.engines.device_clock import DeviceClock, Mark
from mpitrain.engines.plan import EnginePlan, EngineWork
from mpitrain.engines.progress import Progress
from mpitrain.engines.staged import BoundStep
from mpitrain.event import Operation


class Lane:
    """A stream of ours for all works of one world, one after the other."""

    def __init__(self, xp: ModuleType, progress: Progress):
        self.xp, self.progress = xp, progress
        self.stream = xp.cuda.Stream(non_blocking=True)
        self.clock = DeviceClock(xp, self.stream, progress.now)

    def mark(self) -> Mark:
        return self.clock.mark(self.stream)

    def follow_caller(self) -> None:
        """What our stream is given from now on comes after what the caller's current stream has been given."""
        self.stream.wait_event(self.clock.mark(self.xp.cuda.get_current_stream()))

    def caller_follows(self, mark: Mark) -> Mark:
        """The caller's current stream goes on once `mark` is reached; the mark of where it then stands."""
        stream = self.xp.cuda.get_current_stream()
        arrived = self.clock.mark(stream)
        stream.wait_event(mark)
        return arrived


class StreamWork(EngineWork):
    """Under way in streams of ours; `done` once nothing that the caller does can come before its end.

    A subclass begins it with `first` marked, and moves it on until `last` is.
    """

    def __init__(self, plan: EnginePlan, lane: Lane):
        super().__init__(plan)
        self.lane = lane
        self.first: Mark | None = None
        self.last: Mark | None = None
        self._awaited: Mark | None = None
        self._over = False
        self.guarded(self.begin)

    def begin(self) -> None:
        raise NotImplementedError

    def wait(self) -> Any:
        """Once everything is given to the device: from then on it is the caller's stream that waits."""
        with self.progress.lock:
            self.set_out()
            if not self.done:
                self._awaited = self.lane.caller_follows(self.last)
                self.done = True
        self._raise_error()
        return self.result

    def move_on(self) -> None:
        if not self._over and self.last is not None and self.last.done:
            self.end()

    def set_out(self) -> None:
        """Return once everything is given to the device."""
        while self.last is None and not self.done:
            self.wait_and_move()

    def settle(self) -> None:
        """The host waits until the device has done it."""
        self.set_out()
        if not self._over and self.last is not None:
            self.last.synchronize()
            self.move_on()

    def end(self) -> None:
        """Its times are known; a work that failed has none."""
        self._over = True
        clock, event = self.lane.clock, self.event
        if self.last is None:
            event.ended = self.progress.now()
        else:
            event.begun, event.ended = clock.time_of(self.first), clock.time_of(self.last)
            awaited = clock.time_of(self._awaited) if self._awaited is not None and self._awaited.done else None
            event.awaited = awaited if awaited is not None and awaited < event.ended else None
        try:
            self.progress.ended(self, event)
        finally:
            self.done = True


class DevicePlan(EnginePlan):
    """Steps that are given to the stream all at once. `run` returns when they are given, not when they are done."""

    def __init__(self, lane: Lane, steps: Sequence[BoundStep], operation: Operation, why: str, result: Any):
        super().__init__(lane.progress, operation, why, result)
        self.lane, self.steps = lane, steps

    def begin(self) -> "DeviceWork":
        self.check_may_start()
        self.progress.move_others(None)  # the host hears of what is over
        self.work = DeviceWork(self)
        return self.work

    def free(self) -> None:
        """Its memory may go at once: the pool lends it again to our stream only, where whatever comes, comes later."""
        self.check_idle("it is freed")
        self.steps, self.freed = (), True


class DeviceWork(StreamWork):
    def __init__(self, plan: DevicePlan):
        self._steps = plan.steps
        super().__init__(plan, plan.lane)

    def begin(self) -> None:
        lane = self.lane
        lane.follow_caller()
        self.first = lane.mark()
        with lane.stream:
            for before, messages, after in self._steps:
                for action in before:
                    action()
                if messages is not None:
                    messages.post()
                for action in after:
                    action()
        self.last = lane.mark()
