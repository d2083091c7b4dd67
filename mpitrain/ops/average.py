"""A moving average of a flat vector, in place:  average += (1 - decay) * (value - average)."""

from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops import flat
from mpitrain.ops.launch import PACK, THREADS, blocks, launch

Array = Any


def average_step(average: Array, values: Array, decay: float) -> None:
    """Move `average` towards `values`, contiguous vectors of float32 or float64. Raises ValueError if they differ."""
    flat.check_vectors(values, values, None, average=average)
    if namespace(values) is not np:
        xp, count, each = namespace(values), len(values), PACK // values.dtype.itemsize
        args = (average, values, values.dtype.type(1 - decay), np.int64(count))
        launch(xp, "average.cu", f"average_{values.dtype}", blocks(values, -(-count // each)), THREADS, args)
        return
    (take,) = flat.scalars(average.dtype, 1 - decay)
    scratch = empty((flat.tile_of(len(values)),), average.dtype)
    for tile in flat.tiles(len(values)):
        own = average[tile]
        way = scratch[: len(own)]
        np.subtract(values[tile], own, out=way)
        np.multiply(way, take, out=way)
        np.add(own, way, out=own)
