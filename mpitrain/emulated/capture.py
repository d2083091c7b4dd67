"""Work that is recorded, to be done again: what is left of CUDA graphs where everything executes at once.

    stream.begin_capture(); work; graph = stream.end_capture()         # the work is recorded, in its order
    graph.launch()                                                     # and done again on the memory of then

On a GPU recorded work is not done, and it may neither wait for the host nor take numbers from it. Here it is done,
since its memory has to come from somewhere; waiting and taking are refused as there.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

UNSUPPORTED = "cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing"

Work = Callable[[], Any]

_recorded: list[Work] | None = None


def begin() -> None:
    """From now on work is recorded. RuntimeError if it is already."""
    global _recorded
    if _recorded is not None:
        raise RuntimeError("cudaErrorIllegalState: the stream is capturing already")
    _recorded = []


def end() -> "Graph":
    """What was recorded since `begin`. RuntimeError without one."""
    global _recorded
    if _recorded is None:
        raise RuntimeError("cudaErrorIllegalState: the stream is not capturing")
    graph, _recorded = Graph(_recorded), None
    return graph


def check_host_apart() -> None:
    """RuntimeError while work is recorded, which the host takes no part in."""
    if _recorded is not None:
        raise RuntimeError(UNSUPPORTED)


def record(work: Work) -> None:
    """To be done again, if work is recorded."""
    if _recorded is not None:
        _recorded.append(work)


def record_result(result: Any, work: Work, arguments: tuple[Any, ...]) -> None:
    """The same for work that gives new memory: when it is done again, what comes goes to the memory of now."""
    if _recorded is None:
        return
    if isinstance(result, tuple | list):
        found, news = result, [_is_new(part, arguments) for part in result]
    else:
        found, news = (result,), [_is_new(result, arguments)]
    if not any(news):
        return

    def again() -> None:
        fresh = work()
        for target, part, new in zip(found, fresh if isinstance(fresh, tuple | list) else (fresh,), news, strict=True):
            if new:
                target[...] = part

    _recorded.append(again)


def _is_new(result: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether it is memory of its own, not a view of an argument's."""
    arrays = [argument for argument in arguments if isinstance(argument, np.ndarray)]
    return isinstance(result, np.ndarray) and not any(np.may_share_memory(result, array) for array in arrays)


class Graph:
    """Recorded work."""

    def __init__(self, recorded: list[Work]):
        self._recorded = recorded

    def launch(self, stream: Any = None) -> None:
        """Do it again, in its order."""
        with np.errstate(all="ignore"):  # a device warns of nothing
            for work in self._recorded:
                work()
