"""The sum of the squares of a vector, in float64, which also tells whether all of it is finite.

No square of a float32 overflows in float64, so a vector of float32 or of a half type has a finite sum exactly if all
its elements are finite.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any

# Elements. BLAS sums a tile of float32 in float32, which costs a fifth of converting it; all terms have one sign, so
# within a tile that loses no more than the last bits.
TILE = 1 << 15
SMALLEST = 1e-30  # a tile's sum below which squares may have been too small for float32


def sum_of_squares(vector: Array) -> Array:
    """float64 (1,), of a contiguous vector of any floating-point type."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.array([math.fsum(_tile(vector[i : i + TILE]) for i in range(0, len(vector), TILE))])


def sums_of_squares(vector: Array, spans: Sequence[slice]) -> Array:
    """float64 (spans,): those of its parts."""
    return np.array([sum_of_squares(vector[span])[0] for span in spans], np.float64)


def _tile(part: Array) -> float:
    if part.dtype.itemsize == 2:
        part = part.astype(np.float32)
    total = float(part @ part)
    if SMALLEST < total < math.inf:
        return total
    wide = part.astype(np.float64)
    return float(wide @ wide)


def clip_factor(squares: Array, limit: float, scale: float) -> tuple[Any, Any]:
    """The norm of a vector times `scale`, and the factor that clips it, see `optim/clip.py`; `squares` as above."""
    norm = abs(scale) * math.sqrt(squares[0])
    return norm, scale * min(1.0, limit / (norm + 1e-6))
