"""Works under way on virtual ranks: a task of the rank's moves them on where real ranks have a thread for it."""

from mpitrain.engines.progress import THREAD, Progress
from mpitrain.engines.virtual.kernel import Task
from mpitrain.engines.virtual.lock import TaskLock
from mpitrain.engines.virtual.rank import Rank

POLL = 1e-6
"""Seconds that a look takes at a work that is not done, or for a message that is not there: a program that looks again
and again would never come to an end if time stood still."""


class VirtualProgress(Progress):
    """The works of one rank in one world."""

    def __init__(self, rank: Rank):
        super().__init__(self._now, TaskLock(rank.kernel))
        self._rank = rank

    def _now(self) -> float:
        return self._rank.kernel.now  # type: ignore[return-value]

    def move_by(self, mode: str) -> None:
        self.mode = mode
        if mode == THREAD:
            self._mover = VirtualMover(self._rank, self)

    def polled(self) -> None:
        self._rank.idle(POLL)


class VirtualMover:
    """The task that moves works on, as long as there are any."""

    def __init__(self, rank: Rank, progress: VirtualProgress):
        self._rank, self._progress = rank, progress
        self._task: Task | None = None
        self._asleep = False

    def wake(self) -> None:
        if self._task is None:
            self._task = self._rank.spawn(self._run)
        elif self._asleep:
            self._asleep = False
            self._rank.kernel.at(self._rank.kernel.now, self._task.resume)

    def end(self) -> None:
        """It ends with its rank; until then it sleeps."""

    def _run(self) -> None:
        rank, progress = self._rank, self._progress
        while True:
            while progress.under_way:
                seen = rank.finished
                progress.move_others(None)
                if progress.under_way and rank.finished == seen:
                    rank.listen()
            self._asleep = True
            rank.kernel.wait()
