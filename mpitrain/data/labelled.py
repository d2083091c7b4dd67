"""Inputs with their classes or with numbers to predict, to train on and held out: what images and series share."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from mpitrain.data.normalise import Statistics
from mpitrain.data.rows import Rows, in_files
from mpitrain.data.samples import Indices


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows of inputs, whose last axis is that of the channels, in a part to train on and a part held out.

    Targets are int64 (n,), less than `classes`; where `classes` is None, float32 (n, values). Rows may lie in files:
    batches read only their own.
    """

    name: str
    classes: int | None
    train_inputs: Rows
    train_targets: Rows
    test_inputs: Rows
    test_targets: Rows

    predictions: ClassVar[int] = 1

    @property
    def count(self) -> int:
        """Samples to train on."""
        return len(self.train_targets)

    @property
    def test_count(self) -> int:
        """Samples held out."""
        return len(self.test_targets)

    @property
    def streamed(self) -> bool:
        """Whether inputs to train on are read from files when a batch asks."""
        return in_files(self.train_inputs)

    def batch(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        """These inputs to train on, normalised float32, and their targets."""
        return self._normalised(self.train_inputs[indices]), self._targets(self.train_targets[indices])

    def test_batch(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        """The same of those held out, normalised by the mean and deviation of the inputs to train on."""
        return self._normalised(self.test_inputs[indices]), self._targets(self.test_targets[indices])

    @cached_property
    def statistics(self) -> Statistics:
        """Of the inputs to train on, channel by channel."""
        return Statistics.of(self.train_inputs)

    def _normalised(self, inputs: np.ndarray) -> np.ndarray:
        return self.statistics.normalised(inputs)

    def _targets(self, rows: np.ndarray) -> np.ndarray:
        return rows.astype(np.float32 if self.classes is None else np.int64, copy=False)
