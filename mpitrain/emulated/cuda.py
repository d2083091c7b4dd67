"""What our code uses of `cupy.cuda`. Everything executes at once: streams and events have nothing to wait for."""

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from mpitrain.emulated import capture

MULTIPROCESSORS = 2  # few, so that grids are small; a GPU has a hundred


class Device:
    """The one device, number 0. Entering it changes nothing."""

    def __init__(self, device: int = 0):
        if device != 0:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        self.id = device
        self.attributes = {"MultiProcessorCount": MULTIPROCESSORS, "MaxSharedMemoryPerBlockOptin": 227 << 10}
        self.compute_capability = "90"

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *failure: Any) -> None:
        return None

    __hash__ = None  # type: ignore[assignment]  # as CuPy's

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __repr__(self) -> str:
        return f"<emulated device {self.id}>"

    def use(self) -> None:
        """Makes it the current device, which it is."""

    def synchronize(self) -> None:
        """Waits until all is done, which it is."""


class Stream:
    """An order of work; it is done when it is given."""

    null: "Stream"

    def __init__(self, null: bool = False, non_blocking: bool = False):
        self.ptr, self.done = 0, True

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *failure: Any) -> None:
        return None

    def use(self) -> "Stream":
        """Makes it the current stream."""
        return self

    def synchronize(self) -> None:
        """Waits until its work is done, which it is."""

    def record(self, event: "Event | None" = None) -> "Event":
        """An event at the end of the work so far."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: "Event") -> None:
        """What comes later begins after the event."""

    def begin_capture(self) -> None:
        """From now on work is recorded. RuntimeError on the null stream, as with CuPy."""
        if self is Stream.null:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        capture.begin()

    def end_capture(self) -> capture.Graph:
        """What was recorded."""
        return capture.end()


Stream.null = Stream(null=True)


class Event:
    """A moment in a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False):
        self.ptr, self.done, self.seconds = 0, True, 0.0

    def record(self, stream: Stream | None = None) -> None:
        """The moment is now."""
        self.seconds = time.perf_counter()

    def synchronize(self) -> None:
        """Waits for the moment, which has been."""


def get_elapsed_time(start: Event, end: Event) -> float:
    """Milliseconds between two events."""
    return (end.seconds - start.seconds) * 1e3


def get_current_stream() -> Stream:
    """The stream in which work is done."""
    return Stream.null


class MemoryPool:
    """Another pool than the default one; here all memory is the process's."""

    def malloc(self, size: int) -> None:
        """For `using_allocator`."""


@contextmanager
def using_allocator(allocator: Any = None) -> Iterator[None]:
    """Within, new arrays come from another pool."""
    yield


def alloc_pinned_memory(size: int) -> bytearray:
    """Memory of the host from which the device can copy; has the buffer protocol."""
    return bytearray(size)


def _properties(device: int) -> dict[str, Any]:
    node = platform.node().encode()
    return {"name": b"emulated on the CPU", "uuid": node[:16].ljust(16, b"\0"), "totalGlobalMem": 1 << 30,
            "multiProcessorCount": MULTIPROCESSORS, "major": 9, "minor": 0}  # fmt: skip


runtime = SimpleNamespace(
    getDeviceCount=lambda: 1,
    getDeviceProperties=_properties,
    driverGetVersion=lambda: 0,
    runtimeGetVersion=lambda: 0,
)
