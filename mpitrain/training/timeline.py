"""Where the time goes: computing, communicating, or waiting for the slowest rank.

In an exchange nobody can be done before the last rank has arrived. So a rank waits from its own arrival until the last
one's, and communicates from then until the exchange ends; all ranks read one clock (`World.now`). The arrivals are
compared once an epoch, so that this costs one small message in hundreds of steps.
"""

from typing import NamedTuple

import numpy as np

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
        self._open: list[StepDone] = []
        self._totals = np.zeros((3, world.size))

    def add(self, done: StepDone) -> None:
        self._open.append(done)
        self.step_seconds.append(done.ended - done.begun)

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
        begun, arrived, ended, done, overlapped = (
            np.array(
                [(s.begun, s.exchanged.arrived, s.exchanged.ended, s.ended, s.exchanged.overlapped) for s in steps]
            )
            .reshape(-1, 5)
            .T
        )
        last = self.world.allreduce(arrived.copy(), "max")
        waiting = np.clip(last, arrived, ended) - arrived
        communicating = overlapped + (ended - arrived) - waiting
        computing = (done - begun) - waiting - communicating
        shares = np.zeros((3, self.world.size))
        shares[:, self.world.rank] = computing.sum(), communicating.sum(), waiting.sum()
        return self.world.allreduce(shares)


def _summed(shares: np.ndarray) -> Shares:
    computing, communicating, waiting = shares.mean(axis=1)
    return Shares(float(computing), float(communicating), float(waiting), int(shares[2].argmin()))
