"""CIFAR-10 and CIFAR-100 in their binary versions, mapped into memory.

    a record: 1 byte of label (CIFAR-100: 2, coarse and fine) | 3072 bytes: red, green, blue, each 32 rows of 32

Format: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mpitrain.data.dataset import Dataset
from mpitrain.data.files import check_folder, size
from mpitrain.data.rows import Joined
from mpitrain.errors import UsageError


class Version(NamedTuple):
    """The files, and which of a record's labels counts, the last one, of how many classes."""

    train: tuple[str, ...]
    test: str
    labels: int
    classes: int


VERSIONS = {
    "cifar10": Version(tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin", labels=1, classes=10),
    "cifar100": Version(("train.bin",), "test.bin", labels=2, classes=100),
}


def read_cifar(name: str, folder: Path) -> Dataset:
    """The data set in a folder of its .bin files. UsageError, naming the file, for what is not whole records."""
    check_folder(folder, f"{name}'s .bin files")
    version = VERSIONS[name]
    train = [_records(folder / file, version) for file in version.train]
    test = _records(folder / version.test, version)
    return Dataset(
        name, version.classes, Joined([_images(part) for part in train]),
        np.concatenate([_labels(part) for part in train]), _images(test), _labels(test),
    )  # fmt: skip


def _records(path: Path, version: Version) -> np.ndarray:
    record = np.dtype([("labels", np.uint8, (version.labels,)), ("image", np.uint8, (3, 32, 32))])
    nbytes = size(path, "one of CIFAR's binary version")
    if nbytes == 0 or nbytes % record.itemsize:
        fault = "truncated or another format" if nbytes else "empty"
        raise UsageError(
            f"{path}: {fault}, {nbytes} bytes, expected whole records of {record.itemsize}; "
            f"is it the binary version, and all of it?"
        )
    records = np.memmap(path, record, "r")
    wrong = _labels(records) >= version.classes
    if wrong.any():
        place = int(wrong.argmax())
        raise UsageError(
            f"{path}: label {_labels(records)[place]} of record {place} is out of range, expected 0 to "
            f"{version.classes - 1}; is it the binary version?"
        )
    return records


def _labels(records: np.ndarray) -> np.ndarray:
    return np.asarray(records["labels"][:, -1]).astype(np.int64)


def _images(records: np.ndarray) -> np.ndarray:
    return np.asarray(records["image"]).transpose(0, 2, 3, 1)  # still the file's memory
