"""Images with their classes or with numbers to predict, to train on and held out."""

from dataclasses import dataclass
from typing import ClassVar

from mpitrain.data.labelled import Labelled
from mpitrain.data.samples import Kind


@dataclass(frozen=True, eq=False)
class Dataset(Labelled):
    """Images (n, height, width, colours), uint8 or floats."""

    kind: ClassVar[Kind] = "images"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and colours of an image."""
        _, height, width, colours = self.train_inputs.shape
        return height, width, colours
