"""Memory used again: for large arrays that come and go in every step.

A fresh array of megabytes can cost more than the arithmetic on it. The system hands out its pages one by one as they
are touched, each filled with zeros first, and takes them all back when the array goes. Here memory is lent instead:

    empty() -> array = a view of a block, kept alive by a loan
    the last view of the array is gone -> the loan ends -> its block waits for the next of its size

Nobody gives anything back by hand, so a result may live as long as somebody wants it, in as many microbatches and
threads as there are: two arrays share a block only if the first is gone. What is kept is what was in use at once.
"""

import math
from collections import defaultdict
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

Array = Any

SMALLEST = 1 << 17  # bytes; what is smaller malloc has at hand
ALIGNMENT = 64  # bytes; a cache line, and the widest register: NumPy itself gives 16


class Block(NamedTuple):
    """Memory as bytes, and where an array in it begins."""

    memory: Array
    address: int

    @classmethod
    def of(cls, size: int) -> "Block":
        """Room for so many bytes. Pages that nobody touches cost nothing."""
        memory = np.empty(size + ALIGNMENT, np.uint8)
        return cls(memory, memory.ctypes.data + -memory.ctypes.data % ALIGNMENT)


_idle: defaultdict[int, list[Block]] = defaultdict(list)  # by size; the latest, still in the cache, is lent first


class Loan:
    """What NumPy keeps as the owner of an array's memory, and lets go of with the last view of it."""

    __slots__ = ("__array_interface__", "__weakref__")

    def __init__(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]):
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str, "data": (address, False)}


class _BlockLoan(Loan):
    """Gives its block back."""

    __slots__ = ("block", "home")

    def __init__(self, home: list[Block], block: Block, shape: tuple[int, ...], dtype: np.dtype[Any]):
        super().__init__(block.address, shape, dtype)
        self.home, self.block = home, block

    def __del__(self) -> None:
        self.home.append(self.block)


def empty(shape: tuple[int, ...], dtype: Any, xp: ModuleType = np) -> Array:
    """Like `xp.empty`, contiguous and not initialised. CuPy's arrays come from CuPy, which has such a pool itself."""
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    if xp is not np or nbytes < SMALLEST:
        return xp.empty(shape, dtype)
    if dtype.isbuiltin == 2:  # somebody's, such as bfloat16, which the array interface has no name for
        return empty(shape, f"u{dtype.itemsize}").view(dtype)
    size = 1 << (nbytes - 1).bit_length()  # so that batches of about one size use each other's
    home = _idle[size]
    try:
        block = home.pop()  # one step of the interpreter, as is append: no two threads get the same
    except IndexError:
        block = Block.of(size)
    return np.asarray(_BlockLoan(home, block, shape, dtype))
