"""Messages from the caller's side: what a rank posts, and waits for."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mpitrain.engines.virtual.kernel import Task
from mpitrain.engines.virtual.rank import Rank
from mpitrain.network import Number


class Request:
    """One end of a message. `verb` is "send" or "recv", `context` the world and tag it belongs to.

    Once it is `done` the array is the caller's again; `error` says why what was wanted will never come.
    """

    __slots__ = ("array", "context", "done", "error", "peer", "posted", "rank", "task", "then", "verb")

    def __init__(self, verb: str, rank: Rank, peer: int, context: Any, array: np.ndarray, posted: Number):
        self.verb, self.rank, self.peer, self.context, self.array = verb, rank, peer, context, array
        self.posted = posted
        self.done = False
        self.error: BaseException | None = None
        self.task: Task | None = None  # that waits for it
        self.then: Callable[[], Any] | None = None  # what follows its end

    def finish(self, error: BaseException | None = None) -> None:
        """By the hub. Who waits for this goes on if it was the last of what is missing."""
        if self.done:
            return
        self.done, self.error = True, error
        self.rank.finished += 1
        if error is not None:
            self.rank.failures += 1
        elif self.then is not None:
            self.then()
        task = self.task
        if task is not None:
            self.task = None
            task.missing = 0 if error is not None else task.missing - 1  # the others may never come
            if not task.missing:
                task.resume()
        if self.rank.listening:
            self.rank.tell()

    def __str__(self) -> str:
        way = "to" if self.verb == "send" else "from"
        return f"{self.verb} of {self.array.nbytes:,} bytes {way} rank {self.peer}"
