"""Arrays of any shape as matrices of rows, which is how layers and kernels see what has one last axis to work on."""

import math
from typing import Any

from mpitrain.array import namespace

Array = Any


def as_rows(x: Array) -> Array:
    """(..., width) as a contiguous matrix (rows, width): a view, or a copy if `x` itself is a view with gaps."""
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    return rows if rows.flags.c_contiguous else namespace(x).ascontiguousarray(rows)
