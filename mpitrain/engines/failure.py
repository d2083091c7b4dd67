"""When a rank fails, the job ends: a rank that raises prints its rank and traceback, and takes all others down.

Without this the others wait for ever for messages of a rank that is gone.
"""

import sys
import time
import traceback
from types import TracebackType

from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError
from mpitrain.world import World


def end_job_on_failure(world: World) -> None:
    """From now on an exception that nobody catches ends the job of all of `world`'s ranks."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            world.abort(130)
        if issubclass(kind, UsageError | ScheduleError):
            if world.rank != 0:
                time.sleep(1)  # most likely all ranks raise it, and one line is enough
            print(f"mpitrain: rank {world.rank} of {world.size}: {error}", file=sys.stderr, flush=True)
            world.abort(2)
        text = "".join(traceback.format_exception(kind, error, trace))
        print(f"mpitrain: rank {world.rank} of {world.size} failed:\n{text}", end="", file=sys.stderr, flush=True)
        world.abort(1)

    sys.excepthook = hook
