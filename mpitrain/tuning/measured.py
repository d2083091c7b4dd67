"""What `mpitrain tune` has measured: a table of places, and of each place, collective and way the time at some sizes.

Between two sizes a time is interpolated, both on logarithmic scales, where times of messages are nearly straight.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log
from typing import Any, NamedTuple

from mpitrain.tuning.choice import Way


class Place(NamedTuple):
    """Where something is measured, as far as times of collectives depend on it. Alike on all ranks of a world.

    `ranks_per_node` is that of the fullest node; `crowded`: more ranks than cores on some node.
    """

    mpi_library: str  # name and version
    ranks: int
    nodes: int
    ranks_per_node: int
    crowded: bool

    def __str__(self) -> str:
        crowded = "more ranks than cores" if self.crowded else "a core for each rank"
        ranks, nodes = (
            f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((self.ranks, "rank"), (self.nodes, "node"))
        )
        return f"{ranks} on {nodes}, {crowded}, {self.mpi_library}"


@dataclass(frozen=True, eq=False)
class Measured:
    """One collective at one place: seconds of each way at each size, `nbytes` of the whole buffer, ascending."""

    nbytes: tuple[int, ...]
    seconds: Mapping[Way, tuple[float, ...]]
    about: Mapping[str, Any] = field(default_factory=dict)  # how and when it was measured

    def around(self, nbytes: int) -> tuple[int, int] | None:
        """The measured sizes next to `nbytes`, below and above; None beyond the smallest or largest."""
        at = bisect_left(self.nbytes, nbytes)
        if at == len(self.nbytes) or nbytes < self.nbytes[0]:
            return None
        return self.nbytes[at if self.nbytes[at] == nbytes else at - 1], self.nbytes[at]

    def predict(self, way: Way, nbytes: int) -> float:
        """Seconds; within the measured sizes."""
        seconds, at = self.seconds[way], bisect_left(self.nbytes, nbytes)
        if self.nbytes[at] == nbytes:
            return seconds[at]
        below, above = self.nbytes[at - 1], self.nbytes[at]
        share = log(nbytes / max(1, below)) / log(above / max(1, below))
        return exp((1 - share) * log(seconds[at - 1]) + share * log(seconds[at]))


@dataclass(frozen=True, eq=False)
class PlaceTable:
    """All that is known of a place. `library_algorithms` is what the library's own algorithms took, as ways of the
    engine "mpi" that bear the library's names; no choice of ours, but of rules that we write for the library."""

    place: Place
    collectives: Mapping[str, Measured]
    library_algorithms: Mapping[str, Measured] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)

    def updated(self, later: "PlaceTable") -> "PlaceTable":
        """With what was measured later, at the same place, in the stead of what is there."""
        return PlaceTable(
            self.place,
            {**self.collectives, **later.collectives},
            {**self.library_algorithms, **later.library_algorithms},
            later.machine,
        )


def merged(tables: tuple[PlaceTable, ...], later: PlaceTable) -> tuple[PlaceTable, ...]:
    """All places, with what was measured at one of them added or replaced."""
    by_place = {table.place: table for table in tables}
    earlier = by_place.get(later.place)
    by_place[later.place] = later if earlier is None else earlier.updated(later)
    return tuple(by_place[place] for place in sorted(by_place))
