"""A thread that moves works on while the program computes.

It sleeps while nothing is under way, and else looks again and again, with pauses: meanwhile the operating system goes
on sending what lies in its buffers, and the core computes. NumPy and BLAS let go of Python's lock while they work, so
that the thread gets its turn; a program that computes in Python itself hands that lock over every
`sys.getswitchinterval()` seconds, 0.005 unless it says otherwise.
"""

import atexit
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager

PAUSE = 0.0002
"""Seconds between two looks. A link of 10 Gb/s brings 250 kB in that time, which its socket holds."""


class Mover:
    """`look()` moves all works on, and says whether any is left; whoever moves works holds `lock`."""

    def __init__(self, lock: AbstractContextManager, look: Callable[[], bool]):
        self._lock, self._look = lock, look
        self._thread: threading.Thread | None = None
        self._asleep = self._over = False
        self._woken = threading.Lock()  # the thread takes it to sleep, and who wakes the thread releases it
        self._woken.acquire()

    def wake(self) -> None:
        """Something is under way, and nobody waits for it. The first time starts the thread."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mpitrain progress", daemon=True)
                self._thread.start()
                MOVERS.add(self)
            elif self._asleep:
                self._asleep = False
                self._woken.release()

    def end(self) -> None:
        """Return once the thread has ended."""
        self._over = True
        if self._thread is not None:
            self.wake()
            self._thread.join()
            MOVERS.discard(self)

    def _run(self) -> None:
        while not self._over:
            time.sleep(PAUSE)
            with self._lock:
                self._asleep = sleep = not self._look() and not self._over
            if sleep:
                self._woken.acquire()


MOVERS: weakref.WeakSet[Mover] = weakref.WeakSet()
"""Those whose thread runs."""


@atexit.register
def _end_all() -> None:
    """Before MPI itself ends, which no thread may be in then."""
    for mover in tuple(MOVERS):
        mover.end()
