"""When a device reached a mark in one of its streams, in seconds on the world's clock.

A mark is an event of the device's, whose time is known only relative to another's. One mark, the anchor, is waited for
once; from then on nobody waits to learn a time. CUDA gives differences as float32 milliseconds, so the anchor follows.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

FRESH = 10.0
"""Seconds up to which a difference is known to a microsecond."""

Mark = Any


class DeviceClock:
    """`now` is the world's clock on the host."""

    def __init__(self, xp: ModuleType, stream: Any, now: Callable[[], float]):
        self._xp = xp
        self._anchor = self.mark(stream)
        self._anchor.synchronize()
        self._anchored = now()

    def mark(self, stream: Any) -> Mark:
        """Here, in this stream."""
        event = self._xp.cuda.Event()
        event.record(stream)
        return event

    def time_of(self, mark: Mark) -> float:
        """Of a mark that was reached."""
        passed = self._xp.cuda.get_elapsed_time(self._anchor, mark) / 1e3
        time = self._anchored + passed
        if passed > FRESH:
            self._anchor, self._anchored = mark, time
        return time
