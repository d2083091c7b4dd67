"""Ranks whose devices know nothing of each other: what lies on them goes through the host (`pinned`)."""

from functools import partial
from types import ModuleType
from typing import Any

from mpitrain.engines.buffers import Counts
from mpitrain.engines.call import Call
from mpitrain.engines.device_work import Lane, StreamWork
from mpitrain.engines.pinned import Piece, PinnedPlan, goes_down, goes_up, pinned
from mpitrain.engines.progress import LAYERS, Observer, Progress
from mpitrain.engines.scheduled import BY_ELEMENT
from mpitrain.event import Operation
from mpitrain.tuning import Choice
from mpitrain.world import AlgorithmLike, Array, Plan, World

STAGED = "staged"

PIECE = 4 << 20
"""Bytes. A copy of that length runs at full speed, and takes a part of what its travel among ranks does."""


class PinnedWorld(World):
    """The ranks of `host`, a world of its own, for arrays of their devices (`xp`). Collective to make and close."""

    engine = STAGED

    def __init__(self, host: World, xp: ModuleType, piece_bytes: int = PIECE):
        self.host, self.xp, self.piece_bytes = host, xp, piece_bytes
        self.rank, self.size, self.tuning, self.engines = host.rank, host.size, host.tuning, host.engines
        self.progress = Progress(host.now)
        self.progress.move_by(LAYERS)
        self.lane = Lane(xp, self.progress)
        self._rising = xp.cuda.Stream(non_blocking=True)
        self._plans: list[PinnedPlan] = []
        self.closed = False

    def close(self) -> None:
        if not self.closed:
            self.settle()
            for plan in self._plans:
                if not plan.freed:
                    plan.free()
            self._plans, self.closed = [], True
            self.host.close()

    def set_out(self) -> None:
        """Return once what was started needs the host no more."""
        for work in tuple(self.progress.under_way):
            if isinstance(work, StreamWork):
                work.set_out()

    def settle(self) -> None:
        """Return once everything that was started is done, on the device too."""
        for work in tuple(self.progress.under_way):
            if isinstance(work, StreamWork):
                work.settle()

    def observe(self, observer: Observer) -> None:
        self.progress.observers.append(observer)

    def move_on(self) -> None:
        self.progress.between_layers()
        self.host.move_on()

    def explain(self, collective: str, nbytes: int) -> Choice:
        choice: Choice = self.host.explain(collective, min(nbytes, self.piece_bytes))
        return choice._replace(reason=f"{choice.reason}; {self._through(collective, nbytes)}")

    def _through(self, collective: str, nbytes: int) -> str:
        pieces = -(-nbytes // self.piece_bytes) if collective in BY_ELEMENT and nbytes else 1
        return f"through pinned memory, in {pieces} piece{'s' if pieces > 1 else ''}"

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
    ) -> PinnedPlan:
        if self.closed:
            raise ValueError("this world is closed: expected calls before close() only")
        call = Call(collective, self.rank, self.size, buffer, op, root, counts, received, received_counts)
        bind = partial(
            self.host._bound, collective, algorithm=algorithm, op=call.op, root=root, counts=counts, kept=kept,
            engine=engine,
        )  # fmt: skip
        given = pinned(self.lane, call.array)
        if not call.kind.in_place:
            room = pinned(self.lane, call.received)
            plan = bind(given.host, received=room.host, received_counts=received_counts)
            pieces = [Piece(goes_down(call, given), plan, goes_up(call, room))]
        else:
            whole = call.array.size
            step = max(1, self.piece_bytes // call.dtype.itemsize) if collective in BY_ELEMENT else max(whole, 1)
            parts = [given.part(slice(start, start + step)) for start in range(0, max(whole, 1), step)]
            pieces = [Piece(goes_down(call, part), bind(part.host), goes_up(call, part)) for part in parts]
        first: Plan = pieces[0].plan
        operation = Operation(
            collective, first.algorithm, f"{STAGED}, {first.engine}", call.op.name if call.reduces else None,
            call.dtype.name, call.count, call.nbytes,
        )  # fmt: skip
        why = f"{first.why}; {self._through(collective, call.nbytes)}"
        made = PinnedPlan(self.lane, self._rising, pieces, operation, why, call.result)
        if kept:
            self._plans = [other for other in self._plans if not other.freed] + [made]
        return made
