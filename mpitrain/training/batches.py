"""What this rank computes on, microbatch by microbatch; read ahead where it comes from files.

Which samples these are depends on the number of the microbatch alone, so that reading them earlier, or beginning
anywhere after a resume, changes no bit. Data in memory are cheaper to take when they are needed than to hand over.
"""

import math
from typing import NamedTuple

import numpy as np

from mpitrain.data import epoch_order, share
from mpitrain.data.prefetch import Prefetch
from mpitrain.data.samples import Inputs, Samples
from mpitrain.training.config import Config
from mpitrain.world import World


class Microbatch(NamedTuple):
    """Positions (n,) in the part to train on, and the samples that are there, on the host."""

    samples: np.ndarray
    inputs: Inputs
    targets: np.ndarray


class Batches:
    """`take(step, number)` gives a microbatch of this rank; `steps` is how many the run's epochs have, `last` where it
    stops, if earlier."""

    def __init__(self, world: World, config: Config, dataset: Samples):
        recipe = config.recipe
        self.world, self.config, self.dataset = world, config, dataset
        self.global_batch = min(recipe.global_batch or recipe.batch * world.size, dataset.count)
        self.steps_an_epoch = math.ceil(dataset.count / self.global_batch)
        self.steps = self.steps_an_epoch * recipe.epochs
        self.last = min(self.steps, config.steps or self.steps)
        self._shuffled = (-1, np.empty(0, np.int64))  # an epoch and its order
        self._ahead: Prefetch[Microbatch] | None = None
        if dataset.streamed:
            self._ahead = Prefetch(world.background, self._read, self.last * config.microbatches)

    def count(self, step: int) -> int:
        """Samples of all ranks in a step: fewer in the last of an epoch."""
        return min(self.global_batch, self.dataset.count - step % self.steps_an_epoch * self.global_batch)

    def take(self, step: int, number: int) -> Microbatch:
        """This rank's share of a microbatch of a step, both from 0."""
        place = step * self.config.microbatches + number
        return self._read(place) if self._ahead is None else self._ahead.take(place)

    def close(self) -> None:
        """Nothing is being read afterwards."""
        if self._ahead is not None:
            self._ahead.close()

    def _read(self, place: int) -> Microbatch:
        """The microbatch at that place in the run."""
        step, number = divmod(place, self.config.microbatches)
        epoch, position = divmod(step, self.steps_an_epoch)
        batch = self._order(epoch)[position * self.global_batch :][: self.global_batch]
        mine = batch[_indices(share(len(batch), self.world.rank, self.world.size))]
        samples = mine[_indices(share(len(mine), number, self.config.microbatches))]
        return Microbatch(samples, *self.dataset.batch(samples))

    def _order(self, epoch: int) -> np.ndarray:
        if self._shuffled[0] != epoch:
            self._shuffled = (epoch, epoch_order(self.dataset.count, self.config.seed, epoch))
        return self._shuffled[1]


def _indices(part: range) -> np.ndarray:
    return np.asarray(part, dtype=np.intp)
