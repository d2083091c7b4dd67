"""Rotary positions: each pair of numbers of a query or a key turned by an angle that grows with its position.

Pair i of `width` / 2 of the vector at position p, seen as a complex number x_2i + i x_2i+1, is multiplied by
exp(i p theta_i), theta_i = base^(-2i / width) (Su et al. 2021, equation 34). The product of a query and a key then
depends on how far they are apart, not on where they are. Turning back is multiplying by the conjugate. The CUDA twin is
kernels/rotary.cu.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.ops.half import is_half
from mpitrain.ops.launch import THREADS, blocks, launch

Array = Any


def rotate(x: Array, base: float, back: bool = False) -> None:
    """Turn x (batch, length, heads, width) in place, position p of `length` by p steps; `back`: undo it.

    x may be a view of an array (batch, length, ...) whose heads lie one behind the other. Raises ValueError for an odd
    width.
    """
    xp, (batch, length, heads, width) = namespace(x), x.shape
    if width % 2:
        raise ValueError(f"rotary positions turn pairs of numbers, found heads of width {width}")
    if xp is not np:
        if x.size:
            sizes = (np.int64(batch * length), np.int32(length), np.int32(heads), np.int32(width))
            args = (x, *sizes, np.int64(x.strides[1] // x.itemsize), np.float64(base), np.int32(back))
            launch(xp, "rotary.cu", f"rotary_{x.dtype.name}", blocks(x, x.size // (2 * heads)), THREADS, args)
        return
    rows = x.reshape(batch, length, heads * width, copy=False)
    kind = np.result_type(x.dtype, np.complex64)  # of half types, too: they are turned in float32
    turns = _turns(length, heads, width, base, back, kind)
    if is_half(x.dtype):
        whole = rows.astype(np.float32).view(kind)
        whole *= turns
        rows[...] = whole.view(np.float32)
        return
    # One product of complex numbers for all pairs of all heads: NumPy is slow on rows as short as a head's.
    pairs = rows.view(kind)
    pairs *= turns


@lru_cache(maxsize=8)
def _turns(length: int, heads: int, width: int, base: float, back: bool, kind: Any) -> Array:
    """(length, heads * width / 2) complex numbers."""
    angles = np.outer(np.arange(length), base ** (-np.arange(0, width, 2) / width))
    return np.tile(np.exp((-1j if back else 1j) * angles), heads).astype(kind)
