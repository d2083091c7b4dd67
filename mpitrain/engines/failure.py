"""When a rank fails, the job ends: a rank that raises prints its rank and traceback, and takes all others down.

Without this the others wait for ever for messages of a rank that is gone.
"""

import signal
import sys
import threading
import time
import traceback
from types import TracebackType

from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import CollectiveMismatch, UsageError
from mpitrain.world import World

TELLING = 0.3
"""Seconds for the launcher to pass on what a rank last said: at an abort MPICH's mpiexec throws away the rest."""


def end_job_on_failure(world: World) -> None:
    """From now on an exception that nobody catches, in any thread, ends the job of all of `world`'s ranks."""

    def end(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None, where: str) -> None:
        if issubclass(kind, KeyboardInterrupt):
            world.abort(130)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # from the launcher while this rank gives way: end in silence
        if issubclass(kind, UsageError | ScheduleError):
            if world.rank != 0:
                time.sleep(1)  # most likely all ranks raise it, and one line is enough
            print(f"mpitrain: rank {world.rank} of {world.size}{where}: {error}", file=sys.stderr, flush=True)
            time.sleep(TELLING)
            world.abort(2)
        if isinstance(error, CollectiveMismatch):
            if not error.first:
                time.sleep(1)  # all ranks raise it, with one text
            print(f"mpitrain: {error}", file=sys.stderr, flush=True)
            time.sleep(TELLING)
            world.abort(1)
        text = "".join(traceback.format_exception(kind, error, trace))
        told = f"mpitrain: rank {world.rank} of {world.size}{where} failed:\n{text}"
        print(told, end="", file=sys.stderr, flush=True)
        time.sleep(TELLING)
        world.abort(1)

    def end_from_thread(ending: threading.ExceptHookArgs) -> None:
        if ending.exc_type is not SystemExit:  # which ends a thread in peace
            name = ending.thread.name if ending.thread else "?"
            end(ending.exc_type, ending.exc_value, ending.exc_traceback, f", thread {name},")

    sys.excepthook = lambda kind, error, trace: end(kind, error, trace, "")
    threading.excepthook = end_from_thread
