"""Images with labels, to train on and held out, and where to get them by name."""

import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mpitrain.data.folder import read_part
from mpitrain.data.idx import read_idx
from mpitrain.data.samples import Indices, Kind
from mpitrain.errors import UsageError
from mpitrain.memory import empty

FASHION_FOLDER = Path(__file__).parent / "fashion6k"
FASHION_TRAIN = 5000  # of 6,000; the rest is held out


class Folder(NamedTuple):
    """What a folder of IDX files must hold; None: whatever its training files have."""

    classes: int | None
    sides: tuple[int, int] | None


FOLDERS = {
    "mnist": Folder(classes=10, sides=(28, 28)),
    "idx": Folder(classes=None, sides=None),
}
NAMES = ("fashion", *FOLDERS)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images uint8 (n, height, width, 1) and labels int64 (n,), each in a part to train on and a part held out."""

    name: str
    classes: int
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

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

    def batch(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        """These training images, normalised float32, and their labels."""
        return self._normalised(self.train_images[indices]), self.train_labels[indices]

    def test_batch(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        """The same of the held-out images, normalised by the mean and deviation of the training images."""
        return self._normalised(self.test_images[indices]), self.test_labels[indices]

    @cached_property
    def mean_and_deviation(self) -> tuple[float, float]:
        """Of all the pixels of the training images; the deviation of images that are all of one grey counts as 1.

        Taken from the histogram, in whole numbers, so that they are exact and the same everywhere.
        """
        histogram = np.zeros(256, np.int64)
        for start in range(0, len(self.train_images), 256):  # bincount takes 8 bytes a pixel
            histogram += np.bincount(self.train_images[start : start + 256].ravel(), minlength=256)
        greys, pixels = np.arange(256), int(histogram.sum())
        mean = int(histogram @ greys) / pixels
        variance = int(histogram @ greys**2) / pixels - mean**2
        return mean, variance**0.5 if variance > 0 else 1.0

    def _normalised(self, images: np.ndarray) -> np.ndarray:
        mean, deviation = self.mean_and_deviation
        normalised = empty(images.shape, np.float32)
        normalised[...] = images
        normalised -= mean
        normalised *= 1 / deviation
        return normalised


def load(name: str, folder: str | PathLike[str] | None = None) -> Dataset:
    """The data set of that name: `fashion` is embedded, `mnist` and `idx` are read from a folder of IDX files.

    Raises UsageError for anything a user may have got wrong: name, folder, files and what is in them.
    """
    if name == "fashion":
        if folder is not None:
            raise UsageError(f"data fashion is embedded and takes no folder, found {folder}; use idx to read a folder")
        return _fashion()  # kept: all ranks of one process share it
    if name not in FOLDERS:
        raise UsageError(f"no data named {name}, expected one of {', '.join(NAMES)}")
    if folder is None:
        raise UsageError(f"data {name} needs a folder of IDX files; name it with --data-dir")
    return _from_folder(name, Path(folder), _stamp(Path(folder)))


@lru_cache(maxsize=1)
def _fashion() -> Dataset:
    images = read_idx(FASHION_FOLDER / "fashion6k-images-idx3-ubyte.gz")[..., np.newaxis]
    labels = read_idx(FASHION_FOLDER / "fashion6k-labels-idx1-ubyte.gz").astype(np.int64)
    train, test = slice(FASHION_TRAIN), slice(FASHION_TRAIN, None)
    return Dataset("fashion", 10, images[train], labels[train], images[test], labels[test])


def _stamp(folder: Path) -> tuple[Any, ...]:
    """Alike as long as the files are."""
    try:
        entries = sorted((entry.name, entry.stat()) for entry in os.scandir(folder))
    except OSError:
        return ()  # said where the files are read
    return tuple((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in entries)


@lru_cache(maxsize=1)
def _from_folder(name: str, folder: Path, stamp: tuple[Any, ...]) -> Dataset:
    """Kept as long as the files are alike: all ranks of one process share it."""
    expected = FOLDERS[name]
    train = read_part(folder, "train", expected.classes, expected.sides)
    classes = expected.classes or int(train.labels.max()) + 1
    test = read_part(folder, "t10k", classes, train.images.shape[1:])
    colour = np.newaxis
    return Dataset(name, classes, train.images[..., colour], train.labels, test.images[..., colour], test.labels)
