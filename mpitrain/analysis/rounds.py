"""When each step ends, if every step takes as long as any other: the rounds of a schedule."""

from collections.abc import Sequence

from mpitrain.analysis.replay import replay
from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import Step


def rounds(schedule: Schedule) -> int:
    """The number of steps that must follow each other."""
    return max((ended[-1] for ended in rounds_of_steps(schedule) if ended), default=0)


def rounds_of_steps(schedule: Schedule) -> list[list[int]]:
    """For each rank, for each of its steps: the round in which it ends, counted from 1. Local steps take no time."""
    reading = _Rounds(schedule.size)
    replay(schedule, reading)
    return reading.ended


class _Rounds:
    def __init__(self, size: int):
        self.ended: list[list[int]] = [[] for _ in range(size)]

    def _now(self, rank: int) -> int:
        return self.ended[rank][-1] if self.ended[rank] else 0

    def begin(self, rank: int, number: int, step: Step) -> Sequence[int]:
        return [self._now(rank) + 1] * len(step.send)

    def end(self, rank: int, number: int, step: Step, arrived: Sequence[int]) -> None:
        self.ended[rank].append(max([self._now(rank) + bool(step.send or step.recv), *arrived]))
