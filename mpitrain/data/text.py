"""Bytes of text in windows: each window's targets are the bytes that come one later.

    bytes     0 1 2 3 4 5 6 7 8 ...         sequence 4, stride 4
    sample 0  0 1 2 3 -> 1 2 3 4            a byte is the input of one sample
    sample 1          4 5 6 7 -> 5 6 7 8    a stride of 2 lets windows overlap: more samples, other beginnings

The last tenth of the bytes is held out, in windows that do not overlap, so that each of its bytes counts once.
"""

import pydoc_data.topics
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from mpitrain.data.files import size, unreadable
from mpitrain.data.rows import positions
from mpitrain.data.samples import Indices, Kind
from mpitrain.errors import UsageError

HELD_OUT = 10  # the last of so many parts
BYTES = 256


class Source(Protocol):
    """Bytes in a row."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, count: int) -> bytes:
        """Some that are all there."""


class Memory(NamedTuple):
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, start: int, count: int) -> bytes:
        return self.content[start : start + count]


class Files:
    """Files one after another. Nothing of them is kept: a read opens them, and takes what it wants."""

    def __init__(self, paths: list[Path]):
        self.paths = paths
        self.ends = list(accumulate(size(path, "a file of text") for path in paths))

    @property
    def size(self) -> int:
        return self.ends[-1] if self.ends else 0

    def read(self, start: int, count: int) -> bytes:
        pieces = []
        i = bisect_right(self.ends, start)
        while count:
            begin = self.ends[i - 1] if i else 0
            piece = _piece(self.paths[i], start - begin, min(count, self.ends[i] - start))
            pieces.append(piece)
            start, count, i = start + len(piece), count - len(piece), i + 1
        return b"".join(pieces)


def _piece(path: Path, start: int, count: int) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            piece = file.read(count)
    except OSError as fault:
        raise unreadable(path, fault, "a file of text") from None
    if len(piece) < count:
        raise UsageError(f"{path}: {start + len(piece)} bytes, expected more: it has become shorter; begin again")
    return piece


@dataclass(frozen=True, eq=False)
class Text:
    """Inputs and targets are int64 (n, sequence), bytes."""

    name: str
    source: Source
    sequence: int
    stride: int

    kind: ClassVar[Kind] = "text"
    classes: ClassVar[int] = BYTES

    @property
    def shape(self) -> tuple[int]:
        """Bytes in a window."""
        return (self.sequence,)

    @property
    def predictions(self) -> int:
        """One for each byte of a window."""
        return self.sequence

    @property
    def train_bytes(self) -> int:
        return self.source.size - self.source.size // HELD_OUT

    @property
    def count(self) -> int:
        """Windows to train on."""
        return (self.train_bytes - self.sequence - 1) // self.stride + 1

    @property
    def test_count(self) -> int:
        """Windows held out."""
        return (self.source.size // HELD_OUT - 1) // self.sequence

    @property
    def streamed(self) -> bool:
        """Whether windows are read from files when a batch asks."""
        return isinstance(self.source, Files)

    def batch(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        """These windows of the part to train on, and the bytes that come next."""
        return self._windows(positions(indices, self.count) * self.stride)

    def test_batch(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        """These windows of the part held out, and the bytes that come next."""
        return self._windows(self.train_bytes + positions(indices, self.test_count) * self.sequence)

    def _windows(self, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        windows = np.empty((len(starts), self.sequence + 1), np.int64)
        for window, start in zip(windows, starts.tolist(), strict=True):
            window[:] = np.frombuffer(self.source.read(start, self.sequence + 1), np.uint8)
        return windows[:, :-1], windows[:, 1:]


def topics(sequence: int, stride: int) -> Text:
    """The help on Python that every Python has, in order of its headings. Another Python may have other words."""
    texts = pydoc_data.topics.topics
    return _checked(
        Text("topics", Memory("".join(texts[name] for name in sorted(texts)).encode()), sequence, stride), ""
    )


def read_text(path: Path, sequence: int, stride: int) -> Text:
    """A file, or all files below a folder in order of their paths, whatever they hold."""
    paths = [path]
    if path.is_dir():
        paths = sorted(entry for entry in path.rglob("*") if entry.is_file())
        if not paths:
            raise UsageError(f"{path}: no files, expected a file of text or a folder of some; check --data-dir")
    return _checked(Text("text", Files(paths), sequence, stride), f"{path}: ")


def _checked(text: Text, where: str) -> Text:
    if not 1 <= text.stride <= text.sequence:
        raise UsageError(f"stride {text.stride}, expected 1 to the sequence's {text.sequence} bytes")
    least = HELD_OUT * (text.sequence + 1)
    if text.source.size < least:
        raise UsageError(
            f"{where}{text.source.size} bytes of text, expected at least {least}: a window of {text.sequence} and the "
            f"byte after it in the last tenth; take more text or a shorter sequence"
        )
    return text
