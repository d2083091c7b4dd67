"""Work of a thread: a function that runs beside the program."""

import threading
from collections.abc import Callable
from typing import Any

from mpitrain.world import Work


class ThreadWork(Work):
    """`wait` returns what the function returned, or raises what it raised."""

    def __init__(self, function: Callable[[], Any]):
        self._function = function
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"mpitrain {function!r}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error

    def test(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> Any:
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result
