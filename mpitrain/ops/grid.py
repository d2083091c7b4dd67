"""Grids for kernels whose threads lie along the channels of images (x) and along their windows or pixels (y)."""

from typing import Any

from mpitrain.ops.launch import THREADS, blocks

Array = Any

WIDEST = 64  # threads of a block along the channels; the others of it are at other rows


def over_rows(array: Array, units: int, rows: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Grid and block for `rows` of so many units of channels; a thread has one unit, and may have several rows."""
    across = min(WIDEST, 1 << max(0, units - 1).bit_length())
    down = THREADS // across
    columns = -(-units // across)
    most = max(1, blocks(array, units * rows) // max(1, columns))
    return (columns, min(-(-rows // down), most)), (across, down)
