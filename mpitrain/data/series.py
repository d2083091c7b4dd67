"""Series with their classes or with numbers to predict, to train on and held out."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from mpitrain.data.normalise import Statistics
from mpitrain.data.rows import Rows, in_files
from mpitrain.data.samples import Indices, Kind


@dataclass(frozen=True, eq=False)
class Series:
    """Series (n, length, channels), in a part to train on and a part held out.

    NaN is what is missing, or the end of a series that is shorter than others: 0 in a batch, the mean. Targets are
    int64 (n,), less than `classes`; where `classes` is None, float32 (n, values).
    """

    name: str
    classes: int | None
    train_series: Rows
    train_targets: Rows
    test_series: Rows
    test_targets: Rows

    kind: ClassVar[Kind] = "series"
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
    def shape(self) -> tuple[int, int]:
        """Length and channels of a series."""
        _, length, channels = self.train_series.shape
        return length, channels

    @property
    def streamed(self) -> bool:
        """Whether training series are read from files when a batch asks."""
        return in_files(self.train_series)

    def batch(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        """These training series, normalised float32, and their targets."""
        return self._normalised(self.train_series[indices]), self._targets(self.train_targets[indices])

    def test_batch(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        """The same of the held-out series, normalised by the mean and deviation of the training series."""
        return self._normalised(self.test_series[indices]), self._targets(self.test_targets[indices])

    @cached_property
    def statistics(self) -> Statistics:
        """Of the training series, channel by channel."""
        return Statistics.of(self.train_series)

    def _normalised(self, series: np.ndarray) -> np.ndarray:
        normalised = self.statistics.normalised(series)
        return np.nan_to_num(normalised, copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf)

    def _targets(self, rows: np.ndarray) -> np.ndarray:
        return rows.astype(np.float32 if self.classes is None else np.int64, copy=False)
