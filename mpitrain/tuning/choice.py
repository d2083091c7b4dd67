"""What `auto` takes, and why, in words."""

from typing import NamedTuple

from mpitrain.collectives.algorithm import Opaque
from mpitrain.collectives.catalogue import LIBRARY, find

NODES = "ranks_per_node"
"""The parameter of algorithms of nodes, whose ranks must follow each other."""


class Way(NamedTuple):
    """An algorithm on an engine; "shared ring" or "library" as text."""

    engine: str
    algorithm: str

    def __str__(self) -> str:
        return self.algorithm if self.algorithm == LIBRARY else f"{self.engine} {self.algorithm}"

    @classmethod
    def of(cls, text: str) -> "Way":
        """From its text; `ValueError` for another."""
        if text == LIBRARY:
            return LIBRARY_WAY
        engine, _, algorithm = text.partition(" ")
        if engine not in ("shared", "mpi") or not algorithm:
            raise ValueError(f"{text!r}: expected library, or mpi or shared and an algorithm, such as 'shared ring'")
        return cls(engine, algorithm)


LIBRARY_WAY = Way("mpi", LIBRARY)


class Choice(NamedTuple):
    """What runs, why, and what would have come second.

    `elsewhere` is what runs instead if the memory of some rank's data cannot be reached by the others. `seconds` and
    `runner_up_seconds` are what the two are expected to take, None where nobody has measured or priced them.
    """

    collective: str
    algorithm: str
    engine: str
    reason: str
    runner_up: str
    elsewhere: "Choice | None" = None
    seconds: float | None = None
    runner_up_seconds: float | None = None

    @property
    def way(self) -> Way:
        return Way(self.engine, self.algorithm)

    def __str__(self) -> str:
        return (
            f"{self.way}{_cost(self.seconds)}: {self.reason}; runner-up {self.runner_up}{_cost(self.runner_up_seconds)}"
        )


class Allowed(NamedTuple):
    """What a call may take: engines, the best first; whether the MPI library can do it; whether order may change; and
    what algorithms may rely on."""

    engines: tuple[str, ...]
    library: bool = True
    commutative: bool = True
    nodes_follow: bool = True  # whether every node's ranks follow each other
    equal_blocks: bool = False  # whether all blocks are equally long

    def allows(self, collective: str, way: Way) -> bool:
        """Algorithms that want equal blocks are left out where blocks may differ: `auto` never fails for a count."""
        if way == LIBRARY_WAY:
            return self.library and "mpi" in self.engines
        if way.engine not in self.engines:
            return False
        found = find(collective, way.algorithm)
        if isinstance(found, Opaque) or (found.equal_blocks and not self.equal_blocks):
            return False
        if NODES in dict(found.parameters) and not self.nodes_follow:
            return False
        return self.commutative or found.ordered


def told(collective: str, costs: dict[Way, float], reason: str) -> Choice:
    """The cheapest of some ways, with their seconds; of equals the first."""
    first, *others = sorted(costs, key=lambda way: costs[way])
    runner_up = others[0] if others else None
    return Choice(
        collective,
        first.algorithm,
        first.engine,
        reason,
        "none" if runner_up is None else str(runner_up),
        seconds=costs[first],
        runner_up_seconds=None if runner_up is None else costs[runner_up],
    )


KIB, MIB = 1 << 10, 1 << 20


def size_in_words(nbytes: int) -> str:
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if nbytes >= unit and nbytes % unit == 0:
            return f"{nbytes // unit} {name}"
    return f"{nbytes:,} byte{'' if nbytes == 1 else 's'}"


def _cost(seconds: float | None) -> str:
    return "" if seconds is None else f" ({seconds * 1e6:,.1f} us)"
