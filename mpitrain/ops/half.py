"""Half types, float16 and bfloat16: they are computed with in float32, and results are rounded to them once."""

from typing import Any

import numpy as np

Array = Any


def is_half(dtype: Any) -> bool:
    """Whether numbers of this type are of 2 bytes and no integers. (NumPy does not count bfloat16 among its floats.)"""
    return bool(dtype.itemsize == 2 and dtype.kind not in "iu")


def wide_type(dtype: Any) -> np.dtype[Any]:
    """The type in which to compute with numbers of this type: float32 for half types, itself for others."""
    return np.dtype(np.float32) if is_half(dtype) else np.dtype(dtype)


def widened(array: Array) -> Array:
    """An array of a half type as float32; others as they are."""
    return array.astype(np.float32) if is_half(array.dtype) else array
