"""A lock between the tasks of one rank, which its holder may take again."""

from typing import Any

from mpitrain.engines.virtual.kernel import Kernel, Task


class TaskLock:
    """What `threading.RLock` is to threads. Who waits for it gets it in the order of asking."""

    def __init__(self, kernel: Kernel):
        self._kernel = kernel
        self._holder: Task | None = None
        self._depth = 0
        self._waiting: list[Task] = []

    def acquire(self, blocking: bool = True) -> bool:
        task = self._kernel.task
        if self._holder is not None and self._holder is not task:
            if not blocking:
                return False
            self._waiting.append(task)
            while self._holder is not task:
                self._kernel.wait()
        self._holder = task
        self._depth += 1
        return True

    def release(self) -> None:
        self._depth -= 1
        if self._depth:
            return
        self._holder = self._waiting.pop(0) if self._waiting else None
        if self._holder is not None:
            self._kernel.at(self._kernel.now, self._holder.resume)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        self.release()
