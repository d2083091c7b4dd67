"""What a virtual rank sees of its world: a World like any other."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count, islice
from os import environ
from typing import Any, NoReturn

import numpy as np

from mpitrain.collectives.algorithm import Algorithm, Opaque
from mpitrain.collectives.schedule import ScheduleError, Step
from mpitrain.engines.actions import Action
from mpitrain.engines.binding import Stage
from mpitrain.engines.buffers import flat
from mpitrain.engines.call import Call
from mpitrain.engines.plan import EnginePlan
from mpitrain.engines.programs import schedule_of
from mpitrain.engines.progress import mode_of
from mpitrain.engines.scheduled import ScheduledWorld
from mpitrain.engines.staged import BoundStep
from mpitrain.engines.virtual.background import BackgroundWork
from mpitrain.engines.virtual.group import Group
from mpitrain.engines.virtual.job import Job
from mpitrain.engines.virtual.messenger import VirtualMessageWork, VirtualMessenger
from mpitrain.engines.virtual.progress import POLL, VirtualProgress
from mpitrain.engines.virtual.window import VirtualWindow
from mpitrain.event import Event, Operation
from mpitrain.tuning import Choice
from mpitrain.tuning.choice import Allowed
from mpitrain.tuning.model import priced
from mpitrain.world import Array, Window, Work, World

ENGINE = "virtual"

OWN = "own"
"""What the caller's own messages have in the place of a schedule's tag."""


KEPT_STEPS = 1 << 17
"""Bound steps that the plans of one call may keep on all ranks together; a step takes about a kilobyte."""


class BoundAnew:
    """Steps that are bound again whenever they are gone through."""

    def __init__(self, bound: Callable[[], Iterator[BoundStep]]):
        self._bound = bound

    def __iter__(self) -> Iterator[BoundStep]:
        return self._bound()


class VirtualWorld(ScheduledWorld):
    """The `rank`-th of a group of the job's ranks; made alike on all of them."""

    engine = ENGINE
    engines = (ENGINE,)

    def __init__(self, job: Job, group: Group, rank: int):
        self._job, self._group, self._members, self._context = job, group, group.members, group.context
        self._rank = job.ranks[group.members[rank]]
        progress = VirtualProgress(self._rank)
        self.messenger: VirtualMessenger
        super().__init__(VirtualMessenger(self._rank, job.fabric, group.members, group.context, progress))
        self.rank, self.size = rank, len(group.members)
        self.node, self.node_rank, self.node_size, self.node_sizes, _ = group.placement(rank)
        self.tuning = group.tuning
        progress.move_by(mode_of(environ, group.several_nodes, threads=True))
        self._call_tags, self._plan_tags, self._parts = count(), count(-1, -1), count()
        if job.recorder is not None:
            self.observe(self._record)

    def start_send(self, buffer: Array, peer: int, tag: int = 0) -> Work:
        array = flat("send", buffer, written=False).view("u1")
        request = self._job.fabric.send(*self._towards(peer), (self._context, OWN, tag), array)
        return VirtualMessageWork(self.messenger, request, None)

    def start_recv(self, buffer: Array, peer: int, tag: int = 0) -> Work:
        array = flat("recv", buffer).view("u1")
        request = self._job.fabric.recv(*self._towards(peer), (self._context, OWN, tag), array)
        return VirtualMessageWork(self.messenger, request, buffer)

    def probe(self, peer: int | None = None, tag: int | None = None) -> tuple[int, int, int] | None:
        self._check_open()
        for source, context, nbytes in self._job.fabric.probe(self._rank.number):
            if context[:2] != (self._context, OWN):
                continue
            found = self._members.index(source)
            if peer in (None, found) and tag in (None, context[2]):
                return found, context[2], nbytes
        self._rank.idle(POLL)
        return None

    def window(self, count: int, dtype: Any = "float32") -> Window:
        self._check_open()
        memory = self.empty(count, dtype)
        memory[...] = 0
        window = VirtualWindow(self.messenger, (self._context, next(self._parts)), self._job.windows, memory)
        self.barrier()
        return window

    def now(self) -> float:
        return self._rank.kernel.now  # type: ignore[return-value]

    def compute(self, seconds: float | None = None, *, flops: float | None = None) -> None:
        """Lets so much time pass: seconds as they are on a rank that nothing slows down, operations at its speed."""
        if (seconds is None) is (flops is None):
            raise TypeError("compute: expected either seconds or flops")
        self._rank.compute(flops / self._rank.speed if seconds is None else seconds)  # type: ignore[operator]

    def background(self, function: Callable[[], Any]) -> Work:
        return BackgroundWork(self._rank, function)

    def split(self, color: int | None, key: int = 0) -> World | None:
        self._check_open()
        part = next(self._parts)
        table = np.zeros((self.size, 3), np.int64)
        table[self.rank] = color is not None, color or 0, key
        self.allgather(table)
        if color is None:
            return None
        chosen = [rank for rank, (takes_part, other, _) in enumerate(table.tolist()) if takes_part and other == color]
        chosen.sort(key=lambda rank: (table[rank, 2], rank))
        members = [self._members[rank] for rank in chosen]
        return VirtualWorld(self._job, self._job.group((self._context, part, color), members), chosen.index(self.rank))

    def abort(self, code: int = 1) -> NoReturn:
        self._job.kernel.stop(SystemExit(code))
        raise SystemExit(code)

    def _choose(self, collective: str, nbytes: int, engine: str = "auto", **call: bool) -> Choice:
        allowed = Allowed(
            ("mpi",), library=False, commutative=call.get("commutative", True),
            nodes_follow=self.node_sizes is not None,
            equal_blocks=call.get("equal_blocks", True) and collective == "alltoall",
        )  # fmt: skip
        choice = priced(collective, nbytes, self.tuning.place, self.node_sizes, allowed, self._group.rates)
        return choice._replace(engine=ENGINE)

    def _program(self, algorithm: Algorithm, root: int) -> Iterable[Step]:
        """Step by step, so that the programs of many ranks are never in memory as a whole."""
        schedule = schedule_of(algorithm, self.size, root)
        return schedule.algorithm(self.rank, self.size, **schedule.parameters)

    def _replayed(self, bound: Callable[[], Iterator[BoundStep]], kept: bool) -> Iterable[BoundStep]:
        """A call binds each step as it comes to it. A plan keeps them, unless all ranks' would be too many."""
        if not kept:
            return bound()
        most = KEPT_STEPS // self.size
        steps = list(islice(bound(), most + 1))
        return steps if len(steps) <= most else BoundAnew(bound)

    def _after(self, stage: Stage) -> Sequence[Action]:
        if not (stage.combined and self._rank.gamma):
            return stage.after
        return (partial(self._rank.reduce, stage.combined), *stage.after)

    def _tag(self, kept: bool) -> int:
        return next(self._plan_tags if kept else self._call_tags)

    def _engine_for(self, algorithm: Algorithm | Opaque, engine: str) -> str:
        return ENGINE

    def _opaque(self, call: Call, operation: Operation, why: str) -> EnginePlan:
        raise ScheduleError(f"no MPI library runs {call.collective} in a virtual world: name another algorithm")

    def _towards(self, peer: int) -> tuple[int, int]:
        self._check_open()
        if not 0 <= peer < self.size:
            raise ValueError(f"peer {peer}: expected a rank below {self.size}")
        return self._rank.number, self._members[peer]

    def _record(self, event: Event) -> None:
        operation = event.operation
        assert self._job.recorder is not None and event.ended is not None
        self._job.recorder.add(
            "collective", self._rank.number, event.begun, event.ended, nbytes=operation.nbytes,
            what=f"{operation.collective} {operation.algorithm}",
        )  # fmt: skip
