"""What a Reduce does: operations on arrays.

Half types (float16, bfloat16) add in float32 and round to their own type, which is what NumPy and ml_dtypes do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Op:
    """`combine(left, right, out=out)` writes left (op) right to `out`, which may be either of them."""

    name: str
    combine: Callable[..., Any]
    commutative: bool = True


OPS = {
    "sum": Op("sum", np.add),
    "prod": Op("prod", np.multiply),
    "min": Op("min", np.minimum),
    "max": Op("max", np.maximum),
    "mean": Op("mean", np.add),
}


def as_op(op: str | Op | Callable[[Any, Any], Any]) -> Op:
    """An `Op` from its name, or from a function (left, right) -> array, which is taken not to commute."""
    if isinstance(op, Op):
        return op
    if callable(op):
        name = getattr(op, "__name__", repr(op))
        return Op(name, lambda left, right, out: np.copyto(out, op(left, right)), commutative=False)
    if op in OPS:
        return OPS[op]
    raise ValueError(f"op {op!r}: expected one of {', '.join(OPS)}, an Op, or a function of (left, right)")


def check_dtype(op: Op, dtype: np.dtype) -> None:
    """`TypeError` where the operation does not fit the type."""
    is_float = dtype.kind in "fc" or dtype.name == "bfloat16"
    if op.name == "mean" and not is_float:
        raise TypeError(f"op 'mean' needs floats: found {dtype}; use op='sum' and divide")
    if dtype.kind not in "iufcb" and dtype.name != "bfloat16":
        raise TypeError(f"op {op.name!r} needs numbers: found {dtype}")


def divide(array: np.ndarray, size: int) -> None:
    """The sum in `array` becomes the mean of `size` values, in place; half types divide in float32."""
    if array.dtype.itemsize == 2:
        array[...] = (array.astype(np.float32) / np.float32(size)).astype(array.dtype)
    else:
        np.divide(array, size, out=array)
