"""The collective calls of a world, and what they give back: the interface, and nothing behind it.

`op` is "sum", "prod", "min", "max", "mean" (floats), an `Op`, or a function of (left, right) that need not commute.
`counts` gives every rank's block, alike on all ranks. `algorithm` is a name of the catalogue, such as "ring" or
"chain(segments=16)", "auto", "library", or an algorithm of one's own. Calls that start and do not wait return a `Work`;
the buffers belong to it until it is done.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

from mpitrain.collectives.algorithm import Algorithm
from mpitrain.event import Event

Counts = Sequence[int] | None

Array = Any
"""A NumPy array, or whatever offers the buffer protocol, `__array_interface__` or DLPack over host memory."""


AlgorithmLike = str | Algorithm
"""A name of the catalogue, "auto", "library", or an algorithm of one's own."""


class Work:
    """Something under way. `event` is its record, if it is a collective."""

    event: Event | None = None

    def test(self) -> bool:
        """Move it on as far as it goes without waiting; whether it is done."""
        raise NotImplementedError

    def wait(self) -> Array:
        """Wait until it is done; its result."""
        raise NotImplementedError


class Plan:
    """A collective bound to its memory, to be run many times. Collective to make, run and free."""

    algorithm: str
    engine: str
    why: str  # the reason why this algorithm was taken

    def start(self) -> Work:
        """Begin; the memory belongs to the plan until the work is done."""
        raise NotImplementedError

    def run(self) -> Array:
        """Begin and wait; the result."""
        return self.start().wait()

    def free(self) -> None:
        """Give back what MPI holds for it. Using it afterwards is an error."""
        raise NotImplementedError


class Collectives:
    """Every rank calls the same calls in the same order, in place where MPI allows it."""

    def allreduce(self, buffer: Array, op: Any = "sum", *, algorithm: AlgorithmLike = "auto") -> Array:
        """Every rank's `buffer` becomes the combination of all; returns it."""
        return self._run("allreduce", buffer, algorithm, op)

    def start_allreduce(self, buffer: Array, op: Any = "sum", *, algorithm: AlgorithmLike = "auto") -> Work:
        return self._bound("allreduce", buffer, algorithm, op).start()

    def reduce(
        self, buffer: Array, op: Any = "sum", root: int = 0, *, algorithm: AlgorithmLike = "auto"
    ) -> Array | None:
        """The root's `buffer` becomes the combination of all; returns it there, None elsewhere."""
        return self._run("reduce", buffer, algorithm, op, root)

    def start_reduce(self, buffer: Array, op: Any = "sum", root: int = 0, *, algorithm: AlgorithmLike = "auto") -> Work:
        return self._bound("reduce", buffer, algorithm, op, root).start()

    def bcast(self, buffer: Array, root: int = 0, *, algorithm: AlgorithmLike = "auto") -> Array:
        """Every rank's `buffer` becomes the root's; returns it."""
        return self._run("bcast", buffer, algorithm, root=root)

    def start_bcast(self, buffer: Array, root: int = 0, *, algorithm: AlgorithmLike = "auto") -> Work:
        return self._bound("bcast", buffer, algorithm, root=root).start()

    def reduce_scatter(
        self, buffer: Array, op: Any = "sum", counts: Counts = None, *, algorithm: AlgorithmLike = "auto"
    ) -> Array:
        """Returns this rank's block of `buffer`, combined over all ranks. The other blocks hold nothing of use then."""
        return self._run("reduce_scatter", buffer, algorithm, op, counts=counts)

    def start_reduce_scatter(
        self, buffer: Array, op: Any = "sum", counts: Counts = None, *, algorithm: AlgorithmLike = "auto"
    ) -> Work:
        return self._bound("reduce_scatter", buffer, algorithm, op, counts=counts).start()

    def allgather(self, buffer: Array, counts: Counts = None, *, algorithm: AlgorithmLike = "auto") -> Array:
        """`buffer` holds this rank's block in its place; all ranks' blocks arrive in theirs. Returns `buffer`."""
        return self._run("allgather", buffer, algorithm, counts=counts)

    def start_allgather(self, buffer: Array, counts: Counts = None, *, algorithm: AlgorithmLike = "auto") -> Work:
        return self._bound("allgather", buffer, algorithm, counts=counts).start()

    def gather(
        self,
        buffer: Array,
        received: Array | None = None,
        root: int = 0,
        counts: Counts = None,
        *,
        algorithm: AlgorithmLike = "auto",
    ) -> Array | None:
        """`buffer` is this rank's block; the root gets all of them in rank order, in `received` if it brings that.

        Returns them there, None elsewhere. The root's own block may be the part of `received` in which it ends.
        """
        return self._run("gather", buffer, algorithm, root=root, counts=counts, received=received)

    def start_gather(
        self,
        buffer: Array,
        received: Array | None = None,
        root: int = 0,
        counts: Counts = None,
        *,
        algorithm: AlgorithmLike = "auto",
    ) -> Work:
        return self._bound("gather", buffer, algorithm, root=root, counts=counts, received=received).start()

    def scatter(
        self,
        buffer: Array | None,
        received: Array,
        root: int = 0,
        counts: Counts = None,
        *,
        algorithm: AlgorithmLike = "auto",
    ) -> Array:
        """The root's `buffer` holds all ranks' blocks; each arrives in its rank's `received`, which is returned."""
        return self._run("scatter", buffer, algorithm, root=root, counts=counts, received=received)

    def start_scatter(
        self,
        buffer: Array | None,
        received: Array,
        root: int = 0,
        counts: Counts = None,
        *,
        algorithm: AlgorithmLike = "auto",
    ) -> Work:
        return self._bound("scatter", buffer, algorithm, root=root, counts=counts, received=received).start()

    def alltoall(
        self,
        buffer: Array,
        received: Array | None = None,
        counts: Counts = None,
        received_counts: Counts = None,
        *,
        algorithm: AlgorithmLike = "auto",
    ) -> Array:
        """Block d of `buffer` goes to rank d; block s of the result, `received` if given, comes from rank s.

        Blocks are equal, or as long as this rank's `counts` (given) and `received_counts` say.
        """
        return self._run(
            "alltoall", buffer, algorithm, counts=counts, received=received, received_counts=received_counts
        )

    def start_alltoall(
        self,
        buffer: Array,
        received: Array | None = None,
        counts: Counts = None,
        received_counts: Counts = None,
        *,
        algorithm: AlgorithmLike = "auto",
    ) -> Work:
        return self._bound(
            "alltoall", buffer, algorithm, counts=counts, received=received, received_counts=received_counts
        ).start()

    def scan(self, buffer: Array, op: Any = "sum", *, algorithm: AlgorithmLike = "auto") -> Array:
        """`buffer` becomes the combination of all ranks' up to this one, in rank order."""
        return self._run("scan", buffer, algorithm, op)

    def start_scan(self, buffer: Array, op: Any = "sum", *, algorithm: AlgorithmLike = "auto") -> Work:
        return self._bound("scan", buffer, algorithm, op).start()

    def exscan(self, buffer: Array, op: Any = "sum", *, algorithm: AlgorithmLike = "auto") -> Array:
        """`buffer` becomes the combination of all lower ranks', in rank order; rank 0's is not defined."""
        return self._run("exscan", buffer, algorithm, op)

    def start_exscan(self, buffer: Array, op: Any = "sum", *, algorithm: AlgorithmLike = "auto") -> Work:
        return self._bound("exscan", buffer, algorithm, op).start()

    def barrier(self, *, algorithm: AlgorithmLike = "auto") -> None:
        """Returns once every rank has called it."""
        self._run("barrier", None, algorithm)

    def start_barrier(self, *, algorithm: AlgorithmLike = "auto") -> Work:
        return self._bound("barrier", None, algorithm).start()

    def plan(
        self,
        collective: str,
        buffer: Array,
        *,
        algorithm: AlgorithmLike = "auto",
        op: Any = "sum",
        root: int = 0,
        counts: Counts = None,
        received: Array | None = None,
        received_counts: Counts = None,
        engine: str = "auto",
    ) -> Plan:
        """Bind a collective to `buffer`, to run it many times. Collective. `engine` insists on "mpi" or "shared".

        `received` is where the result of a gather, scatter or alltoall arrives.
        """
        return self._bound(
            collective, buffer, algorithm, op, root, counts, received, received_counts, kept=True, engine=engine
        )

    def _run(self, collective: str, buffer: Array | None, algorithm: AlgorithmLike, *rest: Any, **others: Any) -> Any:
        """Bind and run once; the arguments are those of `_bound`."""
        return self._bound(collective, buffer, algorithm, *rest, **others).run()

    def _bound(
        self,
        collective: str,
        buffer: Array | None,
        algorithm: AlgorithmLike,
        op: Any = "sum",
        root: int = 0,
        counts: Counts = None,
        received: Array | None = None,
        received_counts: Counts = None,
        kept: bool = False,
        engine: str = "auto",
    ) -> Plan:
        """Any of the collectives above, bound to its memory: to run once, or many times if it is `kept`."""
        self._not_there_yet(collective)

    def _not_there_yet(self, call: str) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__}.{call} is not there yet in this version of mpitrain")
