"""One-sided access in a world of one: to its own memory, at once."""

from typing import Any

import numpy as np

from mpitrain.engines.buffers import flat
from mpitrain.engines.reduction import as_op
from mpitrain.engines.window_access import check_access
from mpitrain.world import Array, Window


class LocalWindow(Window):
    """Every access has ended when its call returns."""

    def __init__(self, memory: np.ndarray):
        self.local = memory

    def put(self, data: Array, peer: int, offset: int = 0) -> None:
        array = flat("put", data, written=False)
        self._part(peer, offset, array)[...] = array

    def get(self, buffer: Array, peer: int, offset: int = 0) -> None:
        array = flat("get", buffer)
        array[...] = self._part(peer, offset, array)

    def accumulate(self, data: Array, peer: int, offset: int = 0, op: Any = "sum") -> None:
        array = flat("accumulate", data, written=False)
        target = self._part(peer, offset, array)
        as_op(op).combine(target, array, out=target)

    def flush(self, peer: int | None = None) -> None:
        pass

    def free(self) -> None:
        self.local = np.empty(0, self.local.dtype)

    def _part(self, peer: int, offset: int, array: np.ndarray) -> np.ndarray:
        check_access(1, self.local, peer, offset, array)
        return self.local[offset : offset + array.size]
