"""Run the calls of one communicator that our engines make."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mpitrain.collectives.algorithm import Opaque
from mpitrain.collectives.catalogue import LIBRARY, find
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.communicator.choices import BY_LIBRARY, Choices, Way
from mpitrain.communicator.describe import Describe, Description, Place
from mpitrain.communicator.own_counts import own_counts_suffice
from mpitrain.communicator.requests import CollectivePrequest, CollectiveRequest, Pending
from mpitrain.engines.mpi import MPIWorld
from mpitrain.engines.scheduled import SHARED
from mpitrain.engines.start import MPI
from mpitrain.world import AlgorithmLike


class Calls:
    """Collective to make, and to close."""

    def __init__(self, comm: MPI.Intracomm, algorithms: dict[str, AlgorithmLike], engine: str):
        self.world = world = MPIWorld(comm, engine=engine)
        self.choices = Choices(world, algorithms)
        self._place = Place(world.rank, world.size, comm)
        self._pending = Pending(world)
        if SHARED in world.engines and (engine == SHARED or set(algorithms.values()) - {LIBRARY}):
            _ = world.shared  # made now, since a nonblocking call must not wait for other ranks

    def described(self, describe: Describe, args: Any, named: Any) -> Description:
        """An error that is MPI's goes to the communicator's error handler first."""
        try:
            return describe(self._place, *args, **named)
        except Exception as error:
            if self.world.check is not None:
                self.world.check.failed(describe.__name__, error)
            if isinstance(error, MPI.Exception):
                self._place.comm.Call_errhandler(error.Get_error_code())
            raise

    def by_library(self, description: Description, kept: bool = False, started: bool = False) -> bool:
        """Whether mpi4py's own method is to make this call."""
        if self._way(description, kept, started) is not BY_LIBRARY:
            return False
        world = self.world
        if world.check is not None:
            world.check.agree(description.collective, {"nbytes": description.nbytes, "algorithm": LIBRARY})
        return True

    def run(self, description: Description) -> None:
        way, bound = self._way(description), description.bind()
        counts = self._told(description)
        for action in bound.before:
            action()
        self.world._run(
            description.collective, bound.buffer, way.algorithm, _op(description), description.root, counts,
            bound.received, description.received_counts,
        )  # fmt: skip
        for action in bound.after:
            action()

    def start(self, description: Description) -> CollectiveRequest:
        way, bound = self._way(description, started=True), description.bind()
        counts = description.counts
        if description.nbytes is None:
            way = self._where_own_counts_suffice(description, way)
            counts = self._own_counts(description, bound.buffer if bound.received is None else bound.received)
        with self._agreed(description):
            plan = self.world._bound(
                description.collective, bound.buffer, way.algorithm, _op(description), description.root, counts,
                bound.received, description.received_counts, engine=way.engine,
            )  # fmt: skip
            return CollectiveRequest(self._pending.start(plan, bound))

    def keep(self, description: Description) -> CollectivePrequest:
        way, bound = self._way(description, kept=True), description.bind()
        counts = self._told(description)
        plan = self.world._bound(
            description.collective, bound.buffer, way.algorithm, _op(description), description.root, counts,
            bound.received, description.received_counts, kept=True,
        )  # fmt: skip
        return CollectivePrequest(self._pending, plan, bound)

    def empty(self, count: int, dtype: Any) -> np.ndarray:
        self.choices.lend()
        return self.world.empty(count, dtype)

    def close(self) -> None:
        self.world.close()

    @contextmanager
    def _agreed(self, description: Description) -> Iterator[None]:
        """Counts of which each rank knows its own are left out where checked mode compares the ranks' calls."""
        check = self.world.check
        if check is None or description.nbytes is not None:
            yield
            return
        check.agree(description.collective, {"root": description.root})
        self.world.check = None
        try:
            yield
        finally:
            self.world.check = check

    def _way(self, description: Description, kept: bool = False, started: bool = False) -> Way:
        return self.choices.way(
            description.collective, description.nbytes, description.commutative, description.library, kept, started
        )

    def _told(self, description: Description) -> list[int] | None:
        """The blocks' lengths; those that the root alone knows, once it has told them. Collective then."""
        if description.nbytes is not None or description.received_counts is not None:
            return description.counts
        counts = np.array(description.counts or [0] * self._place.size, np.int64)
        self._place.comm.Bcast(counts, description.root)
        return counts.tolist()

    def _where_own_counts_suffice(self, description: Description, way: Way) -> Way:
        """A nonblocking call cannot first ask the others for their counts."""
        named = way.algorithm
        found = find(description.collective, named) if isinstance(named, str) else named
        place, root = self._place, description.root
        if (
            "mpi" not in self.world.engines
            or isinstance(found, Opaque)
            or not own_counts_suffice(found, place.rank, place.size, root)
        ):
            raise ScheduleError(
                f"{found} by a nonblocking call needs all ranks' counts, which not all ranks know: expected the "
                f"blocking or the persistent call, or another algorithm"
            )
        return way._replace(engine="mpi")

    def _own_counts(self, description: Description, own: np.ndarray | None) -> list[int]:
        if description.counts is not None:
            return description.counts
        counts = [0] * self._place.size
        counts[self._place.rank] = 0 if own is None else own.size
        return counts


def _op(description: Description) -> Any:
    return "sum" if description.combination is None else description.combination.op
