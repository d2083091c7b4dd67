"""Run a program on virtual ranks: `mpitrain.virtual.run(main, ranks=64)` calls `main(world)` for each.

every rank      a task, which runs its program until it must wait
the clock       moves on from event to event; what takes time is what the network says, and what the program
                says by `world.compute`; nothing is ever measured
the end         when all programs have ended, one has failed, or none can move any more
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from greenlet import GreenletExit

from mpitrain.engines.virtual.deadlock import report
from mpitrain.engines.virtual.job import Job
from mpitrain.engines.virtual.kernel import RankCrashed, Task
from mpitrain.engines.virtual.rank import Rank
from mpitrain.engines.virtual.recorder import Recorder
from mpitrain.engines.virtual.world import VirtualWorld
from mpitrain.errors import Deadlock
from mpitrain.event import Activity
from mpitrain.network import Network, read
from mpitrain.world import World


@dataclass
class Outcome:
    """What came of a run: what `main` returned on every rank, and when the last rank was done, in virtual seconds.

    `crashed` has the ranks that a fault ended, and when; their results are None. `activities` are there if the run was
    traced. `host_seconds` is what the run really took.
    """

    results: list[Any]
    seconds: float = 0.0
    messages: int = 0
    nbytes: int = 0
    events: int = 0
    host_seconds: float = 0.0
    crashed: dict[int, float] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{len(self.results)} virtual ranks, {self.seconds:.6g} s of virtual time: {self.messages:,} messages of "
            f"{self.nbytes:,} bytes, {self.events:,} events in {self.host_seconds:.2f} s "
            f"({self.events / max(self.host_seconds, 1e-9):,.0f} a second)"
        )


def run(
    main: Callable[[World], Any],
    ranks: int = 64,
    network: Network | str = "flat",
    seed: int = 0,
    trace: bool = False,
) -> Outcome:
    """Call `main(world)` on so many virtual ranks, and wait for their ends.

    `network`: a `Network`, a TOML file, or the name of a preset. One `seed` gives one run: it decides which of two
    things at one time comes first, and how slow stragglers are when. With `trace` the outcome has all that the ranks
    did, to be written by `mpitrain.virtual.write_trace`.

    An exception that `main` does not catch ends the run and is raised, with a note on which rank it was. `Deadlock`
    tells what every rank waits for, where. `ValueError` if the network has no room for the ranks.
    """
    if ranks < 1:
        raise ValueError(f"{ranks} ranks: expected 1 or more")
    if not isinstance(network, Network):
        network = read(network)
    started = time.perf_counter()
    job = Job(ranks, network, seed, Recorder() if trace else None)
    outcome = Outcome([None] * ranks)
    mains = [rank.spawn(_program(main, job, rank, outcome)) for rank in job.ranks]
    try:
        job.kernel.run()
        _check_all_ended(job, mains)
    finally:
        job.close()
    outcome.messages, outcome.nbytes = job.fabric.messages, job.fabric.nbytes
    outcome.events, outcome.host_seconds = job.kernel.events, time.perf_counter() - started
    if job.recorder is not None:
        outcome.activities = job.recorder.activities
    return outcome


def _program(main: Callable[[World], Any], job: Job, rank: Rank, outcome: Outcome) -> Callable[[], None]:
    everybody = job.group("everybody", range(len(job.ranks)))

    def program() -> None:
        try:
            outcome.results[rank.number] = main(VirtualWorld(job, everybody, rank.number))
            outcome.seconds = max(outcome.seconds, job.kernel.now)  # type: ignore[assignment]
        except RankCrashed:
            outcome.crashed[rank.number] = rank.crashed  # type: ignore[assignment]
            raise
        except GreenletExit:
            raise
        except BaseException as error:
            error.add_note(f"on virtual rank {rank.number} of {len(job.ranks)}, at {float(job.kernel.now):g} s")
            job.kernel.stop(error)

    return program


def _check_all_ended(job: Job, mains: list[Task]) -> None:
    waiting = {task.rank: task for task in mains if not task.ended}
    if waiting:
        raise Deadlock(report(job.ranks, waiting, job.faults))
