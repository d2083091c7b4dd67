"""Works under way: a rank that waits for one moves all others on, since other ranks may wait for those."""

from collections.abc import Callable
from typing import Protocol

from mpitrain.engines.tally import TALLY
from mpitrain.event import Event

Observer = Callable[[Event], None]


class Moving(Protocol):
    """A work under way."""

    def move_on(self) -> None:
        """As far as it goes without waiting; an error is kept for the one who waits for it."""

    def wait(self) -> object: ...


class Progress:
    """The works of one world that are under way, whatever engine moves them; `observers` hear of each as it ends."""

    def __init__(self, now: Callable[[], float]):
        self.now = now
        self.under_way: list[Moving] = []
        self.observers: list[Observer] = []

    def begun(self, work: Moving) -> None:
        self.under_way.append(work)
        TALLY.collectives += 1
        TALLY.begun += 1

    def ended(self, work: Moving, event: Event) -> None:
        """The work is done, or failed: it is no longer under way."""
        self.under_way.remove(work)
        TALLY.ended += 1
        self.tell(event)

    def tell(self, event: Event) -> None:
        """A collective has ended: its observers hear of it."""
        for observer in self.observers:
            observer(event)

    def move_others(self, work: Moving | None) -> None:
        """All but `work`."""
        for other in tuple(self.under_way):
            if other is not work:
                other.move_on()

    def wait_for_all(self) -> None:
        """Return once nothing is under way: before a call that blocks inside MPI, where nothing of ours moves on.

        All ranks started the same works before that call, and so none waits here for one that will never come.
        """
        for work in tuple(self.under_way):
            work.wait()
