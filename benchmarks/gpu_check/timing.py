"""How long work takes on a device: by its own events, so that what the host does in between does not count."""

import statistics
from collections.abc import Callable
from typing import Any

SAMPLES = 15
SECONDS = 0.004  # of a sample, at least: calls are repeated until it is long enough


def seconds_per_call(cuda: Any, work: Callable[[], Any]) -> float:
    """The median of some samples. The first calls, which compile and fill caches, do not count."""
    for _ in range(3):
        work()
    once = _sample(cuda, work, 1)
    calls = max(1, min(200, round(SECONDS / max(once, 1e-7))))
    return statistics.median(_sample(cuda, work, calls) for _ in range(SAMPLES)) / calls


def _sample(cuda: Any, work: Callable[[], Any], calls: int) -> float:
    start, end = cuda.Event(), cuda.Event()
    start.record()
    for _ in range(calls):
        work()
    end.record()
    end.synchronize()
    return float(cuda.get_elapsed_time(start, end)) / 1e3
