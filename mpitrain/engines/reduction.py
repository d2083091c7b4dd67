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


def is_float(dtype: np.dtype) -> bool:
    """Real or complex, half types included."""
    return dtype.kind in "fc" or dtype.name == "bfloat16"


def check_dtype(op: Op, dtype: np.dtype) -> None:
    """`TypeError` where the operation does not fit the type."""
    if op is OPS["mean"] and not is_float(dtype):
        raise TypeError(f"op 'mean' needs floats: found {dtype}; use op='sum' and divide")
    if op is OPS.get(op.name) and dtype.kind not in "iub" and not is_float(dtype):
        raise TypeError(f"op {op.name!r} needs numbers: found {dtype}")


def wide(array: np.ndarray) -> np.ndarray:
    """The array itself, or a half type's values as float32, to compute with and round once."""
    return array.astype(np.float32) if array.dtype.itemsize == 2 else array


def divide(array: np.ndarray, size: int) -> None:
    """The sum in `array` becomes the mean of `size` values, in place."""
    np.divide(wide(array), size, out=array, casting="same_kind")
