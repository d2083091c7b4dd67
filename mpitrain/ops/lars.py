"""One step of LARS over a flat vector of several layers, in place.

    slope    = scale * gradient + weight_decay * value
    velocity = momentum * velocity + lr * ratio * slope
    value   -= velocity

where each layer has a ratio of its own,

    ratio = trust * |value| / (|scale * gradient| + weight_decay * |value|)

You, Gitman and Ginsburg 2017, Large batch training of convolutional networks, equation 6 and algorithm 1. Outside of
the layers the ratio is 1 and nothing decays.
"""

from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops import flat
from mpitrain.ops.chunks import OUTSIDE, Layers, Reduce, ratios, summed
from mpitrain.ops.launch import NULL, THREADS, launch
from mpitrain.ops.norm import add_partial, sums_of_squares

Array = Any


def lars_step(
    values: Array,
    gradients: Array,
    velocity: Array,
    lr: float,
    layers: Layers,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust: float = 0.001,
    scale: float | Array = 1.0,
    copy: Array | None = None,
    reduce: Reduce | None = None,
) -> None:
    """Move `values` and `velocity` by one step; `gradients` stay as they are.

    Where the vector is a shard, `layers` are the layers' parts in it, as many on every rank, perhaps empty, and
    `reduce` sums a float64 array over the ranks. `copy`, of a half type, receives the new values, rounded. Raises
    ValueError if the vectors do not fit together, see `flat.check_vectors`.
    """
    flat.check_vectors(values, gradients, copy, velocity=velocity)
    if namespace(values) is not np:
        _launch(values, gradients, velocity, lr, layers, momentum, weight_decay, trust, scale, copy, reduce)
        return
    sums = np.stack([sums_of_squares(vector, layers.slices) for vector in (values, gradients)])
    lengths, slopes = np.sqrt(summed(sums, reduce))
    keep, factor = flat.scalars(values.dtype, momentum, scale)
    ratio = ratios(trust * lengths, slopes * factor.item() + weight_decay * lengths)
    scratch = empty((2, min(flat.TILE, len(values))), values.dtype)
    for tile, layer in layers.chunks(flat.TILE):
        value, speed = values[tile], velocity[tile]
        out, spare = scratch[:, : len(value)]
        slope = flat.read(gradients[tile], factor, out)
        own = 1.0 if layer == OUTSIDE else ratio[layer]
        rate, decay = flat.scalars(values.dtype, lr * own, weight_decay)
        if weight_decay and layer != OUTSIDE:
            np.multiply(value, decay, out=spare)
            slope = np.add(slope, spare, out=out)
        np.multiply(slope, rate, out=out)
        np.multiply(speed, keep, out=speed)
        np.add(speed, out, out=speed)
        np.subtract(value, speed, out=value)
        if copy is not None:
            copy[tile] = value


def _launch(
    values: Array,
    gradients: Array,
    velocity: Array,
    lr: float,
    layers: Layers,
    momentum: float,
    weight_decay: float,
    trust: float,
    scale: float | Array,
    copy: Array | None,
    reduce: Reduce | None,
) -> None:
    xp, table = namespace(values), layers.table(namespace(values))
    grid, where = len(table.layer), (table.edges, table.layer)
    partial = empty((2, grid), np.float64, xp)
    launch(xp, "lars.cu", f"lars_norms_{gradients.dtype.name}", grid, THREADS, (values, gradients, *where, partial))
    sums = summed(add_partial(partial, table.ranges), reduce)
    numbers = (np.int32(len(layers)), np.float64(lr), np.float64(weight_decay), np.float64(trust))
    factors = (*flat.typed(values.dtype, momentum), *flat.scale_arguments(values.dtype, scale))
    args = (values, gradients, velocity, NULL if copy is None else copy, *where, sums, *numbers, *factors)
    launch(xp, "lars.cu", f"lars_{flat.types(gradients, copy)}", grid, THREADS, args)
