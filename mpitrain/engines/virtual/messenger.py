"""The messages of schedules, and the caller's own, between virtual ranks."""

from collections.abc import Sequence
from typing import Any

from mpitrain.engines.binding import Stage
from mpitrain.engines.progress import Progress
from mpitrain.engines.staged import Requests, StagedWork
from mpitrain.engines.virtual.fabric import Fabric
from mpitrain.engines.virtual.rank import Rank
from mpitrain.engines.virtual.requests import Request
from mpitrain.world import Array, Work


class VirtualMessages:
    """The messages of a stage, to be posted as often as one likes, in a `context`: a world and a tag."""

    __slots__ = ("_context", "_messenger", "_stage")

    def __init__(self, messenger: "VirtualMessenger", stage: Stage, context: Any):
        self._messenger, self._stage, self._context = messenger, stage, context

    def post(self) -> Requests:
        fabric, rank, members = self._messenger.fabric, self._messenger.rank.number, self._messenger.members
        context = self._context
        return [fabric.recv(rank, members[peer], context, array) for peer, array in self._stage.recv] + [
            fabric.send(rank, members[peer], context, array) for peer, array in self._stage.send
        ]

    def free(self) -> None:
        pass


class VirtualMessenger:
    """The `Messenger` of a virtual rank; `members` are the ranks of its world, by their numbers in the whole job."""

    def __init__(self, rank: Rank, fabric: Fabric, members: Sequence[int], world: Any, progress: Progress):
        self.rank, self.fabric, self.members, self.progress = rank, fabric, members, progress
        self._world = world

    def prepare(self, stage: Stage, tag: int, kept: bool) -> VirtualMessages:
        return VirtualMessages(self, stage, (self._world, tag))

    def test(self, requests: Requests) -> bool:
        for request in requests:
            if not request.done:
                return False
        self._raise_error(requests)
        return True

    def wait(self, requests: Requests, work: StagedWork | None) -> None:
        under_way = self.progress.under_way
        if not under_way or under_way == [work]:
            self.wait_for(requests)
        else:
            self.wait_moving(requests, work)

    def wait_for(self, requests: Requests) -> None:
        """While nothing else of this rank's need move."""
        kernel = self.rank.kernel
        task = kernel.task
        task.missing = 0
        for request in requests:
            if not request.done:
                request.task = task
                task.missing += 1
        if task.missing:
            task.requests, begun = requests, kernel.now
            kernel.wait()
            task.requests = ()
            for request in requests:
                request.task = None
            self.rank.waited(begun, requests)
        self._raise_error(requests)

    def wait_moving(self, requests: Requests, work: StagedWork | None) -> None:
        """While the works under way move on."""
        rank, task = self.rank, self.rank.kernel.task
        task.requests, begun = requests, rank.kernel.now
        while not self.test(requests):
            seen = rank.finished
            self.progress.move_others(work)
            if rank.finished == seen:
                rank.listen()
        task.requests = ()
        rank.waited(begun, requests)

    def pause(self, work: StagedWork) -> None:
        raise AssertionError("data between virtual ranks go in one strand")

    def _raise_error(self, requests: Requests) -> None:
        if self.rank.failures:
            for request in requests:
                if request.error is not None:
                    raise request.error


class VirtualMessageWork(Work):
    """One message from the caller's hands."""

    def __init__(self, messenger: VirtualMessenger, request: Request, buffer: Array):
        self._messenger, self._request, self._buffer = messenger, request, buffer

    def test(self) -> bool:
        if self._messenger.test([self._request]):
            return True
        self._messenger.progress.polled()
        return False

    def wait(self) -> Array:
        self._messenger.wait([self._request], None)
        return self._buffer
