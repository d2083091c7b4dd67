"""Images with their classes or with numbers to predict, to train on and held out."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from mpitrain.data.normalise import Statistics
from mpitrain.data.rows import Rows, in_files
from mpitrain.data.samples import Indices, Kind


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (n, height, width, colours), uint8 or floats, in a part to train on and a part held out.

    Labels are int64 (n,), less than `classes`; where `classes` is None, float32 (n, values). Rows may lie in files:
    batches read only their own.
    """

    name: str
    classes: int | None
    train_images: Rows
    train_labels: Rows
    test_images: Rows
    test_labels: Rows

    kind: ClassVar[Kind] = "images"
    predictions: ClassVar[int] = 1

    @property
    def count(self) -> int:
        """Samples to train on."""
        return len(self.train_labels)

    @property
    def test_count(self) -> int:
        """Samples held out."""
        return len(self.test_labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and colours of an image."""
        _, height, width, colours = self.train_images.shape
        return height, width, colours

    @property
    def streamed(self) -> bool:
        """Whether training images are read from files when a batch asks."""
        return in_files(self.train_images)

    def batch(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        """These training images, normalised float32, and their labels."""
        return self.statistics.normalised(self.train_images[indices]), self._targets(self.train_labels[indices])

    def test_batch(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        """The same of the held-out images, normalised by the mean and deviation of the training images."""
        return self.statistics.normalised(self.test_images[indices]), self._targets(self.test_labels[indices])

    @cached_property
    def statistics(self) -> Statistics:
        """Of the training images, colour by colour."""
        return Statistics.of(self.train_images)

    def _targets(self, rows: np.ndarray) -> np.ndarray:
        return rows.astype(np.float32 if self.classes is None else np.int64, copy=False)
