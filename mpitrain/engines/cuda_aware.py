"""An MPI library that takes addresses of a device: our schedules by its messages, with our kernels between them.

MPI knows nothing of streams. So the host waits for the stream before it posts a step's messages, and for the messages
before it gives the step's kernels to the stream: one such wait a step, which NCCL does without.
"""

import os
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.binding import Stage
from mpitrain.engines.call import Call
from mpitrain.engines.device_clock import Mark
from mpitrain.engines.device_work import Lane
from mpitrain.engines.mpi import MPIWorld
from mpitrain.engines.plan import EnginePlan
from mpitrain.engines.staged import BoundStep, Messages, Messenger, Requests, StagedPlan, StagedWork, Strand
from mpitrain.engines.stream_world import StreamWorld
from mpitrain.event import Operation
from mpitrain.tuning import Choice

CUDA_AWARE = "cuda_aware"


class Parcel:
    """A step's messages: posted once the stream has come to its mark, where their data are."""

    def __init__(self, mark: Mark, messages: Messages):
        self.mark, self._messages = mark, messages
        self._requests: Requests | None = None

    def requests(self) -> Requests:
        """Posted now, if they are not yet."""
        if self._requests is None:
            self._requests = self._messages.post()
        return self._requests


class Parcels:
    """`Messages` that wait for a stream."""

    def __init__(self, lane: Lane, messages: Messages):
        self._lane, self._messages = lane, messages

    def post(self) -> Requests:
        return [Parcel(self._lane.mark(), self._messages)]

    def free(self) -> None:
        self._messages.free()


class AwareMessenger:
    """A `Messenger` before which each step's stream comes first; `through` moves what is posted."""

    def __init__(self, through: Messenger, lane: Lane):
        self._through, self._lane, self.progress = through, lane, lane.progress

    def prepare(self, stage: Stage, tag: int, kept: bool) -> Parcels:
        return Parcels(self._lane, self._through.prepare(stage, tag, kept))

    def test(self, requests: Requests) -> bool:
        return all(parcel.mark.done and self._through.test(parcel.requests()) for parcel in requests)

    def wait(self, requests: Requests, work: StagedWork | None) -> None:
        if self.progress.under_way == [work]:
            for parcel in requests:
                parcel.mark.synchronize()
                self._through.wait(parcel.requests(), None)
        while not self.test(requests):
            self.pause(work)

    def pause(self, work: StagedWork | None) -> None:
        self.progress.move_others(work)
        os.sched_yield()


class AwarePlan(StagedPlan):
    """A program that the host leads from step to step."""

    def __init__(self, messenger: AwareMessenger, lane: Lane, steps: Iterable[BoundStep], *rest: Any):
        super().__init__(messenger, [steps], *rest)
        self.lane = lane

    def run(self) -> Any:
        return EnginePlan.run(self)

    def begin(self) -> "AwareWork":
        self.check_may_start()
        self.work = AwareWork(self)
        return self.work


class AwareWork(StagedWork):
    """Its kernels run in our stream: after what the caller's had been given, and before what that is given next."""

    def __init__(self, plan: AwarePlan):
        self._lane = plan.lane
        self._last: Mark | None = None
        self._lane.follow_caller()
        super().__init__(plan)

    def _advance(self, strand: Strand) -> None:
        with self._lane.stream:
            super()._advance(strand)

    def end(self) -> None:
        self._last = self._lane.mark()
        super().end()

    def test(self) -> bool:
        return super().test() and self._last is not None and self._last.done

    def wait(self) -> Any:
        result = super().wait()
        if self._last is not None:
            self._lane.caller_follows(self._last)
        return result


class AwareWorld(StreamWorld):
    """The ranks of `host`, a world of its own, for arrays of their devices (`xp`). Collective to make and close."""

    engine = CUDA_AWARE
    host: MPIWorld
    messenger: AwareMessenger

    def __init__(self, host: MPIWorld, xp: ModuleType):
        super().__init__(host, xp)
        self.messenger = AwareMessenger(host.messenger, self.lane)

    def set_out(self) -> None:
        """Return once what was started needs the host no more."""
        self.progress.wait_for_all()

    def settle(self) -> None:
        """The host waits until the device has done everything that was started."""
        self.set_out()
        self.lane.stream.synchronize()

    def _tag(self, kept: bool) -> int:
        return self.host._tag(kept)

    def _plan(  # type: ignore[override]
        self, call: Call, algorithm: Algorithm, operation: Operation, choice: Choice, kept: bool
    ) -> AwarePlan:
        with self.lane.stream:  # whose memory the scratch is then, and remains
            steps = list(self._steps(call, algorithm, kept))
        return AwarePlan(self.messenger, self.lane, steps, operation, choice.reason, call.result)

    def _opaque(self, call: Call, operation: Operation, why: str) -> AwarePlan:  # type: ignore[override]
        raise ScheduleError(f"the MPI library's own {call.collective} is not there for devices: choose one of ours")
