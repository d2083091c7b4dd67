"""A world of one, without MPI: every schedule of size 1 is local."""

import time
from collections.abc import Callable
from typing import Any, NoReturn

from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.binding import Stage
from mpitrain.engines.call import Call
from mpitrain.engines.local_window import LocalWindow
from mpitrain.engines.progress import Progress
from mpitrain.engines.scheduled import ScheduledWorld
from mpitrain.engines.staged import Requests, StagedPlan, StagedWork
from mpitrain.engines.threads import ThreadWork
from mpitrain.event import Operation
from mpitrain.tuning import Choice, Place, Tuning, choose
from mpitrain.world import AlgorithmLike, Window, World


class NoMessages:
    """The messenger of a world in which nobody else is."""

    def __init__(self, progress: Progress):
        self.progress = progress

    def prepare(self, stage: Stage, tag: int, kept: bool) -> NoReturn:
        raise AssertionError("a program of size 1 sends nothing")

    def test(self, requests: Requests) -> bool:
        return True

    def wait(self, requests: Requests, work: StagedWork | None) -> None:
        pass

    def pause(self, work: StagedWork) -> None:
        pass


class SoloWorld(ScheduledWorld):
    """What `mpitrain.init()` gives a process that no launcher started."""

    rank, size = 0, 1
    node, node_rank, node_size = 0, 0, 1
    engine = "solo"
    engines = (engine,)
    tuning = Tuning(Place("none", ranks=1, nodes=1, ranks_per_node=1, crowded=False))

    def __init__(self) -> None:
        super().__init__(NoMessages(Progress(time.perf_counter)))

    def barrier(self, *, algorithm: AlgorithmLike = "auto") -> None:
        pass

    def window(self, count: int, dtype: Any = "float32") -> Window:
        self._check_open()
        memory = self.empty(count, dtype)
        memory[...] = 0
        return LocalWindow(memory)

    def now(self) -> float:
        return time.perf_counter()

    def background(self, function: Callable[[], Any]) -> ThreadWork:
        return ThreadWork(function)

    def split(self, color: int | None, key: int = 0) -> World | None:
        return None if color is None else SoloWorld()

    def _choose(self, collective: str, nbytes: int, engine: str = "auto", **call: bool) -> Choice:
        choice = choose(collective, nbytes, self.tuning, engines=("mpi",), **call | {"library": False, "once": False})
        return choice._replace(engine=self.engine, runner_up="none")

    def _tag(self, kept: bool) -> int:
        return 0

    def _opaque(self, call: Call, operation: Operation, why: str) -> StagedPlan:
        raise ScheduleError(f"no MPI library runs {call.collective} in a world of one without MPI: use engine mpi")
