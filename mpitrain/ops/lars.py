"""One step of LARS over a flat vector of several layers, in place.

    slope    = scale * gradient + weight_decay * value
    velocity = momentum * velocity + lr * ratio * slope
    value   -= velocity

where each layer has a ratio of its own,

    ratio = trust * |value| / (|scale * gradient| + weight_decay * |value|)

You, Gitman and Ginsburg 2017, Large batch training of convolutional networks, equation 6 and algorithm 1. Outside of
the layers the ratio is 1 and nothing decays.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mpitrain.memory import empty
from mpitrain.ops import flat
from mpitrain.ops.chunks import OUTSIDE, Reduce, chunks, ratios, summed
from mpitrain.ops.norm import sums_of_squares

Array = Any


def lars_step(
    values: Array,
    gradients: Array,
    velocity: Array,
    lr: float,
    layers: Sequence[slice],
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust: float = 0.001,
    scale: float | Array = 1.0,
    copy: Array | None = None,
    reduce: Reduce | None = None,
) -> None:
    """Move `values` and `velocity` by one step; `gradients` stay as they are.

    `layers` are ascending and disjoint. Where the vector is a shard, they are the layers' parts in it, as many on every
    rank, perhaps empty, and `reduce` sums a float64 vector over the ranks. `copy`, of a half type, receives the new
    values, rounded. Raises ValueError if the vectors do not fit together, see `flat.check_vectors`.
    """
    flat.check_vectors(values, gradients, copy, velocity=velocity)
    sums = np.stack([sums_of_squares(values, layers), sums_of_squares(gradients, layers)])
    lengths, slopes = np.sqrt(summed(sums, reduce))
    ratio = ratios(trust * lengths, slopes * float(scale) + weight_decay * lengths)
    keep, factor = flat.scalars(values.dtype, momentum, scale)
    scratch = empty((2, min(flat.TILE, len(values))), values.dtype)
    for tile, layer in chunks(layers, len(values), flat.TILE):
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
