"""Works under way: who moves them on, and when.

A rank that waits for one work moves all others on, since other ranks may wait for those. While its program computes,
they move on in one of these ways, which MPITRAIN_PROGRESS chooses:

    thread   a thread looks after them (`mover`): where messages cross a network, which needs no core to do so
    layers   between two layers, whenever the program says `World.move_on`: on one node, where every byte is moved by
             a core, and a thread would only take it from the computation
    none     not at all
    auto     thread if the world's ranks are on several nodes, else layers
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mpitrain.engines.mover import Mover
from mpitrain.engines.tally import TALLY
from mpitrain.errors import UsageError
from mpitrain.event import Event

Observer = Callable[[Event], None]

AUTO, LAYERS, THREAD, NONE = "auto", "layers", "thread", "none"


def mode_of(environment: Mapping[str, str], several_nodes: bool, threads: bool) -> str:
    """How works move while the program computes; `threads`: whether MPI lets several threads call it at once."""
    asked = environment.get("MPITRAIN_PROGRESS") or AUTO
    if asked not in (AUTO, LAYERS, THREAD, NONE):
        raise UsageError(f"MPITRAIN_PROGRESS={asked}: expected auto, layers, thread or none", agreed=True)
    if asked == THREAD and not threads:
        raise UsageError(
            "MPITRAIN_PROGRESS=thread: this MPI library lets one thread call it only (no MPI_THREAD_MULTIPLE): "
            "expected auto, layers or none",
            agreed=True,
        )
    if asked == AUTO:
        return THREAD if several_nodes and threads else LAYERS
    return asked


class Lock(Protocol):
    """A lock that its holder may take again."""

    def acquire(self, blocking: bool = True) -> bool: ...

    def release(self) -> None: ...

    def __enter__(self) -> bool: ...

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None: ...


class LooksAfter(Protocol):
    """Moves works on while the program computes."""

    def wake(self) -> None:
        """Something is under way, and nobody waits for it."""

    def end(self) -> None:
        """Return once it does nothing any more."""


class Moving(Protocol):
    """A work under way."""

    def move_on(self) -> None:
        """As far as it goes without waiting; an error is kept for the one who waits for it."""

    def wait(self) -> object: ...


class Progress:
    """The works of one world that are under way, whatever engine moves them; `observers` hear of each as it ends, in
    the thread that moved it.

    Whoever begins works or moves them on holds `lock`. None is begun but by the program's own thread, so that nothing
    needs the lock there while nothing is under way.
    """

    def __init__(self, now: Callable[[], float], lock: Lock | None = None):
        """`lock`: of threads, unless other tasks than those share the works."""
        self.now = now
        self.lock = threading.RLock() if lock is None else lock
        self.under_way: list[Moving] = []
        self.observers: list[Observer] = []
        self.mode = NONE
        self._mover: LooksAfter | None = None

    def move_by(self, mode: str) -> None:
        """How works move while the program computes."""
        self.mode = mode
        if mode == THREAD:
            self._mover = Mover(self.lock, self._look)

    def begun(self, work: Moving) -> None:
        self.under_way.append(work)
        TALLY.collectives += 1
        TALLY.begun += 1

    def left_alone(self) -> None:
        """The program goes on while something is under way."""
        if self._mover is not None:
            self._mover.wake()

    def polled(self) -> None:
        """The program has asked for a work that is not done, and may do so again and again: real time passes."""

    def ended(self, work: Moving, event: Event) -> None:
        """The work is done, or failed: it is no longer under way."""
        TALLY.ended += 1
        try:
            self.tell(event)
        finally:
            self.under_way.remove(work)  # last: where nothing is under way, the thread is done with everything

    def tell(self, event: Event) -> None:
        """A collective has ended: its observers hear of it."""
        for observer in self.observers:
            observer(event)

    def between_layers(self) -> None:
        """The program has a moment."""
        if self.mode == LAYERS and self.under_way:
            self.move_others(None)

    def move_others(self, work: Moving | None) -> None:
        """All but `work`."""
        with self.lock:
            for other in tuple(self.under_way):
                if other is not work:
                    other.move_on()

    def wait_for_all(self) -> None:
        """Return once nothing is under way: before a call that blocks inside MPI, where nothing of ours moves on.

        All ranks started the same works before that call, and so none waits here for one that will never come.
        """
        for work in tuple(self.under_way):
            work.wait()

    def close(self) -> None:
        """Wait for what is under way, and for the thread to end."""
        self.wait_for_all()
        if self._mover is not None:
            self._mover.end()

    def _look(self) -> bool:
        self.move_others(None)
        return bool(self.under_way)
