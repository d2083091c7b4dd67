"""Memory that all ranks of a node share: one arena per world, in windows that MPI allocates.

Every rank has an equal part of each window, its own, and can reach all others'. Blocks are carved off the parts of all
ranks at the same place, so that a block is known everywhere by one number, its *position*. Carving and releasing are
collective: the same calls in the same order on all ranks. The operating system gives memory only to what is written.

    window 0   rank 0 | rank 1 | rank 2      a position is (window << 40) + bytes from the start of a part
    window 1   rank 0 | rank 1 | rank 2      made once window 0 is full, as large as all before it
"""

import os
import weakref
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mpitrain.engines.start import MPI
from mpitrain.errors import UsageError
from mpitrain.memory import Loan

BYTE = np.dtype(np.uint8)
LINE = 64  # bytes of a cache line: two ranks never write to one
PAGE = 4096
MIB = 1 << 20
SHM = "/dev/shm"
SMALLEST = 1 << 20  # bytes of a part
WINDOW = 40  # bits of a position that count bytes
KNOWN = 1024  # arrays whose position is remembered


class Part(NamedTuple):
    """A rank's part of one window, as bytes, and where it begins in this process's memory."""

    address: int
    bytes: np.ndarray


class Arena:
    """Collective to make, and so are all methods but `view` and `position_of`."""

    def __init__(self, comm: MPI.Intracomm, settle: Callable[[], None]):
        """`settle()` is called before every call that blocks inside MPI."""
        self._comm, self._settle = comm, settle
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._windows: list[MPI.Win] = []
        self._parts: list[list[Part]] = []  # of each window, of each rank
        self._free = 0  # where in the last window the free part begins
        self._released: dict[int, list[int]] = {}
        self._known: dict[int, tuple[weakref.ref[np.ndarray], int | None]] = {}  # arrays that were asked for, by id
        self._lent: weakref.WeakSet[Loan] = weakref.WeakSet()

    def carve(self, nbytes: int) -> int:
        """The position of a new block of every rank, aligned to cache lines, not initialised."""
        nbytes = -(-max(nbytes, 1) // LINE) * LINE
        if self._released.get(nbytes):
            return self._released[nbytes].pop()
        if not self._parts or self._free + nbytes > len(self._parts[-1][0].bytes):
            self._grow(nbytes)
        self._free += nbytes
        return (len(self._parts) - 1 << WINDOW) + self._free - nbytes

    def release(self, position: int, nbytes: int) -> None:
        """Give back a block, for the next one of its size."""
        self._released.setdefault(-(-max(nbytes, 1) // LINE) * LINE, []).append(position)

    def empty(self, count: int, dtype: np.dtype) -> np.ndarray:
        """A block of this rank for the caller to keep."""
        window, offset = divmod(self.carve(count * dtype.itemsize), 1 << WINDOW)
        loan = Loan(self._parts[window][self.rank].address + offset, (count * dtype.itemsize,), BYTE)
        self._lent.add(loan)
        return np.asarray(loan).view(dtype)

    def view(self, rank: int, position: int, count: int, dtype: np.dtype) -> np.ndarray:
        """`count` elements of `rank`'s memory."""
        window, offset = position >> WINDOW, position & (1 << WINDOW) - 1
        return self._parts[window][rank].bytes[offset : offset + count * dtype.itemsize].view(dtype)

    def position_of(self, array: np.ndarray) -> int | None:
        """Where a contiguous array of this rank lies in its own parts, None if elsewhere."""
        known = self._known.get(id(array))
        if known is not None and known[0]() is array:
            return known[1]
        position = self._find(array)
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known[id(array)] = (weakref.ref(array), position)
        return position

    def _find(self, array: np.ndarray) -> int | None:
        if array.size == 0:
            return 0
        address = array.__array_interface__["data"][0]
        for window, parts in enumerate(self._parts):
            own = parts[self.rank]
            if address - own.address >= 0 and address + array.nbytes <= own.address + len(own.bytes):
                return (window << WINDOW) + address - own.address
        return None

    def barrier(self) -> None:
        self._settle()
        self._comm.Barrier()

    def sync(self) -> None:
        """A memory barrier: what this rank wrote before it can be seen before what it writes after it."""
        self._windows[0].Sync()

    def close(self) -> None:
        """Free the windows, unless arrays of some rank's caller lie there still: then they stay for good."""
        in_use = self._comm.allreduce(len(self._lent) > 0, MPI.LOR)
        for window in self._windows:
            window.Unlock_all()
            if not in_use:
                window.Free()
        self._windows, self._parts = [], []

    def _grow(self, nbytes: int) -> None:
        self._settle()
        nbytes = self._affordable(nbytes)
        info = MPI.Info.Create({"alloc_shared_noncontig": "true"})  # each rank's part on pages near to it
        window = MPI.Win.Allocate_shared(nbytes, 1, info, self._comm)
        info.Free()
        window.Lock_all(MPI.MODE_NOCHECK)  # opens the window for loads and stores, for good
        parts = []
        for rank in range(self.size):
            memory, _ = window.Shared_query(rank)
            parts.append(Part(memory.address, np.asarray(memory)[:nbytes]))
        self._windows.append(window)
        self._parts.append(parts)
        self._free = 0

    def _affordable(self, nbytes: int) -> int:
        """How large to make each rank's part of the next window: as large as all before it, if there is room.

        The operating system promises memory that it does not have, and ends the process that comes to use it; so the
        question is asked here, and the answer is an error that says what to do.
        """
        before = sum(len(parts[0].bytes) for parts in self._parts)
        wish, need = (-(-size // PAGE) * PAGE for size in (max(nbytes, before, SMALLEST), nbytes))
        room = self._comm.bcast(room_for_windows())  # rank 0's word, for all to do the same
        if room is None or wish * self.size <= room:
            return wish
        if need * self.size <= room:
            return need
        raise UsageError(
            f"shared memory for {self.size} ranks: expected {need * self.size / MIB:.1f} MiB free in {SHM}, found "
            f"{room / MIB:.1f}; enlarge it (containers: --shm-size), or use --engine mpi",
            agreed=True,
        )


def room_for_windows() -> int | None:
    """Bytes that are free where MPI libraries put the memory of windows, None if that cannot be told."""
    try:
        found = os.statvfs(SHM)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
