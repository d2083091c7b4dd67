"""Labelled images in a folder of IDX files, under the names the field has settled on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mpitrain.data.dataset import Dataset
from mpitrain.data.files import check_folder
from mpitrain.data.idx import read_idx
from mpitrain.errors import UsageError

MOST_CLASSES = 65536  # where nobody says how many: a label beyond is a broken file
SUFFIXES = ("", ".gz")


def read_images(name: str, folder: Path, classes: int | None = None, sides: tuple[int, int] | None = None) -> Dataset:
    """The images in a folder of IDX files, `train` to train on and `t10k` held out.

    Where `classes` or `sides` are not given, they are whatever the training files have.
    """
    train = read_part(folder, "train", classes, sides)
    classes = classes or int(train.labels.max()) + 1
    test = read_part(folder, "t10k", classes, train.images.shape[1:])
    colour = np.newaxis
    return Dataset(name, classes, train.images[..., colour], train.labels, test.images[..., colour], test.labels)


class Part(NamedTuple):
    """Images (n, height, width) uint8 and labels (n,) int64."""

    images: np.ndarray
    labels: np.ndarray


def read_part(folder: Path, prefix: str, classes: int | None = None, sides: tuple[int, ...] | None = None) -> Part:
    """The images and labels of `train` or `t10k` in a folder.

    If given, labels must be less than `classes` and images of height and width `sides`. Raises UsageError, naming the
    file and what is wrong with it.
    """
    images_path, labels_path = find(folder, prefix, "images", 3), find(folder, prefix, "labels", 1)
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or images.dtype != np.uint8:
        raise UsageError(f"{images_path}: {_kind(images)}, expected images, 3 dimensions of uint8")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UsageError(f"{labels_path}: {_kind(labels)}, expected labels, 1 dimension of whole numbers")
    if len(images) != len(labels):
        raise UsageError(
            f"{labels_path}: {len(labels)} labels, expected {len(images)}, one for each image in {images_path.name}"
        )
    if images.size == 0:
        raise UsageError(f"{images_path}: {_sides(images.shape)} pixels, expected at least one image")
    if sides is not None and images.shape[1:] != sides:
        raise UsageError(f"{images_path}: images of {_sides(images.shape[1:])} pixels, expected {_sides(sides)}")
    _check_labels(labels_path, labels, classes)
    return Part(images, labels.astype(np.int64))


def find(folder: Path, prefix: str, content: str, dimensions: int) -> Path:
    """The file, such as `train-images-idx3-ubyte` or `train-images.idx3-ubyte.gz`, whichever is there first."""
    check_folder(folder, "IDX files")
    stems = (f"{prefix}-{content}-idx{dimensions}-ubyte", f"{prefix}-{content}.idx{dimensions}-ubyte")
    names = [stem + suffix for stem in stems for suffix in SUFFIXES]
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise UsageError(f"{folder}: no {prefix} {content}, expected a file {' or '.join(names)}")


def _check_labels(path: Path, labels: np.ndarray, classes: int | None) -> None:
    most = MOST_CLASSES if classes is None else classes
    wrong = (labels < 0) | (labels >= most)
    if wrong.any():
        position = int(wrong.argmax())
        expected = f"0 to {most - 1}"
        raise UsageError(f"{path}: label {labels[position]} of image {position} is out of range, expected {expected}")


def _kind(array: np.ndarray) -> str:
    return f"{array.ndim} dimension{'' if array.ndim == 1 else 's'} of {array.dtype.name}"


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
