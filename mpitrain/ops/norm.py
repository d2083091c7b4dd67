"""The sum of the squares of a vector, in float64, which also tells whether all of it is finite.

No square of a float32 overflows in float64, so a vector of float32 or of a half type has a finite sum exactly if all
its elements are finite.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.half import widened
from mpitrain.ops.launch import NULL, THREADS, launch

Array = Any

# Elements. BLAS sums a tile of float32 in float32, which costs a fifth of converting it; all terms have one sign, so
# within a tile that loses no more than the last bits.
TILE = 1 << 15
SMALLEST = 1e-30  # a tile's sum below which squares may have been too small for float32


BLOCKS = 1024  # at most, on any device, so that all devices add up alike


def sum_of_squares(vector: Array) -> Array:
    """float64 (1,), of a contiguous vector of any floating-point type."""
    xp = namespace(vector)
    if xp is not np:
        blocks = min(-(-len(vector) * vector.dtype.itemsize // (16 * THREADS)), BLOCKS)
        partial = empty((1, blocks), np.float64, xp)
        name = f"sum_of_squares_{vector.dtype.name}"
        launch(xp, "norm.cu", name, blocks, THREADS, (vector, partial, np.int64(len(vector))))
        return add_partial(partial)[0]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.array([math.fsum(_tile(vector[i : i + TILE]) for i in range(0, len(vector), TILE))])


def sums_of_squares(vector: Array, spans: Sequence[slice]) -> Array:
    """float64 (spans,): those of its parts."""
    return np.array([sum_of_squares(vector[span])[0] for span in spans], np.float64)


def add_partial(partial: Array, ranges: Array | None = None) -> Array:
    """On a device: float64 (kinds, sums) of the partial sums (kinds, count), each in order.

    `ranges`, int64 (sums, 2), says which belong together; without it all of a kind do.
    """
    xp, (kinds, count) = namespace(partial), partial.shape
    each = 1 if ranges is None else len(ranges)
    sums = empty((kinds, each), np.float64, xp)
    args = (partial, NULL if ranges is None else ranges, np.int64(count), np.int32(each), sums)
    launch(xp, "norm.cu", "add_partial", kinds * each, THREADS, args)
    return sums


def _tile(part: Array) -> float:
    part = widened(part)
    total = float(part @ part)
    if SMALLEST < total < math.inf:
        return total
    wide = part.astype(np.float64)
    return float(wide @ wide)


def clip_factor(squares: Array, limit: float, scale: float) -> tuple[Any, Any]:
    """The norm of a vector times `scale`, and the factor that clips it, see `optim/clip.py`; `squares` as above.

    On the host two numbers, on a device float64 (1,) and float32 (1,).
    """
    xp = namespace(squares)
    if xp is not np:
        norm, factor = empty((1,), np.float64, xp), empty((1,), np.float32, xp)
        numbers = (np.float64(limit), np.float64(scale))
        launch(xp, "norm.cu", "clip_factor", 1, 1, (squares, *numbers, norm, factor))
        return norm, factor
    norm = abs(scale) * math.sqrt(squares[0])
    return norm, scale * min(1.0, limit / (norm + 1e-6))
