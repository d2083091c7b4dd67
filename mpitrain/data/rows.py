"""Samples as rows of an array that may lie in files: only the rows asked for are read."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from mpitrain.data.samples import Indices


class Rows(Protocol):
    """What is used of an array here: an array, one in a file, or several that pass for one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any: ...

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any, /) -> Any:
        """These rows, in the order asked for."""


def positions(indices: Indices, count: int) -> np.ndarray:
    """As int64 positions, each at least 0 and less than `count`; IndexError for others."""
    if isinstance(indices, slice):
        return np.arange(*indices.indices(count))
    if len(indices) and not 0 <= indices.min() <= indices.max() < count:
        raise IndexError(f"samples {indices.min()} to {indices.max()} asked for, expected 0 to {count - 1}")
    return indices.astype(np.int64, copy=False)


def in_files(rows: Rows) -> bool:
    """Whether rows are read from files when they are asked for. Those that are no arrays know it themselves."""
    if not isinstance(rows, np.ndarray):
        return getattr(rows, "in_files", False)
    array: Any = rows
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)


class Joined:
    """The rows of several arrays, one array after another. They differ in their numbers of rows alone."""

    def __init__(self, arrays: Sequence[Rows]):
        self.arrays = arrays
        self.ends = np.cumsum([len(array) for array in arrays])
        self.shape = (int(self.ends[-1]), *arrays[0].shape[1:])
        self.dtype = arrays[0].dtype
        self.in_files = any(map(in_files, arrays))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Indices) -> np.ndarray:
        rows = positions(indices, len(self))
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        source = np.searchsorted(self.ends, rows, side="right")
        for i in np.unique(source):
            here = source == i
            found[here] = self.arrays[i][rows[here] - (self.ends[i] - len(self.arrays[i]))]
        return found
