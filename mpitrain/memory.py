"""Memory used again: for large arrays that come and go in every step.

A fresh array of megabytes can cost more than the arithmetic on it. The system hands out its pages one by one as they
are touched, each filled with zeros first, and takes them all back when the array goes. Here memory is lent instead:

    empty() -> array = a view of a range of the pool, kept alive by a loan
    the last view of the array is gone -> the loan ends -> its range is free, and one with the free ranges beside it

Nobody gives anything back by hand, so a result may live as long as somebody wants it, in as many microbatches and
threads as there are: two arrays share memory only if the first is gone.

A free range serves any size: an array gets the beginning of the smallest one that is large enough (best fit). So what
the pool takes from the system is little more than the most that was ever lent at once, whatever the sizes; were there
lists of blocks by size, it would be the sum of the most of each.
"""

import math
import mmap
import threading
from bisect import bisect_left, insort
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

Array = Any

SMALLEST = 1 << 17  # bytes; what is smaller malloc has at hand
ALIGNMENT = 64  # bytes; a cache line, and the widest register: NumPy itself gives 16
SEGMENT = 1 << 28  # bytes of address space that are asked for at once at least; pages that nobody touches cost nothing


class Figures(NamedTuple):
    """Bytes that are lent now, and those that were taken from the system, lent or free."""

    used: int
    total: int


class Segment:
    """A piece of address space, and how much of it has ever been lent, from its beginning."""

    def __init__(self, size: int):
        self.memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.address = np.frombuffer(self.memory, np.uint8).ctypes.data
        self.size, self.touched = size, 0


class Pool:
    """Ranges of memory, as (address, size), for all threads. It grows by segments, each as large as all before it."""

    def __init__(self) -> None:
        self.returned: list[tuple[int, int]] = []  # by loans, at any moment: `append` is one step of the interpreter
        self._lock = threading.Lock()
        self._segments: list[Segment] = []
        self._used = 0
        # The free ranges, three times: by (size, address), in order; size by address; address by end.
        self._by_size: list[tuple[int, int]] = []
        self._sizes: dict[int, int] = {}
        self._ends: dict[int, int] = {}

    def take(self, nbytes: int) -> tuple[int, int]:
        """A range of so many bytes, rounded up to whole cache lines."""
        size = -(-nbytes // ALIGNMENT) * ALIGNMENT
        with self._lock:
            self._collect()
            place = bisect_left(self._by_size, (size, 0))
            if place == len(self._by_size):
                self._grow(size)
            found, address = self._by_size[bisect_left(self._by_size, (size, 0))]
            self._forget(address)
            if found > size:
                self._note(address + size, found - size)
            self._used += size
            segment = next(s for s in self._segments if 0 <= address - s.address < s.size)
            segment.touched = max(segment.touched, address + size - segment.address)
        return address, size

    def figures(self) -> Figures:
        """Of this moment."""
        with self._lock:
            self._collect()
            return Figures(self._used, sum(segment.touched for segment in self._segments))

    def trim(self) -> None:
        """Give the pages of free ranges back to the system."""
        with self._lock:
            self._collect()
            for address, size in self._sizes.items():
                segment = next(s for s in self._segments if 0 <= address - s.address < s.size)
                start = -(-(address - segment.address) // mmap.PAGESIZE) * mmap.PAGESIZE
                stop = (address - segment.address + size) // mmap.PAGESIZE * mmap.PAGESIZE
                if stop > start:
                    segment.memory.madvise(mmap.MADV_DONTNEED, start, stop - start)
                if address - segment.address + size + ALIGNMENT == segment.size:
                    segment.touched = address - segment.address

    def _collect(self) -> None:
        """Takes note of what was returned: a free range never has another beside it."""
        while self.returned:
            address, size = self.returned.pop()
            self._used -= size
            if (after := self._sizes.get(address + size)) is not None:
                self._forget(address + size)
                size += after
            if (before := self._ends.get(address)) is not None:
                size += self._forget(before)
                address = before
            self._note(address, size)

    def _grow(self, size: int) -> None:
        whole = -(-max(size + ALIGNMENT, SEGMENT, sum(segment.size for segment in self._segments)) // mmap.PAGESIZE)
        segment = Segment(whole * mmap.PAGESIZE)
        self._segments.append(segment)
        self._note(segment.address, segment.size - ALIGNMENT)  # so that no range reaches into a segment beside it

    def _note(self, address: int, size: int) -> None:
        insort(self._by_size, (size, address))
        self._sizes[address], self._ends[address + size] = size, address

    def _forget(self, address: int) -> int:
        """Gives its size."""
        size = self._sizes.pop(address)
        del self._ends[address + size], self._by_size[bisect_left(self._by_size, (size, address))]
        return size


pool = Pool()


class Loan:
    """What NumPy keeps as the owner of an array's memory, and lets go of with the last view of it."""

    __slots__ = ("__array_interface__", "__weakref__")

    def __init__(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]):
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str, "data": (address, False)}


class PoolLoan(Loan):
    """Gives its range back. It may go in the middle of anything, `Pool.take` too: so it only leaves it at the door."""

    __slots__ = ("home", "range")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]):
        self.range = pool.take(math.prod(shape) * dtype.itemsize)
        self.home = pool.returned
        super().__init__(self.range[0], shape, dtype)

    def __del__(self) -> None:
        self.home.append(self.range)


def empty(shape: tuple[int, ...], dtype: Any, xp: ModuleType = np) -> Array:
    """Like `xp.empty`, contiguous and not initialised. CuPy's arrays come from CuPy, which has such a pool itself."""
    dtype = np.dtype(dtype)
    if xp is not np or math.prod(shape) * dtype.itemsize < SMALLEST:
        return xp.empty(shape, dtype)
    if dtype.isbuiltin == 2:  # somebody's, such as bfloat16, which the array interface has no name for
        return empty(shape, f"u{dtype.itemsize}").view(dtype)
    return np.asarray(PoolLoan(shape, dtype))
