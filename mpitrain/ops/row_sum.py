"""The sum over the rows of a matrix: the gradient of a bias.

On the CPU BLAS has it as the product of ones and the matrix, several times faster than `sum(axis=0)` for a tall one. On
a device the CUDA twin, kernels/row_sum.cu, reads each number once, which a product of half types with one row does not
promise.
"""

from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.grid import in_packs, units_of
from mpitrain.ops.half import wide_type
from mpitrain.ops.launch import THREADS, blocks, launch
from mpitrain.ops.matmul import matmul

Array = Any

ACROSS = 32  # threads of a block beside each other in a row, at most: 512 bytes of 16 each
PARTS = 256  # sums that the first launch leaves for each column, at most


def row_sum(matrix: Array, out: Array, accumulate: bool = False) -> None:
    """out = the sum over the rows of `matrix` (rows, width), or out += that. Half types are summed in float32."""
    xp = namespace(matrix)
    if xp is not np:
        _on_gpu(matrix, out, accumulate)
        return
    ones = empty((len(matrix),), matrix.dtype)
    ones[...] = 1
    if accumulate:
        out += matmul(ones, matrix, out=empty(out.shape, out.dtype))
    else:
        matmul(ones, matrix, out=out)


def _on_gpu(matrix: Array, out: Array, accumulate: bool) -> None:
    xp, (rows, width) = namespace(matrix), matrix.shape
    matrix = xp.ascontiguousarray(matrix)
    wide = wide_type(matrix.dtype)
    packed = in_packs(width, matrix)
    groups = units_of(width, matrix, packed)

    columns, across, down = _block(groups)
    most = min(blocks(matrix, groups * max(rows, 1)) // max(columns, 1), PARTS)
    parts = empty((max(min(-(-rows // down), most), 1), width), wide, xp)
    sizes = (np.int64(rows), np.int64(width))
    shared = THREADS * wide.itemsize * (width // groups if groups else 1)
    begin, end = (f"row_sum_{stage}_{matrix.dtype.name}" for stage in ("begin", "end"))
    given = (matrix, parts, np.int32(packed), *sizes)
    launch(xp, "row_sum.cu", begin, (columns, len(parts)), (across, down), given, shared)

    columns, across, down = _block(width)
    given = (parts, out, np.int32(accumulate), np.int64(len(parts)), sizes[1])
    launch(xp, "row_sum.cu", end, (columns, 1), (across, down), given, THREADS * wide.itemsize)


def _block(groups: int) -> tuple[int, int, int]:
    """Blocks beside each other over so many groups of columns, and the threads of one: across, and down the rows."""
    across = min(ACROSS, 1 << max(groups - 1, 0).bit_length())
    return -(-groups // across), across, THREADS // across
