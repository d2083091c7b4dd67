"""Rows of a table by number, and the gradient of the table: each row's is the sum over all places that took it.

The sum goes over the places sorted by row, so it has one order, and the same bits every time. `np.add.at` takes five
times as long on 2,048 places of 128 numbers, a product with a one-hot matrix three times for 256 rows. The CUDA twin is
kernels/embedding.cu.
"""

from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.half import wide_type
from mpitrain.ops.launch import THREADS, blocks, launch

Array = Any

FILE = "embedding.cu"
PLACES = 32  # that a block of the kernel sums up


def gather(table: Array, ids: Array) -> Array:
    """`table[ids]`: a table (count, width), integers of any shape; the result is (*ids.shape, width).

    Raises ValueError for an id outside of the table; on a device, for which nobody waits, its row is NaN.
    """
    xp, (count, width) = namespace(table), table.shape
    rows = empty((*ids.shape, width), table.dtype, xp)
    if xp is not np:
        ids = xp.ascontiguousarray(ids, np.int64)
        grid = blocks(table, -(-rows.nbytes // 16))
        args = (table, ids, rows, np.int64(ids.size), np.int64(count), np.int32(width))
        launch(xp, FILE, f"embedding_gather_{table.dtype.name}", grid, THREADS, args)
        return rows
    if ids.size and not 0 <= ids.min() <= ids.max() < count:
        place = tuple(map(int, np.argwhere((ids < 0) | (ids >= count))[0]))
        raise ValueError(f"id {ids[place]} at place {place}: expected 0 to {count - 1}, for a table of {count} rows")
    # With mode "raise" NumPy would gather into a copy first.
    return np.take(table, ids, axis=0, out=rows, mode="clip")


def scatter_add(gradient: Array, ids: Array, rows: Array, accumulate: bool) -> None:
    """gradient (count, width) = the sum of `rows` (*ids.shape, width) by id, or += with `accumulate`."""
    if not accumulate:
        gradient[...] = 0
    if ids.size == 0:
        return
    xp, ids, rows = namespace(gradient), ids.reshape(-1), rows.reshape(ids.size, gradient.shape[1])
    order = xp.argsort(ids, kind="stable")
    ordered = ids[order]
    if xp is not np:
        _scatter_on_device(
            gradient, xp.ascontiguousarray(ordered, np.int64), order, xp.ascontiguousarray(rows), accumulate
        )
        return
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    wide = wide_type(rows.dtype)
    by_id = np.take(rows, order, axis=0, out=empty(rows.shape, rows.dtype), mode="clip").astype(wide, copy=False)
    sums = np.add.reduceat(by_id, first, axis=0)
    touched = ordered[first]
    if accumulate:
        sums += gradient[touched]
    gradient[touched] = sums


def _scatter_on_device(gradient: Array, ordered: Array, order: Array, rows: Array, accumulate: bool) -> None:
    xp, (count, width), dtype = namespace(gradient), gradient.shape, gradient.dtype
    parts, threads = -(-len(ordered) // PLACES), min(THREADS, -(-width // 32) * 32)
    edges = empty((parts, 2, width), wide_type(dtype), xp)
    sizes = (np.int64(len(ordered)), np.int64(count), np.int32(width), np.int32(accumulate))
    args = (gradient, ordered, order, rows, edges, *sizes)
    launch(xp, FILE, f"embedding_sums_{dtype.name}", parts, threads, args)
    launch(xp, FILE, f"embedding_join_{dtype.name}", parts, threads, (gradient, ordered, edges, *sizes))
