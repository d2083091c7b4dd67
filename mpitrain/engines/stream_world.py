"""Schedules on the memory of devices, each given to a stream of the device's as a whole.

For one rank this is all there is, since nothing travels; `nccl` and `cuda_aware` add messages.
"""

from types import ModuleType

from mpitrain.collectives.algorithm import Algorithm, Opaque
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.call import Call
from mpitrain.engines.device_arithmetic import arithmetic_of
from mpitrain.engines.device_choice import choose_ours
from mpitrain.engines.device_work import DevicePlan, Lane, StreamWork
from mpitrain.engines.progress import LAYERS, Progress
from mpitrain.engines.scheduled import ScheduledWorld
from mpitrain.engines.solo import NoMessages
from mpitrain.event import Operation
from mpitrain.tuning import Choice
from mpitrain.world import World

DEVICE = "device"


class StreamWorld(ScheduledWorld):
    """The ranks of `host`, a world of its own, for arrays of their devices (`xp`). Collective to make and close."""

    engine = DEVICE

    def __init__(self, host: World, xp: ModuleType):
        progress = Progress(host.now)
        progress.move_by(LAYERS)
        super().__init__(NoMessages(progress))
        self.host, self.xp, self.lane = host, xp, Lane(xp, progress)
        self.rank, self.size, self.tuning, self.engines = host.rank, host.size, host.tuning, (self.engine,)
        self.node_sizes = self.tuning.node_sizes
        self.check = getattr(host, "check", None)
        self.arithmetic = arithmetic_of(xp)

    def close(self) -> None:
        if not self.closed:
            self.settle()
            super().close()
            self.host.close()

    def set_out(self) -> None:
        """What was started needs the host no more."""

    def settle(self) -> None:
        """The host waits until the device has done everything that was started."""
        for work in tuple(self.progress.under_way):
            if isinstance(work, StreamWork):
                work.settle()

    def _choose(self, collective: str, nbytes: int, engine: str = "auto", **call: bool) -> Choice:
        return choose_ours(collective, nbytes, self.tuning, self.engine, **call)

    def _engine_for(self, algorithm: Algorithm | Opaque, engine: str) -> str:
        return self.engine

    def _tag(self, kept: bool) -> int:
        return 0  # in a stream, what is sent first arrives first

    def _plan(self, call: Call, algorithm: Algorithm, operation: Operation, choice: Choice, kept: bool) -> DevicePlan:
        with self.lane.stream:  # whose memory the scratch is then, and remains
            steps = list(self._steps(call, algorithm, kept=True))
        return DevicePlan(self.lane, steps, operation, choice.reason, call.result)

    def _opaque(self, call: Call, operation: Operation, why: str) -> DevicePlan:
        raise ScheduleError(f"no library runs {call.collective} on a device of one rank: choose one of our algorithms")
