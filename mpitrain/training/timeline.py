"""Where the time goes: computing, communicating, or waiting for the slowest rank.

In an exchange nobody can be done before the last rank has arrived. So a rank waits from its own arrival until the last
one's, and communicates from then until the exchange ends; all ranks read one clock (`World.now`). The arrivals are
compared once an epoch, so that this costs one small message in hundreds of steps.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mpitrain.parallel.rows import rows
from mpitrain.training.trainer import StepDone
from mpitrain.world import World


class Shares(NamedTuple):
    """Seconds, mean over ranks; `slowest` is the rank that the others waited for longest."""

    computing: float
    communicating: float
    waiting: float
    slowest: int

    @property
    def communication_share(self) -> float:
        """Communicating and waiting, of all."""
        total = self.computing + self.communicating + self.waiting
        return (self.communicating + self.waiting) / total if total else 0.0


class Timeline:
    """Collects steps, and resolves them into shares."""

    def __init__(self, world: World):
        self.world = world
        self.step_seconds: list[float] = []
        self.samples = 0
        self._open: list[StepDone] = []
        self._totals = np.zeros((3, world.size))

    def add(self, done: StepDone) -> None:
        self._open.append(done)
        self.step_seconds.append(done.ended - done.begun)
        self.samples += done.samples

    def resolve(self) -> Shares:
        """Shares of the steps added since the last call. Collective."""
        shares = self._gather(self._open)
        self._totals += shares
        self._open = []
        return _summed(shares)

    @property
    def total(self) -> Shares:
        """Shares of all resolved steps."""
        return _summed(self._totals)

    def _gather(self, steps: list[StepDone]) -> np.ndarray:
        last_arrivals = self.world.allreduce(np.array([step.exchanged.arrived for step in steps]), "max")
        return rows(self.world, np.array(divide_time(steps, last_arrivals))).T


def divide_time(steps: Sequence[StepDone], last_arrivals: np.ndarray) -> tuple[float, float, float]:
    """Seconds (computing, communicating, waiting) of one rank's steps, given when each exchange's last rank arrived."""
    rows = [(s.begun, s.exchanged.arrived, s.exchanged.ended, s.ended, s.exchanged.overlapped) for s in steps]
    begun, arrived, ended, done, overlapped = np.array(rows, np.float64).reshape(-1, 5).T
    waiting = np.clip(last_arrivals, arrived, ended) - arrived
    communicating = overlapped + (ended - arrived) - waiting
    computing = (done - begun) - waiting - communicating
    return float(computing.sum()), float(communicating.sum()), float(waiting.sum())


def _summed(shares: np.ndarray) -> Shares:
    computing, communicating, waiting = shares.mean(axis=1)
    return Shares(float(computing), float(communicating), float(waiting), int(shares[2].argmin()))
