"""What the steps of all optimisers share: their vectors are checked alike, and go through the cache in tiles.

On a device a kernel does all of a step; kernels/flat.cuh is what they share.

Each line of a formula is a pass over memory if NumPy is left to itself. Here a tile of all vectors goes through all
lines while it is in the cache.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.ops.launch import NULL, PACK, THREADS, blocks, launch
from mpitrain.ops.spans import Spans

Array = Any

# Elements. Smaller tiles pay more for the calls, larger ones leave a core's second-level cache: four vectors and two
# scratches of float32 are 1.5 MiB.
TILE = 1 << 16
LINE = 64  # elements
PARTS = 4  # of a vector at least, so that scratch is small beside it

MASTERS = ("float32", "float64")
HALVES = ("float16", "bfloat16")
FLOATS = MASTERS + HALVES


def check_vectors(values: Array, gradients: Array, copy: Array | None, **own: Array) -> None:
    """Raises ValueError unless the vectors of a step fit together.

    `values` and the optimiser's `own` are contiguous vectors of one length, float32 or float64; the gradients are like
    them, or of a half type where the values are float32; `copy` is of a half type then, the gradients' if these are of
    one.
    """
    check_vector("values", values, MASTERS)
    for name, vector in own.items():
        _check_like(name, vector, MASTERS, values)
    _check_like("gradients", gradients, FLOATS, values)
    if copy is not None:
        _check_like("copy", copy, HALVES, values)
        if gradients.dtype.name in HALVES and copy.dtype != gradients.dtype:
            raise ValueError(f"copy must be of the gradients' type, {gradients.dtype}, found {copy.dtype}")


def check_vector(name: str, vector: Array, dtypes: tuple[str, ...] = FLOATS) -> None:
    """Raises ValueError unless it is a contiguous vector of one of these types."""
    if vector.ndim != 1 or not vector.flags.c_contiguous or vector.dtype.name not in dtypes:
        raise ValueError(
            f"{name} must be a contiguous vector of {', '.join(dtypes[:-1])} or {dtypes[-1]}, found shape "
            f"{vector.shape}, strides {vector.strides}, {vector.dtype}"
        )


def _check_like(name: str, vector: Array, dtypes: tuple[str, ...], values: Array) -> None:
    check_vector(name, vector, dtypes)
    beside = vector.dtype.name in HALVES and values.dtype == np.float32
    if vector.shape != values.shape or not (vector.dtype == values.dtype or beside):
        raise ValueError(
            f"{name} must be like values, {values.shape} {values.dtype}, found {vector.shape} {vector.dtype}"
        )


def tiles(count: int, start: int = 0) -> Iterator[slice]:
    """A vector's elements from `start` up to `count`, a tile at a time."""
    step = tile_of(count)
    for begin in range(start, count, step):
        yield slice(begin, min(begin + step, count))


def tile_of(count: int) -> int:
    """Elements of a tile of a vector of so many, in whole cache lines."""
    return min(TILE, LINE * max(1, -(-count // (PARTS * LINE))))


def scalars(dtype: Any, *numbers: float) -> list[Array]:
    """Arrays of no dimension, which are not converted anew in every call: that costs more than a small tile."""
    return [np.asarray(number, dtype).reshape(()) for number in numbers]


def read(gradient: Array, scale: Array, out: Array) -> Array:
    """A tile's gradient times `scale` in the type of `out`: in `out`, or the gradient itself where it is that."""
    if gradient.dtype != out.dtype:
        np.copyto(out, gradient)  # the conversion alone is fast, within a multiplication it is not
        gradient = out
    return gradient if scale == 1 else np.multiply(gradient, scale, out=out)


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


def launch_step(
    name: str,
    values: Array,
    gradients: Array,
    own: tuple[Array, ...],
    copy: Array | None,
    decayed: Spans | None,
    numbers: tuple[Any, ...],
    scale: float | Array,
) -> None:
    """The whole step by kernel `name` of the file of that name, which takes (values, gradients, the optimiser's own
    vectors, copy, bits of what decays, numbers, scale, count). Python's numbers become the values' type.
    """
    count = len(values)
    xp, each = namespace(values), PACK // values.dtype.itemsize
    bits = NULL if decayed is None or decayed.whole else decayed.bits(xp)
    args = (values, gradients, *own, NULL if copy is None else copy, bits, *typed(values.dtype, *numbers))
    args += (*scale_arguments(values.dtype, scale), np.int64(count))
    launch(xp, f"{name}.cu", f"{name}_{types(gradients, copy)}", blocks(values, -(-count // each)), THREADS, args)


def types(gradients: Array, copy: Array | None) -> str:
    """The end of a kernel's name."""
    return f"{gradients.dtype.name}_{gradients.dtype.name if copy is None else copy.dtype.name}"


def typed(dtype: Any, *numbers: Any) -> tuple[Any, ...]:
    """A kernel's scalars; those that are NumPy's already stay what they are."""
    return tuple(number if isinstance(number, np.integer) else dtype.type(number) for number in numbers)


def scale_arguments(dtype: Any, scale: float | Array) -> tuple[Any, Any]:
    """A scale that the host knows, or one that the device keeps and nobody has to wait for."""
    on_host = isinstance(scale, int | float | np.generic)
    return (dtype.type(scale), NULL) if on_host else (dtype.type(0), scale)
