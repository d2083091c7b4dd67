"""What the steps of all optimisers share: their vectors are checked alike, and go through the cache in tiles.

Each line of a formula is a pass over memory if NumPy is left to itself. Here a tile of all vectors goes through all
lines while it is in the cache.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mpitrain.ops.spans import Spans

Array = Any

# Elements. Smaller tiles pay more for the calls, larger ones leave a core's second-level cache: four vectors and two
# scratches of float32 are 1.5 MiB.
TILE = 1 << 16

MASTERS = ("float32", "float64")
HALVES = ("float16", "bfloat16")


def check_vectors(values: Array, gradients: Array, copy: Array | None, **own: Array) -> None:
    """Raises ValueError unless the vectors of a step fit together.

    `values` and the optimiser's `own` are contiguous vectors of one length, float32 or float64; the gradients are like
    them, or of a half type where the values are float32; `copy` is of a half type.
    """
    _check("values", values, MASTERS, values)
    for name, vector in own.items():
        _check(name, vector, MASTERS, values)
    _check("gradients", gradients, MASTERS + HALVES, values)
    if copy is not None:
        _check("copy", copy, HALVES, values)


def _check(name: str, vector: Array, dtypes: tuple[str, ...], values: Array) -> None:
    if vector.ndim != 1 or not vector.flags.c_contiguous or vector.dtype.name not in dtypes:
        raise ValueError(
            f"{name} must be a contiguous vector of {', '.join(dtypes[:-1])} or {dtypes[-1]}, found shape "
            f"{vector.shape}, strides {vector.strides}, {vector.dtype}"
        )
    beside = vector.dtype.name in HALVES and values.dtype == np.float32
    if vector.shape != values.shape or not (vector.dtype == values.dtype or beside):
        raise ValueError(
            f"{name} must be like values, {values.shape} {values.dtype}, found {vector.shape} {vector.dtype}"
        )


def tiles(count: int, start: int = 0) -> Iterator[slice]:
    """A vector's elements from `start` up to `count`, a tile at a time."""
    for begin in range(start, count, TILE):
        yield slice(begin, min(begin + TILE, count))


def scalars(dtype: Any, *numbers: float) -> list[Array]:
    """Arrays of no dimension, which are not converted anew in every call: that costs more than a small tile."""
    return [np.asarray(number, dtype) for number in numbers]


def read(gradient: Array, scale: Array, out: Array) -> Array:
    """A tile's gradient times `scale` in the type of `out`: in `out`, or the gradient itself where it is that."""
    if gradient.dtype == out.dtype and scale == 1:
        return gradient
    return np.multiply(gradient, scale, out=out)


def add_decay(slope: Array, value: Array, decay: Array, decayed: Spans, tile: slice, out: Array, spare: Array) -> Array:
    """`slope` + `decay` * `value` where the tile is decayed, `slope` elsewhere, in `out`."""
    if slope is not out:
        if decayed.whole:
            np.multiply(value, decay, out=out)
            return np.add(slope, out, out=out)
        np.copyto(out, slope)
    for piece in decayed.within(tile):
        np.multiply(value[piece], decay, out=spare[piece])
        np.add(out[piece], spare[piece], out=out[piece])
    return out
