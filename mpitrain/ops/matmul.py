"""The matrix product, through the library of the device: BLAS, cuBLAS.

Half types are multiplied in float32, summed in float32 and rounded once, which is what the tensor cores do. NumPy has
no such product: there the operands are widened, which is right but slow.
"""

from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.ops.half import is_half, widened

Array = Any


def matmul(a: Array, b: Array, out: Array) -> Array:
    """out = a @ b, which is returned: matrices (n, k) and (k, m), stacks of them, or a vector in the place of one."""
    xp = namespace(out)
    if xp is np and is_half(out.dtype):
        out[...] = np.matmul(widened(a), widened(b))
        return out
    return xp.matmul(a, b, out=out)
