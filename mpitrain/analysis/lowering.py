"""Lower a schedule to shared memory: who reads and writes whose memory, in which order, and who waits for whom.

In shared memory nothing need be sent. What a message did becomes one action on the memory of two ranks, done by one of
them: the receiver *pulls*, or the sender *pushes*. Waiting takes the place of the message (`conflicts`).

    direct.allreduce on 2 ranks, rank 0's groups
    0  enters
    1  once rank 1 has entered:  tile by tile  0 += rank 1's 0, then rank 1's 0 = 0
    2  once rank 1 is done with its group 1:   leaves

- Who does it is chosen so that values are used while they are in a cache, and that work is shared (`tasks`).
- Where a step both sends and overwrites a chunk, partners would overwrite what the other is still to read (the exchange
  race). Such a message is *staged*: read to private memory, acknowledged by what follows from the conflicts, combined.
- Actions of a rank that follow each other on the same chunk are fused into a *group*: it is done tile by tile, so that
  a tile is summed and handed to all while it is in cache.

The caller takes part: its memory is its own before its rank enters, and again once the rank has left.
"""

from graphlib import CycleError
from typing import NamedTuple

from mpitrain.analysis.conflicts import Wait, least_waits
from mpitrain.analysis.replay import replay
from mpitrain.analysis.tasks import Action, Caller, Tasks
from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import Chunks, Space, scratch_chunks


class Group(NamedTuple):
    """What a rank does in one go: wait, act on tile after tile, and say so if somebody waits for it (`awaited`)."""

    waits: tuple[Wait, ...]
    actions: tuple[Action, ...]
    awaited: bool


class Lowered(NamedTuple):
    """Every rank's groups: the first is its entry and the last its leaving, without actions.

    Ranks in `kept` work in a room of their own as their output, and their caller's memory, as their input, stays as it
    is. `scratch` is how many chunks of scratch any rank uses.
    """

    groups: tuple[tuple[Group, ...], ...]
    callers: tuple[Caller, ...]
    kept: frozenset[int]
    scratch: int

    @property
    def in_step(self) -> bool:
        """Whether each rank waits for every other to get beyond its entry, so that nobody leaves before all are in."""
        everybody = set(range(len(self.groups)))
        return all(
            {wait.rank for group in own for wait in group.waits if wait.task > 0} == everybody - {rank}
            for rank, own in enumerate(self.groups)
        )


def lower(schedule: Schedule) -> Lowered:
    """All ranks' groups; a `ScheduleError` of the walk (such as a deadlock) is passed on.

    Where a step takes messages that come at very different times, ranks might wait in a circle unless its messages are
    staged; then all are. A schedule that can be walked never waits in a circle so.
    """
    try:
        return _lower(schedule, direct=True)
    except CycleError:
        return _lower(schedule, direct=False)


def _lower(schedule: Schedule, direct: bool) -> Lowered:
    tasks = Tasks(schedule, direct)
    replay(schedule, tasks)
    tasks.leave()
    groups, before = _grouped(tasks)
    waits = least_waits([[group.number for group in own] for own in groups], before)
    awaited = {wait for of_rank in waits for of_group in of_rank for wait in of_group}
    return Lowered(
        tuple(
            tuple(
                Group(wait, tuple(group.actions), Wait(rank, at) in awaited)
                for at, (group, wait) in enumerate(zip(own, waits[rank], strict=True))
            )
            for rank, own in enumerate(groups)
        ),
        tasks.callers(),
        frozenset(rank for rank in range(schedule.size) if tasks.moved[rank]),
        max(scratch_chunks(program) for program in schedule.programs),
    )


def _grouped(tasks: Tasks) -> tuple[list[list["_Growing"]], dict[int, set[int]]]:
    """Each rank's groups, and what each group, by number, must wait for.

    An action joins a group only if it brings no conflict but with entries, so that nobody is kept waiting.
    """
    groups: list[list[_Growing]] = []
    group_of: dict[int, int] = {}
    entries = set(range(tasks.schedule.size))
    for rank, own in enumerate(tasks.in_order()):
        mine: list[_Growing] = []
        for task in own:
            action = tasks.actions[task]
            others = {earlier for earlier in tasks.conflicts.before[task] if tasks.ranks[earlier] != rank}
            if action is None or not mine or others - entries - mine[-1].waits or not mine[-1].fits(action):
                mine.append(_Growing(task))
            mine[-1].waits |= others
            if action is not None:
                mine[-1].add(action)
            group_of[task] = mine[-1].number
        groups.append(mine)
    before: dict[int, set[int]] = {}
    for task, earlier in tasks.conflicts.before.items():
        before.setdefault(group_of[task], set()).update({group_of[other] for other in earlier} - {group_of[task]})
    return groups, before


class _Growing:
    """A group that actions may still join: for tiles to go through them in turn, they share memory exactly or not."""

    def __init__(self, number: int):
        self.number = number
        self.actions: list[Action] = []
        self.waits: set[int] = set()
        self._touched: dict[tuple[int, Space], set[Chunks]] = {}

    def fits(self, action: Action) -> bool:
        """Whether it shares memory with the group. Not the second half of a staged message: it must wait."""
        if action.source.staged is not None:
            return False
        shares = False
        for rank, chunks in _in_shared_memory(action):
            for other in self._touched.get((rank, chunks.space), ()):
                if other == chunks:
                    shares = True
                elif other.overlaps(chunks):
                    return False
        return shares

    def add(self, action: Action) -> None:
        self.actions.append(action)
        for rank, chunks in _in_shared_memory(action):
            self._touched.setdefault((rank, chunks.space), set()).add(chunks)


def _in_shared_memory(action: Action) -> list[tuple[int, Chunks]]:
    return [(place.rank, place.chunks) for place in (action.source, action.target) if place.staged is None]
