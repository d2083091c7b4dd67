"""Data sets by name: those that are embedded or drawn, and readers of files."""

from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np

from mpitrain.data.arrays import read_arrays, read_safetensors
from mpitrain.data.cifar import read_cifar
from mpitrain.data.dataset import Dataset
from mpitrain.data.folder import read_images
from mpitrain.data.idx import read_idx
from mpitrain.data.ratings import read_ratings
from mpitrain.data.road import road
from mpitrain.data.samples import Samples
from mpitrain.data.text import read_text, topics
from mpitrain.data.ts import read_pair
from mpitrain.data.wav import read_wavs
from mpitrain.errors import UsageError

EMBEDDED_FOLDER = Path(__file__).parent
FASHION_FOLDER = EMBEDDED_FOLDER / "fashion6k"
FASHION_TRAIN = 5000  # of 6,000; the rest is held out


class Windows(NamedTuple):
    """How text is cut: bytes in a sample, and from the beginning of one to that of the next to train on."""

    sequence: int
    stride: int


class Embedded(NamedTuple):
    """Data that need no files: how to get them, which name reads the like from files, and how they come to be there."""

    get: Callable[[Windows], Samples]
    reader: str
    how: str = "embedded"


class Reader(NamedTuple):
    """Data from files: how to read them, and what they are."""

    read: Callable[[Path, Windows], Samples]
    needs: str


def _fashion() -> Dataset:
    images = read_idx(FASHION_FOLDER / "fashion6k-images-idx3-ubyte.gz")[..., np.newaxis]
    labels = read_idx(FASHION_FOLDER / "fashion6k-labels-idx1-ubyte.gz").astype(np.int64)
    train, test = slice(FASHION_TRAIN), slice(FASHION_TRAIN, None)
    return Dataset("fashion", 10, images[train], labels[train], images[test], labels[test])


EMBEDDED = {
    "fashion": Embedded(lambda windows: _fashion(), "idx"),
    "topics": Embedded(lambda windows: topics(*windows), "text"),
    "vowels": Embedded(lambda windows: read_pair("vowels", EMBEDDED_FOLDER / "vowels"), "series"),
    "lectures": Embedded(
        lambda windows: read_ratings("lectures", EMBEDDED_FOLDER / "lectures" / "lectures.csv.gz"), "ratings"
    ),
    "road": Embedded(lambda windows: road(), "drive", "drawn, not filmed,"),
}
READERS = {
    "mnist": Reader(lambda path, windows: read_images("mnist", path, 10, (28, 28)), "a folder of IDX files"),
    "idx": Reader(lambda path, windows: read_images("idx", path), "a folder of IDX files"),
    "cifar10": Reader(lambda path, windows: read_cifar("cifar10", path), "a folder of its .bin files"),
    "cifar100": Reader(lambda path, windows: read_cifar("cifar100", path), "a folder of its .bin files"),
    "arrays": Reader(lambda path, windows: read_arrays("arrays", path), "a .npz or a folder of .npy files"),
    "safetensors": Reader(lambda path, windows: read_safetensors("safetensors", path), "a .safetensors file"),
    "drive": Reader(lambda path, windows: read_arrays("drive", path), "a folder of images.npy and angles.npy"),
    "wav": Reader(lambda path, windows: read_wavs("wav", path), "a folder of folders of WAV files, one a class"),
    "text": Reader(lambda path, windows: read_text(path, *windows), "a file, or a folder of files"),
    "series": Reader(lambda path, windows: read_pair("series", path), "a folder with a pair of .ts files"),
    "ratings": Reader(lambda path, windows: read_ratings("ratings", path), "a CSV file of user, item, rating"),
}
NAMES = (*EMBEDDED, *READERS)


@overload
def load(name: Literal["fashion", "mnist", "idx"], path: str | PathLike[str] | None = None) -> Dataset: ...
@overload
def load(
    name: str, path: str | PathLike[str] | None = None, *, sequence: int = 128, stride: int | None = None
) -> Samples: ...
def load(
    name: str, path: str | PathLike[str] | None = None, *, sequence: int = 128, stride: int | None = None
) -> Samples:
    """The data set of that name: embedded, or read from a file or folder.

    Text alone knows `sequence`, bytes in a sample, and `stride`, bytes between two samples' beginnings in the part to
    train on, by default `sequence`. The same data are given again while their files stay alike, so that all ranks of
    one process share them. Raises UsageError for anything a user may have got wrong: name, path, files and what is in
    them.
    """
    windows = Windows(sequence, sequence if stride is None else stride)
    if name in EMBEDDED:
        if path is not None:
            _, reader, how = EMBEDDED[name]
            raise UsageError(f"data {name} is {how} and takes no folder, found {path}; use {reader} to read one")
        return _embedded(name, windows if name == "topics" else Windows(0, 0))
    if name not in READERS:
        raise UsageError(f"no data named {name}, expected one of {', '.join(NAMES)}")
    if path is None:
        raise UsageError(f"data {name} needs {READERS[name].needs}; name it with --data-dir")
    return _from_files(name, Path(path), windows, tuple(_stamps(Path(path))))


@cache
def _embedded(name: str, windows: Windows) -> Samples:
    return EMBEDDED[name].get(windows)


@lru_cache(maxsize=1)
def _from_files(name: str, path: Path, windows: Windows, stamps: tuple[Any, ...]) -> Samples:
    return READERS[name].read(path, windows)


def _stamps(path: Path) -> Iterator[tuple[Any, ...]]:
    """Alike as long as the file is, or all files below the folder."""
    try:
        for file in (path, *sorted(path.rglob("*"))):
            stat = file.stat()
            yield str(file), stat.st_mtime_ns, stat.st_size, stat.st_ino
    except OSError:
        return  # said where the files are read
