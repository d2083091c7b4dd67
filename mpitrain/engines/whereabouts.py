"""Where a thread is: in which call of a World and called from where, or else at which place of the program.

Read off the thread's stack from another thread, so that calls need not note anything.
"""

import sys
import sysconfig
from collections.abc import Iterator
from types import FrameType
from typing import Any, NamedTuple

from mpitrain.engines.call_site import INSIDE, PACKAGE, call_site, place
from mpitrain.event import Operation

NO_WAIT = ("abort", "background", "compute", "explain", "move_on", "now", "observe", "probe", "test")
"""Methods in which nobody waits for another rank."""

THREADS = str(PACKAGE / "engines" / "threads.py")
"""Who waits there waits for a thread of its own."""

STRANGERS = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), "<")
"""Where code lies that is not the program's."""


BEFORE_COUNTING = {"_bound", "_agree"}
"""Functions in which a call is prepared or checked."""


class Waiting(NamedTuple):
    """A call and its place in the program.

    `message`: it is no collective; `counted`: it is in the tally already, and not still being prepared.
    """

    call: str
    site: str
    message: bool
    counted: bool


def waiting_of(thread: int) -> Waiting | None:
    """The call of a World that a thread is in, None if in none."""
    return waiting_at(sys._current_frames().get(thread))


def waiting_at(innermost: FrameType | None) -> Waiting | None:
    """The call of a World that a stack is in, None if in none."""
    inside: list[FrameType] = []
    for frame in list(_stack(innermost)):  # at once, before its thread goes on
        if frame.f_code.co_filename.startswith(INSIDE):
            inside.append(frame)
        elif inside:
            break
    if not inside or inside[-1].f_code.co_name in NO_WAIT or inside[-1].f_code.co_filename == THREADS:
        return None
    method = inside[-1].f_code.co_name
    text, message = next(filter(None, map(_described, inside)), (None, False))
    if text is None:
        text = "close" if method == "__exit__" else method
    elif method in ("barrier", "close", "empty", "plan", "split"):
        text = f"{method}, in {text}"
    names = {frame.f_code.co_name for frame in inside}
    counted = method == "plan" or not (method.startswith("start_") or names & BEFORE_COUNTING)
    return Waiting(text, call_site(inside[-1]), message, counted or message)


def place_of(thread: int) -> str:
    """`file.py:line in function` of the innermost frame that is the program's own."""
    frames = list(_stack(sys._current_frames().get(thread)))
    if not frames:
        return "its end"
    own = next((frame for frame in frames if not frame.f_code.co_filename.startswith(STRANGERS)), frames[0])
    return f"{place(own)} in {own.f_code.co_name}"


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    """From this frame outwards."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _described(frame: FrameType) -> tuple[str, bool] | None:
    """What a frame of the engines works on, if it tells; and whether that is a message."""
    values = frame.f_locals
    owner: Any = values.get("self")
    if (message := getattr(owner, "message", None)) is not None:
        return str(message), True
    if (called := getattr(owner, "called", None)) is not None:
        return f"the check of {called.signature}", False
    event = getattr(owner, "event", None)
    operation = values.get("operation") or getattr(owner, "operation", None) or getattr(event, "operation", None)
    if not isinstance(operation, Operation):
        return None
    how = f"algorithm {operation.algorithm}, engine {operation.engine}"
    return f"{operation.collective} of {operation.nbytes:,} bytes ({how})", False
