"""The World: what a program sees of its ranks. The interface, and nothing behind it.

Every rank calls the same collective calls in the same order. Arrays are one-dimensional or are taken as if they were,
contiguous, of any number of elements, none included. Collectives work in place where MPI allows it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from mpitrain.collectives.algorithm import Algorithm
from mpitrain.event import Event

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


class World:
    """A set of ranks that talk to each other. All calls come from one thread; other threads have `background` for work.

    `node` numbers the hosts, `node_rank` and `node_size` place this rank on its own. With MPITRAIN_RANKS_PER_NODE=k,
    k consecutive ranks make believe that they are a host, to try hierarchical code on one.
    """

    rank: int
    size: int
    node: int
    node_rank: int
    node_size: int
    engine: str
    engines: tuple[str, ...]  # that a plan may ask for, the best first

    # Collectives. `op` is "sum", "prod", "min", "max", "mean" (floats), an `Op`, or a function of (left, right) that
    # need not commute. `counts` gives every rank's block. Those that start and do not wait return a `Work`; the buffer
    # belongs to it until it is done.

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
        self, buffer: Array, op: Any = "sum", counts: Sequence[int] | None = None, *, algorithm: AlgorithmLike = "auto"
    ) -> Array:
        """Returns this rank's block of `buffer`, combined over all ranks. The other blocks hold nothing of use then."""
        return self._run("reduce_scatter", buffer, algorithm, op, counts=counts)

    def start_reduce_scatter(
        self, buffer: Array, op: Any = "sum", counts: Sequence[int] | None = None, *, algorithm: AlgorithmLike = "auto"
    ) -> Work:
        return self._bound("reduce_scatter", buffer, algorithm, op, counts=counts).start()

    def allgather(
        self, buffer: Array, counts: Sequence[int] | None = None, *, algorithm: AlgorithmLike = "auto"
    ) -> Array:
        """`buffer` holds this rank's block in its place; all ranks' blocks arrive in theirs. Returns `buffer`."""
        return self._run("allgather", buffer, algorithm, counts=counts)

    def start_allgather(
        self, buffer: Array, counts: Sequence[int] | None = None, *, algorithm: AlgorithmLike = "auto"
    ) -> Work:
        return self._bound("allgather", buffer, algorithm, counts=counts).start()

    def alltoall(self, send: Array, recv: Array | None = None, *, algorithm: AlgorithmLike = "auto") -> Array:
        """Block d of `send` goes to rank d; block s of the result, `recv` if given, comes from rank s. Equal blocks."""
        return self._run("alltoall", send, algorithm, received=recv)

    def start_alltoall(self, send: Array, recv: Array | None = None, *, algorithm: AlgorithmLike = "auto") -> Work:
        return self._bound("alltoall", send, algorithm, received=recv).start()

    def exscan(self, buffer: Array, op: Any = "sum", *, algorithm: AlgorithmLike = "auto") -> Array:
        """`buffer` becomes the combination of all lower ranks', in rank order; rank 0's is not defined."""
        return self._run("exscan", buffer, algorithm, op)

    def start_exscan(self, buffer: Array, op: Any = "sum", *, algorithm: AlgorithmLike = "auto") -> Work:
        return self._bound("exscan", buffer, algorithm, op).start()

    def gather(
        self, buffer: Array, root: int = 0, counts: Sequence[int] | None = None, *, algorithm: AlgorithmLike = "auto"
    ) -> Array | None:
        """The root gets all ranks' blocks, one after the other."""
        return self.start_gather(buffer, root, counts, algorithm=algorithm).wait()

    def start_gather(
        self, buffer: Array, root: int = 0, counts: Sequence[int] | None = None, *, algorithm: AlgorithmLike = "auto"
    ) -> Work:
        self._not_there_yet("gather")

    def scatter(
        self, buffer: Array, root: int = 0, counts: Sequence[int] | None = None, *, algorithm: AlgorithmLike = "auto"
    ) -> Array:
        """Every rank gets its block of the root's buffer."""
        return self.start_scatter(buffer, root, counts, algorithm=algorithm).wait()

    def start_scatter(
        self, buffer: Array, root: int = 0, counts: Sequence[int] | None = None, *, algorithm: AlgorithmLike = "auto"
    ) -> Work:
        self._not_there_yet("scatter")

    def scan(self, buffer: Array, op: Any = "sum", *, algorithm: AlgorithmLike = "auto") -> Array:
        """`buffer` becomes the combination of all ranks' up to this one, in rank order."""
        return self.start_scan(buffer, op, algorithm=algorithm).wait()

    def start_scan(self, buffer: Array, op: Any = "sum", *, algorithm: AlgorithmLike = "auto") -> Work:
        self._not_there_yet("scan")

    def barrier(self) -> None:
        """Returns once every rank has called it."""
        self.start_barrier().wait()

    def start_barrier(self) -> Work:
        self._not_there_yet("start_barrier")

    def plan(
        self,
        collective: str,
        buffer: Array,
        *,
        algorithm: AlgorithmLike = "auto",
        op: Any = "sum",
        root: int = 0,
        counts: Sequence[int] | None = None,
        engine: str = "auto",
    ) -> Plan:
        """Bind a collective to `buffer`, to run it many times. Collective. `engine` insists on "mpi" or "shared"."""
        return self._bound(collective, buffer, algorithm, op, root, counts, kept=True, engine=engine)

    def observe(self, observer: Callable[[Event], None]) -> None:
        """From now on `observer` hears of every collective of this rank, as it ends, in the thread in which it ends:
        the calling one, or one that moves works on meanwhile."""
        self._not_there_yet("observe")

    def explain(self, collective: str, nbytes: int) -> Any:
        """Which algorithm and engine `auto` takes, why, and the runner-up: a `tuning.Choice`."""
        self._not_there_yet("explain")

    # Point to point. `tag` separates conversations; messages with one tag arrive in the order in which they were sent.

    def send(self, buffer: Array, peer: int, tag: int = 0) -> None:
        """Returns once `buffer` may be used again."""
        self.start_send(buffer, peer, tag).wait()

    def recv(self, buffer: Array, peer: int, tag: int = 0) -> Array:
        """Returns `buffer` once a message of at most its size from `peer` is in it."""
        return self.start_recv(buffer, peer, tag).wait()

    def start_send(self, buffer: Array, peer: int, tag: int = 0) -> Work:
        self._not_there_yet("start_send")

    def start_recv(self, buffer: Array, peer: int, tag: int = 0) -> Work:
        self._not_there_yet("start_recv")

    def probe(self, peer: int | None = None, tag: int | None = None) -> tuple[int, int, int] | None:
        """(peer, tag, nbytes) of a message that could be received now, None if there is none."""
        self._not_there_yet("probe")

    def window(self, count: int, dtype: Any = "float32") -> Any:
        """Memory that all ranks can put to, get from and accumulate into. Collective."""
        self._not_there_yet("window")

    # Memory, time, threads, life.

    def empty(self, count: int, dtype: Any = "float32") -> Array:
        """Memory that suits this world's engine, not initialised. Collective; freed by `close` only."""
        self._not_there_yet("empty")

    def now(self) -> float:
        """Seconds on a clock that all ranks share."""
        self._not_there_yet("now")

    def compute(self, seconds: float | None = None, *, flops: float | None = None) -> None:
        """Say that this much work was done: charged on a virtual clock; a real world's time passes by itself."""

    def move_on(self) -> None:
        """Between two parts of a computation: what was started moves on as far as it goes without waiting. Costs next
        to nothing where nothing is under way, or where a thread moves it on by itself."""

    def background(self, function: Callable[[], Any]) -> Work:
        """Run `function` beside the program; the work's result is what it returns."""
        self._not_there_yet("background")

    def split(self, color: int | None, key: int = 0) -> "World | None":
        """A world for each color, ranks ordered by (key, rank); None where color is None. Collective."""
        self._not_there_yet("split")

    def close(self) -> None:
        """Free plans, memory and communicators. Collective; a second call does nothing."""
        self._not_there_yet("close")

    def abort(self, code: int = 1) -> NoReturn:
        """End the whole job now, on all ranks."""
        raise SystemExit(code)

    def __enter__(self) -> "World":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()

    def _run(self, collective: str, buffer: Array, algorithm: AlgorithmLike, *rest: Any, **others: Any) -> Any:
        """Bind and run once; the arguments are those of `_bound`."""
        return self._bound(collective, buffer, algorithm, *rest, **others).run()

    def _bound(
        self,
        collective: str,
        buffer: Array,
        algorithm: AlgorithmLike,
        op: Any = "sum",
        root: int = 0,
        counts: Sequence[int] | None = None,
        received: Array | None = None,
        kept: bool = False,
        engine: str = "auto",
    ) -> Plan:
        """Any of the collectives above, bound to its memory: to run once, or many times if it is `kept`."""
        self._not_there_yet(collective)

    def _not_there_yet(self, call: str) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__}.{call} is not there yet in this version of mpitrain")
