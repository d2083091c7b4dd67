"""The k numbers of a vector that are largest in magnitude: what a sparsified gradient sends.

Ties go to the lower index and the result is in the order of the indices, so that every machine and device chooses
alike. Without their sign, a float's bits are an integer of the same order; NaN stands above all. kernels/topk.cu tells
how a device selects.
"""

from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.flat import check_vector
from mpitrain.ops.launch import THREADS, blocks, launch

Array = Any

LONGEST = 2**31 - 1  # elements, since indices are int32: half of what is sent
BLOCKS = THREADS  # at most: each has a thread in the one block that adds up their tallies


def top_k(vector: Array, k: int) -> tuple[Array, Array]:
    """Indices, int32 (k,), ascending, and the numbers there, (k,), of a contiguous vector of any floating-point type.

    Raises ValueError if it is none, k is below 0 or above its length, or it has more than 2^31 - 1 elements.
    """
    check_vector("vector", vector)
    count = len(vector)
    if not 0 <= k <= count:
        raise ValueError(f"k must be from 0 to the vector's length {count}, found {k}")
    if count > LONGEST:
        raise ValueError(f"the vector must have at most {LONGEST} elements, found {count}; take it in parts")
    xp = namespace(vector)
    if k == 0:
        return empty((0,), np.int32, xp), empty((0,), vector.dtype, xp)
    if xp is not np:
        return _on_device(vector, k)
    kind = np.dtype(f"u{vector.dtype.itemsize}")
    keys = vector.view(kind) & kind.type(np.iinfo(kind).max >> 1)
    edge = np.partition(keys, count - k)[count - k]
    chosen = keys > edge
    wanted = k - np.count_nonzero(chosen)
    chosen[np.flatnonzero(keys == edge)[:wanted]] = True
    indices = np.flatnonzero(chosen).astype(np.int32)
    return indices, vector[indices]


def _on_device(vector: Array, k: int) -> tuple[Array, Array]:
    xp, name, count = namespace(vector), vector.dtype.name, np.int64(len(vector))
    state = xp.zeros((2,), np.uint64)  # the digits that are known, and how many numbers are wanted
    state[1] = k
    digits = vector.dtype.itemsize
    counts = xp.zeros((digits, 256), np.int32)
    for digit in range(digits):
        shift, own = np.int32(8 * (digits - 1 - digit)), counts[digit]
        launch(
            xp,
            "topk.cu",
            f"topk_count_{name}",
            blocks(vector, len(vector)),
            THREADS,
            (vector, state, own, shift, count),
        )
        launch(xp, "topk.cu", "topk_digit", 1, THREADS, (state, own))
    grid = min(-(-len(vector) // THREADS), BLOCKS)
    tallies = empty((grid, 2), np.int32, xp)
    indices, values = empty((k,), np.int32, xp), empty((k,), vector.dtype, xp)
    launch(xp, "topk.cu", f"topk_tally_{name}", grid, THREADS, (vector, state, tallies, count))
    launch(xp, "topk.cu", "topk_offsets", 1, THREADS, (tallies, np.int32(grid)))
    launch(xp, "topk.cu", f"topk_gather_{name}", grid, THREADS, (vector, state, tallies, indices, values, count))
    return indices, values
