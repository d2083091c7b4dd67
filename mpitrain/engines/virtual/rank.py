"""One rank of a virtual world: how fast it is, and its tasks."""

from collections.abc import Callable, Sequence
from math import inf
from random import Random
from typing import Any

from mpitrain.engines.virtual.kernel import Kernel, Task
from mpitrain.engines.virtual.pace import Pace, bursts
from mpitrain.engines.virtual.recorder import Recorder
from mpitrain.network import Network, Number


class Rank:
    """Its tasks run `main`, what it put in the background, and what moves its works on; all at its `pace`."""

    def __init__(self, number: int, kernel: Kernel, network: Network, seed: int, recorder: Recorder | None):
        self.number, self.kernel, self.recorder = number, kernel, recorder
        self.gamma = network.gamma
        self.speed = network.speed * network.speeds.get(number, 1)
        self.finished = self.failures = 0  # of its requests
        self.crashed: Number | None = None  # when
        self.tasks: list[Task] = []
        self.listening: list[Task] = []  # go on at the end of any of its requests
        mine = [slow for slow in network.stragglers if slow.ranks is None or number in slow.ranks]
        fixed: Number = 1
        for straggler in mine:
            if straggler.kind == "fixed":
                fixed = fixed * straggler.slowdown
        self.pace = Pace(fixed, [
            bursts(Random(f"bursts {seed} {number} {at}"), slow.every, slow.lasting, slow.slowdown)
            for at, slow in enumerate(mine) if slow.kind == "bursts"
        ])  # fmt: skip
        self._random = Random(f"computing {seed} {number}").random
        self._jitter = [slow.slowdown - 1 for slow in mine if slow.kind == "random"]

    def spawn(self, function: Callable[[], Any]) -> Task:
        """A task that begins now."""
        task = Task(self.kernel, self.number, self.pace, function)
        self.tasks.append(task)
        self.kernel.at(self.kernel.now, task.resume)
        return task

    def compute(self, seconds: Number) -> None:
        """By one of its tasks: let so much time pass, more if the rank is slow."""
        if not seconds:
            return
        for most in self._jitter:
            seconds = seconds * (1 + most * self._random())
        self._spend("compute", seconds)

    def reduce(self, nbytes: int) -> None:
        """By one of its tasks: the time that combining takes."""
        if seconds := self.gamma * nbytes:
            self._spend("reduce", seconds)

    def idle(self, seconds: Number) -> None:
        """By one of its tasks: let so much time pass, whatever the rank's speed."""
        self.kernel.sleep(self.kernel.now + seconds)

    def waited(self, begun: Number, requests: Sequence[Any]) -> None:
        """By one of its tasks: it has waited for these, from then on until now."""
        if self.recorder is not None:
            what = ", ".join(map(str, requests))
            self.recorder.add("wait", self.number, begun, self.kernel.now, what=what)

    def _spend(self, kind: str, seconds: Number) -> None:
        kernel = self.kernel
        begun = kernel.now
        kernel.sleep(self.pace.finish(begun, seconds))
        if self.recorder is not None:
            self.recorder.add(kind, self.number, begun, kernel.now)

    def listen(self) -> None:
        """By one of its tasks: wait until any of the rank's requests is done."""
        self.listening.append(self.kernel.task)
        self.kernel.wait()

    def tell(self) -> None:
        """By the hub: a request is done."""
        listening, self.listening = self.listening, []
        for task in listening:
            task.resume()

    @property
    def stands_still(self) -> bool:
        """For ever, by a fault."""
        return self.pace.finish(self.kernel.now, 0) == inf
