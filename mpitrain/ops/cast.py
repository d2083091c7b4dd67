"""An array in another floating-point type, into memory that is there: rounded to nearest, ties to even.

What is too large for the type becomes infinite. From float64 to a half type it goes by float32, and so rounds twice.
"""

from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops import flat
from mpitrain.ops.launch import PACK, THREADS, blocks, launch

Array = Any


def cast(x: Array, out: Array) -> Array:
    """`x` in the type of `out`, an array of its shape, which is returned; both contiguous.

    Types are float32, float64, float16 and bfloat16. Raises ValueError for shapes that differ, and for arrays that are
    not contiguous.
    """
    if x.shape != out.shape:
        raise ValueError(f"a cast needs two arrays of one shape, found {x.shape} and {out.shape}")
    if not (x.flags.c_contiguous and out.flags.c_contiguous):
        raise ValueError(f"a cast needs contiguous arrays, found strides {x.strides} and {out.strides}")
    xp = namespace(x)
    if x.dtype == out.dtype:
        out[...] = x
    elif xp is np:
        _cast_on_cpu(x.reshape(-1), out.reshape(-1))
    else:
        each = PACK // max(x.dtype.itemsize, out.dtype.itemsize)
        name = f"cast_{x.dtype.name}_{out.dtype.name}"
        launch(xp, "cast.cu", name, blocks(x, -(-x.size // each)), THREADS, (x, out, np.int64(x.size)))
    return out


def _cast_on_cpu(x: Array, out: Array) -> None:
    twice = x.dtype == np.float64 and out.dtype.itemsize == 2
    middle = empty((min(flat.TILE, len(x)),), np.float32) if twice else None
    with np.errstate(over="ignore"):
        for tile in flat.tiles(len(x)):
            part = x[tile]
            if middle is not None:
                part = middle[: len(part)]
                part[...] = x[tile]
            out[tile] = part
