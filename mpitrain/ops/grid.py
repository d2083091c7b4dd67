"""Grids for kernels over rows: threads lie along a row (x) and down the rows (y), 16 bytes each where that fits."""

from typing import Any

from mpitrain.ops.launch import PACK, THREADS, blocks

Array = Any

WIDEST = 64  # threads of a block along the channels of an image; the others of it are at other rows


def in_packs(width: int, *arrays: Array) -> bool:
    """Whether rows of so many numbers can be taken PACK bytes at a time in all arrays, which are of one type."""
    whole = width % (PACK // arrays[0].itemsize) == 0
    return whole and all(array.data.ptr % PACK == 0 for array in arrays)


def units_of(width: int, array: Array, packed: bool) -> int:
    """What threads take one of: the packs of a row of so many numbers, or the numbers."""
    return width // (PACK // array.itemsize) if packed else width


def over_rows(array: Array, units: int, rows: int, widest: int = WIDEST) -> tuple[tuple[int, int], tuple[int, int]]:
    """Grid and block for `rows` of so many units; a thread has one unit, and may have several rows."""
    across = min(widest, 1 << max(0, units - 1).bit_length())
    down = THREADS // across
    columns = -(-units // across)
    most = max(1, blocks(array, units * rows) // max(1, columns))
    return (columns, min(-(-rows // down), most)), (across, down)
