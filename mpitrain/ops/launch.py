"""Launching the kernels of `kernels/*.cu` on a device, CuPy's or the emulated one.

A file is compiled once a process and device, when one of its kernels is first asked for.
"""

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.kernel_source import source

Array = Any

THREADS = 256  # of a block, where a kernel has no reason for another number
PACK = 16  # bytes that a thread reads or writes at a time, where they lie on such a boundary
RESIDENT = 2048  # threads that a multiprocessor holds at once
SHARED = 48 << 10  # bytes of shared memory that a block may have without asking

NULL = np.uint64(0)  # instead of an array: no address

# What NVRTC is told. A file whose kernels must round as NumPy does, after each operation, says so in a line of its own:
# it forbids fused multiply-adds.
OPTIONS = ("--std=c++17",)
ROUNDED = "// Rounds after each operation: --fmad=false"


def options(file: str) -> tuple[str, ...]:
    """NVRTC's options for a file of `kernels/`."""
    return (*OPTIONS, "--fmad=false") if ROUNDED in source(file).splitlines() else OPTIONS


def launch(
    xp: ModuleType,
    file: str,
    name: str,
    blocks: int | tuple[int, ...],
    threads: int | tuple[int, ...],
    args: tuple[Any, ...],
    shared_bytes: int = 0,
) -> None:
    """Start kernel `name` of `file` on the device of the first array among `args`, on its current stream.

    Args:
        blocks, threads: the grid and the block, up to three numbers each. A grid without blocks starts nothing.
        args: arrays, `NULL`, and NumPy scalars of exactly the types that the kernel takes.
        shared_bytes: of dynamic shared memory a block.
    """
    grid, block = _shape(blocks), _shape(threads)
    if 0 in grid:
        return
    function = _function(xp, file, name)
    if shared_bytes > SHARED and shared_bytes > function.max_dynamic_shared_size_bytes:  # asks the driver each time
        function.max_dynamic_shared_size_bytes = shared_bytes
    with next(argument for argument in args if isinstance(argument, xp.ndarray)).device:
        function(grid, block, args, shared_mem=shared_bytes)


def blocks(array: Array, count: int, threads: int = THREADS) -> int:
    """Blocks for a grid-stride loop over `count` things: a thread each, but no more than the array's device holds."""
    most = _multiprocessors(namespace(array), array.device.id) * max(RESIDENT // threads, 1)
    return min(-(-count // threads), most)


def _shape(numbers: int | tuple[int, ...]) -> tuple[int, ...]:
    return (numbers,) if isinstance(numbers, int) else numbers


@cache
def _multiprocessors(xp: ModuleType, device: int) -> int:
    return int(xp.cuda.Device(device).attributes["MultiProcessorCount"])


@cache
def _module(xp: ModuleType, file: str) -> Any:
    return xp.RawModule(code=source(file), options=options(file))


@cache
def _function(xp: ModuleType, file: str, name: str) -> Any:
    return _module(xp, file).get_function(name)
