"""The World: what a program sees of its ranks. The interface, and nothing behind it.

Every rank calls the same collective calls in the same order. Arrays are one-dimensional or are taken as if they were,
contiguous, of any number of elements, none included. Collectives work in place where MPI allows it.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from mpitrain.collective_calls import AlgorithmLike, Array, Collectives, Plan, Work
from mpitrain.event import Event

__all__ = ["AlgorithmLike", "Array", "Plan", "Window", "Work", "World"]


class Window:
    """Memory of every rank that all others reach, without its program taking part. `local` is this rank's own.

    An access has come to its end, here and there, once `flush` returns; until then its buffer must stay as it is.
    `offset` counts elements. What others have written this rank sees after a `flush` of its own, once it knows that
    theirs have ended: by a barrier, say.
    """

    local: Array

    def put(self, data: Array, peer: int, offset: int = 0) -> None:
        """`data` go to the peer's memory."""
        raise NotImplementedError

    def get(self, buffer: Array, peer: int, offset: int = 0) -> None:
        """`buffer` becomes what is in the peer's memory."""
        raise NotImplementedError

    def accumulate(self, data: Array, peer: int, offset: int = 0, op: Any = "sum") -> None:
        """`data` are combined into the peer's memory, element by element in one piece whoever else does so."""
        raise NotImplementedError

    def flush(self, peer: int | None = None) -> None:
        """Return once all accesses to this peer, by default to all, have ended."""
        raise NotImplementedError

    def free(self) -> None:
        """Collective. `local` is of no use afterwards."""
        raise NotImplementedError


class World(Collectives):
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
    tuning: Any  # by which `auto` chooses: a `tuning.Tuning`

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

    def window(self, count: int, dtype: Any = "float32") -> Window:
        """Memory that all ranks can put to, get from and accumulate into, zeros at first. Collective."""
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
