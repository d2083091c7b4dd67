"""One-sided access to the memory of real ranks: MPI's windows, open to all as long as they live."""

from typing import Any

import numpy as np

from mpitrain.engines.buffers import flat
from mpitrain.engines.messages import as_words
from mpitrain.engines.reduction import OPS, as_op
from mpitrain.engines.start import MPI
from mpitrain.engines.window_access import check_access
from mpitrain.world import Array, Window

MPI_OPS = {"sum": MPI.SUM, "prod": MPI.PROD, "min": MPI.MIN, "max": MPI.MAX}


class MPIWindow(Window):
    """Collective to make and to free. Every rank has `count` elements."""

    def __init__(self, comm: MPI.Intracomm, count: int, dtype: np.dtype):
        self._count, self._dtype, self._comm = count, dtype, comm
        self._win = MPI.Win.Allocate(max(1, count * dtype.itemsize), 1, comm=comm)
        self.local = np.asarray(self._win.tomemory()).view(np.uint8)[: count * dtype.itemsize].view(dtype)
        self.local[...] = 0
        self._win.Lock_all(MPI.MODE_NOCHECK)
        comm.Barrier()

    def put(self, data: Array, peer: int, offset: int = 0) -> None:
        array = self._checked("put", data, peer, offset, written=False)
        self._win.Put(array.view("u1"), peer, (offset * self._dtype.itemsize, array.nbytes, MPI.BYTE))

    def get(self, buffer: Array, peer: int, offset: int = 0) -> None:
        array = self._checked("get", buffer, peer, offset)
        self._win.Get(array.view("u1"), peer, (offset * self._dtype.itemsize, array.nbytes, MPI.BYTE))

    def accumulate(self, data: Array, peer: int, offset: int = 0, op: Any = "sum") -> None:
        array, how = self._checked("accumulate", data, peer, offset, written=False), as_op(op)
        words = as_words(array)
        if how is not OPS.get(how.name) or how.name not in MPI_OPS or words.dtype != array.dtype:
            raise TypeError(
                f"window: accumulate by {how.name!r} of {array.dtype}: expected {', '.join(MPI_OPS)} of a type that "
                f"MPI knows"
            )
        kind = MPI._typedict[array.dtype.char]
        self._win.Accumulate(array, peer, (offset * self._dtype.itemsize, array.size, kind), op=MPI_OPS[how.name])

    def flush(self, peer: int | None = None) -> None:
        if peer is None:
            self._win.Flush_all()
        else:
            self._win.Flush(peer)
        self._win.Sync()

    def free(self) -> None:
        self.local = np.empty(0, self._dtype)
        self._win.Unlock_all()
        self._win.Free()

    def _checked(self, call: str, buffer: Array, peer: int, offset: int, written: bool = True) -> np.ndarray:
        array = flat(call, buffer, written)
        check_access(self._count, self._dtype, peer, offset, array)
        return array
