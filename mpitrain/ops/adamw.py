"""One step of Adam or AdamW over flat vectors, in place.

    slope  = scale * gradient                                 (AdamW)
    slope  = scale * gradient + weight_decay * value          (Adam: the decay is part of the gradient, L2)
    mean   = beta1 * mean + (1 - beta1) * slope
    square = beta2 * square + (1 - beta2) * slope^2
    value  = (1 - lr * weight_decay) * value                  (AdamW: the decay is a step of its own)
    value -= rate * mean / (sqrt(square) + floor)

with, in step t from 1, c1 = 1 - beta1^t and c2 = 1 - beta2^t for the moments' start at 0,

    rate = lr * sqrt(c2) / c1        floor = eps * sqrt(c2)

Kingma and Ba 2015, algorithm 1 in the order of its section 2, where eps is corrected along so that this is algorithm 1
itself; Loshchilov and Hutter 2019, algorithm 2. PyTorch computes the same.
"""

import math
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops import flat
from mpitrain.ops.spans import Spans

Array = Any


def corrections(step: int, lr: float, betas: tuple[float, float], eps: float) -> tuple[float, float]:
    """`rate` and `floor` of step `step`, counted from 1."""
    root = math.sqrt(1 - betas[1] ** step)
    return lr * root / (1 - betas[0] ** step), eps * root


def adamw_step(
    values: Array,
    gradients: Array,
    mean: Array,
    square: Array,
    step: int,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = True,
    decayed: Spans | None = None,
    scale: float | Array = 1.0,
    copy: Array | None = None,
) -> None:
    """Move `values`, `mean` and `square` by step number `step`, from 1; `gradients` stay as they are.

    Weights decay in `decayed`, by default everywhere. `copy`, of a half type, receives the new values, rounded. Raises
    ValueError if the vectors do not fit together, see `flat.check_vectors`.
    """
    flat.check_vectors(values, gradients, copy, mean=mean, square=square)
    corrected = corrections(step, lr, betas, eps)
    shrinking = 1 - lr * weight_decay
    if namespace(values) is not np:
        decays = (0.0, shrinking) if decoupled else (weight_decay, 1.0)
        numbers = (betas[0], 1 - betas[0], betas[1], 1 - betas[1], *corrected, *decays)
        flat.launch_step("adamw", values, gradients, (mean, square), copy, decayed, numbers, scale)
        return
    decayed = decayed or Spans(None, len(values))
    moments = Moments(values.dtype, betas)
    rate, floor, decay, shrink, factor = flat.scalars(values.dtype, *corrected, weight_decay, shrinking, scale)
    scratch = empty((2, flat.tile_of(len(values))), values.dtype)
    for tile in flat.tiles(len(values)):
        value, first, second = values[tile], mean[tile], square[tile]
        out, move = scratch[:, : len(value)]
        slope = flat.read(gradients[tile], factor, out)
        if weight_decay and not decoupled:
            slope = flat.add_decay(slope, value, decay, decayed, tile, out, move)
        moments.take(slope, first, second, move)
        direction(first, second, floor, move)
        np.multiply(move, rate, out=move)
        if weight_decay and decoupled:
            for piece in decayed.within(tile):
                np.multiply(value[piece], shrink, out=value[piece])
        np.subtract(value, move, out=value)
        if copy is not None:
            copy[tile] = value


class Moments:
    """How the two running moments take in a gradient."""

    def __init__(self, dtype: Any, betas: tuple[float, float]):
        self.keeps = flat.scalars(dtype, *betas)
        self.takes = flat.scalars(dtype, 1 - betas[0], 1 - betas[1])

    def take(self, slope: Array, first: Array, second: Array, spare: Array) -> None:
        """Move both by one step."""
        np.multiply(first, self.keeps[0], out=first)
        np.multiply(slope, self.takes[0], out=spare)
        np.add(first, spare, out=first)
        np.multiply(second, self.keeps[1], out=second)
        np.multiply(slope, slope, out=spare)
        np.multiply(spare, self.takes[1], out=spare)
        np.add(second, spare, out=second)


def direction(first: Array, second: Array, floor: Array, out: Array) -> None:
    """first / (sqrt(second) + floor), in `out`."""
    np.sqrt(second, out=out)
    np.add(out, floor, out=out)
    np.divide(first, out, out=out)
