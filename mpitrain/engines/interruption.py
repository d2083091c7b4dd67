"""Ctrl-C ends a job even where its ranks wait for one another inside the MPI library.

Python runs a signal's handler between two of its instructions. A rank that waits in C for a message that never comes
does not get there: Open MPI's mpirun then kills it, but MPICH's mpiexec would wait with it for ever. So a thread hears
of the signal too, and ends the process if the handler has not run soon after; upon which the launcher ends the job.
"""

import os
import signal
import sys
import threading
from typing import NoReturn

from mpitrain.world import World

PATIENCE = 5.0
"""Seconds that the handler may take to run."""

_answered = threading.Event()


def interrupt(number: int, frame: object) -> NoReturn:
    """The handler of a signal that asks to end: KeyboardInterrupt in the main thread."""
    _answered.set()
    raise KeyboardInterrupt


def end_waits_on_interrupt(world: World) -> None:
    """From now on Ctrl-C, and every signal that is given to `interrupt`, ends this process even while it waits in C.

    Where the program has a handler of its own for Ctrl-C, or this is not its main thread, all stays as it is.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGINT, interrupt)
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))  # a child's signals are its own affair
    threading.Thread(target=_watch, args=(heard, world), name="mpitrain signals", daemon=True).start()


def _watch(heard: int, world: World) -> None:
    main = threading.main_thread().ident or 0
    while True:
        (number,) = os.read(heard, 1)
        if signal.getsignal(number) is not interrupt:
            continue
        if not _answered.wait(PATIENCE):
            frame = sys._current_frames().get(main)
            place = f" at {frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""
            told = f"mpitrain: rank {world.rank} of {world.size}: {signal.Signals(number).name} while it waits{place}"
            print(told, file=sys.stderr, flush=True)
            os._exit(128 + number)
        _answered.clear()
