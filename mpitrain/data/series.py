"""Series with their classes or with numbers to predict, to train on and held out."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mpitrain.data.labelled import Labelled
from mpitrain.data.samples import Kind


@dataclass(frozen=True, eq=False)
class Series(Labelled):
    """Series (n, length, channels).

    NaN is what is missing, or the end of a series that is shorter than others: 0 in a batch, the mean.
    """

    kind: ClassVar[Kind] = "series"

    @property
    def shape(self) -> tuple[int, int]:
        """Length and channels of a series."""
        _, length, channels = self.train_inputs.shape
        return length, channels

    def _normalised(self, inputs: np.ndarray) -> np.ndarray:
        return np.nan_to_num(super()._normalised(inputs), copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf)
