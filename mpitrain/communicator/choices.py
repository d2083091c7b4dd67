"""Which algorithm each collective of a communicator runs, and why; in words for people who ask."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.catalogue import LIBRARY, find
from mpitrain.collectives.kinds import KINDS
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.mpi import MPIWorld
from mpitrain.tuning import Choice
from mpitrain.tuning.choice import size_in_words
from mpitrain.world import AlgorithmLike

AUTO = "auto"

COLLECTIVES = tuple(name for name, kind in KINDS.items() if kind.in_mpi)

Algorithms = AlgorithmLike | Mapping[str, AlgorithmLike]
"""One for all collectives that have it, or one for each collective named."""

LARGEST = 1 << 30
"""Bytes up to which `explain` looks."""


def algorithms_of(asked: Algorithms) -> dict[str, AlgorithmLike]:
    """By collective; those that are left to `auto` are missing. `ScheduleError` for a name that nothing has."""
    if isinstance(asked, Algorithm):
        return {asked.collective: asked}
    if isinstance(asked, str):
        return {} if asked == AUTO else _all_that_have(asked)
    for collective, algorithm in asked.items():
        if collective not in COLLECTIVES:
            raise ScheduleError(f"no collective {collective!r}: expected one of {', '.join(COLLECTIVES)}")
        if isinstance(algorithm, str) and algorithm != AUTO:
            find(collective, algorithm)
    return {collective: algorithm for collective, algorithm in asked.items() if algorithm != AUTO}


def _all_that_have(name: str) -> dict[str, AlgorithmLike]:
    found: dict[str, AlgorithmLike] = {}
    for collective in COLLECTIVES:
        try:
            find(collective, name)
        except ScheduleError:
            continue
        found[collective] = name
    if not found:
        raise ScheduleError(
            f"no algorithm {name!r} for any collective: expected auto, or a name that `mpitrain prove` lists"
        )
    return found


REMEMBERED = 1024
"""How many kinds of calls are remembered at most."""


class Way(NamedTuple):
    """What runs a call: an algorithm of ours on an engine, or the library."""

    algorithm: AlgorithmLike
    engine: str = AUTO


BY_LIBRARY = Way(LIBRARY)


class Choices:
    """Of one communicator. Whatever is decided here follows from what all ranks know alike."""

    def __init__(self, world: MPIWorld, algorithms: Mapping[str, AlgorithmLike]):
        self._world, self.algorithms = world, algorithms
        self.lent = False
        self._found: dict[tuple[str, int | None, bool, bool, bool, bool], Way] = {}

    def lend(self) -> None:
        """From now on some rank's data may lie in memory that the ranks share. Collective."""
        self.lent = True
        self._found.clear()

    def way(
        self, collective: str, nbytes: int | None, commutative: bool, library: bool, kept: bool = False,
        started: bool = False,
    ) -> Way:  # fmt: skip
        """`kept`: for a plan; `started`: for a call that returns before it is done."""
        call = collective, nbytes, commutative, library, kept, started
        found = self._found.get(call)
        if found is None:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            found = self._found[call] = self._find(*call)
        return found

    def _find(
        self, collective: str, nbytes: int | None, commutative: bool, library: bool, kept: bool, started: bool
    ) -> Way:
        named = self.algorithms.get(collective)
        if named is not None:
            return BY_LIBRARY if named == LIBRARY else Way(named)
        if nbytes is None and library:
            return BY_LIBRARY
        engine = "mpi" if started and "mpi" in self._world.engines else AUTO
        choice = self.choice(collective, nbytes or 0, commutative, library, not kept, engine)
        return BY_LIBRARY if choice.algorithm == LIBRARY else Way(AUTO, engine)

    def choice(
        self, collective: str, nbytes: int, commutative: bool = True, library: bool = True, once: bool = True,
        engine: str = AUTO,
    ) -> Choice:  # fmt: skip
        """What `auto` takes for data in the caller's own memory, unless some of it may be lent."""
        choice = self._world._choose(collective, nbytes, engine, library=library, commutative=commutative, once=once)
        return choice if choice.elsewhere is None or self.lent else choice.elsewhere

    def explained(self, collective: str, nbytes: int) -> Choice:
        """What a blocking call runs."""
        named = self.algorithms.get(collective)
        if named is None:
            return self.choice(collective, nbytes)
        engine = "mpi" if named == LIBRARY else self._world.engine
        name = named if isinstance(named, str) else named.name
        return Choice(collective, name, engine, "as asked for", "none")

    def told(self) -> Iterator[str]:
        """A line for each collective and range of sizes."""
        width = max(map(len, COLLECTIVES))
        for collective in COLLECTIVES:
            for number, line in enumerate(self._lines(collective)):
                yield f"{'' if number else collective:{width}}  {line}"

    def _lines(self, collective: str) -> Iterator[str]:
        if collective in self.algorithms:
            yield f"any size: {self.explained(collective, 0)}"
            return
        ranges: list[tuple[int, Choice]] = []
        sizes = [0] if collective == "barrier" else [0, *(1 << n for n in range(LARGEST.bit_length()))]
        for nbytes in sizes:
            choice = self.choice(collective, nbytes)
            if not ranges or ranges[-1][1].way != choice.way:
                ranges.append((nbytes, choice))
        for nbytes, choice in ranges:
            start = f"from {size_in_words(nbytes)}" if nbytes else "any size" if len(ranges) == 1 else "small"
            yield f"{start}: {choice}"
        if collective in UNKNOWN_TO_SOME:
            yield f"{UNKNOWN_TO_SOME[collective]}: library: not all ranks know how much it is"


UNKNOWN_TO_SOME = {"gather": "Gatherv", "scatter": "Scatterv", "alltoall": "Alltoallv"}
"""Calls whose whole size no rank knows, or the root alone."""
