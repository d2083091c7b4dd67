"""What every rank did, when: the activities of a run, in the order in which they ended."""

from mpitrain.event import Activity
from mpitrain.network import Number


class Recorder:
    """Collects activities of all ranks."""

    def __init__(self) -> None:
        self.activities: list[Activity] = []

    def add(
        self,
        kind: str,
        rank: int,
        begun: Number,
        ended: Number,
        peer: int | None = None,
        nbytes: int = 0,
        what: str = "",
    ) -> None:
        if ended > begun:
            self.activities.append(Activity(kind, rank, begun, ended, peer, nbytes, what))
