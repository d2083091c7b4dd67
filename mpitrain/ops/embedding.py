"""Rows of a table by number, and the gradient of the table: each row's is the sum over all places that took it.

The sum goes over the places sorted by row, so it has one order, and the same bits every time. `np.add.at` takes six
times as long on 2,048 places of 128 numbers, a product with a one-hot matrix four times for 256 rows.
"""

from typing import Any

import numpy as np

from mpitrain.memory import empty

Array = Any


def gather(table: Array, ids: Array) -> Array:
    """`table[ids]`: a table (count, width), integers of any shape; the result is (*ids.shape, width).

    Raises ValueError for an id outside of the table.
    """
    count, width = table.shape
    if ids.size and not 0 <= ids.min() <= ids.max() < count:
        place = tuple(map(int, np.argwhere((ids < 0) | (ids >= count))[0]))
        raise ValueError(f"id {ids[place]} at place {place}: expected 0 to {count - 1}, for a table of {count} rows")
    rows = empty((*ids.shape, width), table.dtype)
    # With mode "raise" NumPy would gather into a copy first.
    return np.take(table, ids, axis=0, out=rows, mode="clip")


def scatter_add(gradient: Array, ids: Array, rows: Array, accumulate: bool) -> None:
    """gradient (count, width) = the sum of `rows` (*ids.shape, width) by id, or += with `accumulate`."""
    if not accumulate:
        gradient[...] = 0
    if ids.size == 0:
        return
    ids, rows = ids.reshape(-1), rows.reshape(ids.size, gradient.shape[1])
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    wide = np.result_type(rows.dtype, np.float32)
    by_id = np.take(rows, order, axis=0, out=empty(rows.shape, rows.dtype), mode="clip").astype(wide, copy=False)
    sums = np.add.reduceat(by_id, first, axis=0)
    touched = ordered[first]
    if accumulate:
        sums += gradient[touched]
    gradient[touched] = sums
