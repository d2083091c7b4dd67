"""Work of another task of a virtual rank: a function that runs beside the program."""

from collections.abc import Callable
from typing import Any

from mpitrain.engines.virtual.kernel import Task
from mpitrain.engines.virtual.progress import POLL
from mpitrain.engines.virtual.rank import Rank
from mpitrain.world import Work


class BackgroundWork(Work):
    """`wait` returns what the function returned, or raises what it raised. What it computes takes no time of the
    program's: it has a core of its own."""

    def __init__(self, rank: Rank, function: Callable[[], Any]):
        self._rank, self._function = rank, function
        self._done = False
        self._result: Any = None
        self._error: Exception | None = None
        self._waiting: list[Task] = []
        rank.spawn(self._run)

    def _run(self) -> None:
        try:
            self._result = self._function()
        except Exception as error:
            self._error = error
        self._done = True
        for task in self._waiting:
            self._rank.kernel.at(self._rank.kernel.now, task.resume)

    def test(self) -> bool:
        if not self._done:
            self._rank.idle(POLL)
        return self._done

    def wait(self) -> Any:
        while not self._done:
            self._waiting.append(self._rank.kernel.task)
            self._rank.kernel.wait()
        if self._error is not None:
            raise self._error
        return self._result
