"""Combine what has arrived into what is there: the arithmetic of our schedules, on NumPy arrays and on a device's.

Half types (float16, bfloat16) are computed with in float32 and rounded once. Minimum and maximum are NaN where either
number is. All functions work in place on contiguous vectors of one type and one length, and need no more memory on a
device. The CUDA twin is kernels/reduce.cu.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.ops.half import widened
from mpitrain.ops.launch import launch

Array = Any

OPS: Mapping[str, Callable[..., Any]] = {"sum": np.add, "prod": np.multiply, "min": np.minimum, "max": np.maximum}

FLOATS = ("float64", "float32", "float16", "bfloat16")
DTYPES = (*FLOATS, "int32", "int64")
"""What a device can reduce; the floats can be weighted too."""

THREADS = 256  # of a block
MOST_BLOCKS = 256
"""Two to a multiprocessor of the largest: enough for most of its bandwidth, and the rest is free for computation."""

BYTES_OF_A_THREAD = 16


def combine(own: Array, incoming: Array, op: str) -> None:
    """own = own (op) incoming; `op` is sum, prod, min or max. `TypeError` for a type that a device cannot reduce."""
    if namespace(own) is np:
        own[...] = OPS[op](widened(own), widened(incoming))
    else:
        _launch(f"reduce_{op}", own, own, incoming)


def scale(source: Array, target: Array, weight: float) -> None:
    """target = weight source. `TypeError` for others than floats."""
    if namespace(target) is np:
        target[...] = widened(source) * weight
    else:
        _launch("scale", target, target, source, _number(target, weight))


def mix(own: Array, incoming: Array, weight: float) -> None:
    """own = (1 - weight) own + weight incoming. `TypeError` for others than floats."""
    if namespace(own) is np:
        own[...] = (1 - weight) * widened(own) + weight * widened(incoming)
    else:
        _launch("mix", own, own, incoming, _number(own, 1 - weight), _number(own, weight))


def divide(values: Array, size: int) -> None:
    """values = values / size. `TypeError` for others than floats."""
    if namespace(values) is np:
        values[...] = widened(values) / size
    else:
        _launch("divide", values, values, _number(values, size))


def check(name: str, dtype: np.dtype[Any]) -> None:
    """`TypeError` where no kernel reduces (`name` "reduce") or weights (any other) numbers of this type."""
    dtypes = DTYPES if name.startswith("reduce") else FLOATS
    if dtype.name not in dtypes:
        raise TypeError(f"{name} on a device: expected one of {', '.join(dtypes)}; found {dtype.name}")


def _launch(name: str, like: Array, *arguments: Any) -> None:
    check(name, like.dtype)
    count = like.size
    if count == 0:
        return  # a grid of no blocks cannot be launched
    blocks = min(MOST_BLOCKS, -(-like.nbytes // (THREADS * BYTES_OF_A_THREAD)))
    launch(namespace(like), "reduce.cu", f"{name}_{like.dtype.name}", blocks, THREADS, (*arguments, np.int64(count)))


def _number(like: Array, value: float) -> np.generic:
    """As the kernel of such an array takes a number: a half type's is float32."""
    return np.float64(value) if like.dtype == np.float64 else np.float32(value)
