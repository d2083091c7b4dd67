"""The next batch is read while this one is computed.

    step      0         1         2
    program   read 0 compute 0 | compute 1 | compute 2 |
    beside             read 1  |  read 2   |

It changes no bit: each step's batch is read by the same function of the step, only earlier.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Started(Protocol):
    """Something under way: `wait` gives its result or raises its error."""

    def wait(self) -> Any: ...


class Prefetch(Generic[T]):
    """`take(step)` is `read(step)`, and begins `read(step + 1)` beside the program, up to the step before `end`.

    `background` starts a function: a world's. `read` may depend on nothing but the step, and is never running twice.
    What a read raises, the `take` of its step raises. Steps may be taken in any order, which costs a read thrown away.
    """

    def __init__(self, background: Callable[[Callable[[], T]], Started], read: Callable[[int], T], end: int):
        self.background, self.read, self.end = background, read, end
        self._begun: tuple[int, Started] | None = None

    def take(self, step: int) -> T:
        """The batch of this step."""
        if self._begun is not None and self._begun[0] == step:
            (_, work), self._begun = self._begun, None
            batch = work.wait()
        else:
            self.close()
            batch = self.read(step)
        if step + 1 < self.end:
            self._begun = step + 1, self.background(lambda: self.read(step + 1))
        return batch

    def close(self) -> None:
        """Wait for what is still being read, and forget it with its error. Nothing is running afterwards."""
        if self._begun is not None:
            (_, work), self._begun = self._begun, None
            with suppress(Exception):  # of a step that nobody takes
                work.wait()
