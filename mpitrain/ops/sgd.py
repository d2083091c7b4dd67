"""One step of SGD with momentum over flat vectors, in place.

    slope    = scale * gradient + weight_decay * value
    velocity = momentum * velocity + slope
    value   -= lr * velocity                            (plain)
    value   -= lr * (slope + momentum * velocity)       (Nesterov)

This is PyTorch's definition: `lr` scales the step and is not folded into the velocity, so a changing rate acts at once.
Its dampening is 0, and a velocity of 0 makes the first step the gradient itself.

The CUDA twin is kernels/sgd.cu; both round in the same places (on a GPU CuPy also rounds numbers below 1.2e-38 to
zero).
"""

from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops import flat
from mpitrain.ops.spans import Spans

Array = Any


def sgd_step(
    values: Array,
    gradients: Array,
    velocity: Array,
    lr: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    decayed: Spans | None = None,
    scale: float | Array = 1.0,
    copy: Array | None = None,
) -> None:
    """Move `values` and `velocity` by one step; `gradients` stay as they are.

    Weights decay in `decayed`, by default everywhere. `copy`, of a half type, receives the new values, rounded. Raises
    ValueError if the vectors do not fit together, see `flat.check_vectors`.
    """
    flat.check_vectors(values, gradients, copy, velocity=velocity)
    if namespace(values) is not np:
        numbers = (lr, momentum, weight_decay, np.int32(nesterov))
        flat.launch_step("sgd", values, gradients, (velocity,), copy, decayed, numbers, scale)
        return
    rate, keep, decay, factor = flat.scalars(values.dtype, lr, momentum, weight_decay, scale)
    decayed = decayed or Spans(None, len(values))
    scratch = empty((2, flat.tile_of(len(values))), values.dtype)
    for tile in flat.tiles(len(values)):
        value, speed = values[tile], velocity[tile]
        out, move = scratch[:, : len(value)]
        slope = flat.read(gradients[tile], factor, out)
        if weight_decay:
            slope = flat.add_decay(slope, value, decay, decayed, tile, out, move)
        np.multiply(speed, keep, out=speed)
        np.add(speed, slope, out=speed)
        if nesterov:
            np.multiply(speed, keep, out=move)
            np.add(slope, move, out=move)
            np.multiply(move, rate, out=move)
        else:
            move = np.multiply(speed, rate, out=out)  # the slope is in the velocity now
        np.subtract(value, move, out=value)
        if copy is not None:
            copy[tile] = value
