"""One step of LAMB over a flat vector of several layers, in place.

    mean   = beta1 * mean + (1 - beta1) * slope               with slope = scale * gradient
    square = beta2 * square + (1 - beta2) * slope^2
    move   = (mean / c1) / (sqrt(square / c2) + eps) + weight_decay * value
    value -= lr * ratio * move

where c1 and c2 are Adam's corrections, and each layer has a ratio of its own,

    ratio = |value| / |move|

You et al. 2020, Large batch optimization for deep learning: training BERT in 76 minutes, algorithm 2 with phi(z) = z.
Outside of the layers the ratio is 1 and nothing decays.

The moves are computed twice, for their norms and for the step: to keep them would take a vector more and move as many
bytes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops import flat
from mpitrain.ops.adamw import Moments, corrections, direction
from mpitrain.ops.chunks import OUTSIDE, Layers, Reduce, ratios, summed
from mpitrain.ops.launch import NULL, THREADS, launch
from mpitrain.ops.norm import add_partial, sum_of_squares

Array = Any


def lamb_step(
    values: Array,
    gradients: Array,
    mean: Array,
    square: Array,
    step: int,
    lr: float,
    layers: Layers,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    scale: float | Array = 1.0,
    copy: Array | None = None,
    reduce: Reduce | None = None,
) -> None:
    """Move `values`, `mean` and `square` by step number `step`, from 1; `gradients` stay as they are.

    Where the vector is a shard, `layers` are the layers' parts in it, as many on every rank, perhaps empty, and
    `reduce` sums a float64 array over the ranks. `copy`, of a half type, receives the new values, rounded. Raises
    ValueError if the vectors do not fit together, see `flat.check_vectors`.
    """
    flat.check_vectors(values, gradients, copy, mean=mean, square=square)
    correct, floor = corrections(step, 1.0, betas, eps)
    if namespace(values) is not np:
        numbers = (betas[0], 1 - betas[0], betas[1], 1 - betas[1], correct, floor, weight_decay)
        typed = flat.typed(values.dtype, *numbers)
        _launch(values, gradients, mean, square, lr, layers, typed, scale, copy, reduce)
        return
    moments = Moments(values.dtype, betas)
    at_hand = flat.scalars(values.dtype, correct, floor, weight_decay)
    (factor,) = flat.scalars(values.dtype, scale)
    scratch = empty((2, min(flat.TILE, len(values))), values.dtype)
    sums = np.zeros((2, len(layers)))
    for tile, layer in layers.chunks(flat.TILE):
        first, second = mean[tile], square[tile]
        move, spare = scratch[:, : len(first)]
        moments.take(flat.read(gradients[tile], factor, move), first, second, spare)
        if layer != OUTSIDE:
            _move(values[tile], first, second, at_hand, True, move, spare)
            sums[:, layer] += sum_of_squares(values[tile])[0], sum_of_squares(move)[0]
    ratio = ratios(*np.sqrt(summed(sums, reduce)))
    for tile, layer in layers.chunks(flat.TILE):
        value = values[tile]
        move, spare = scratch[:, : len(value)]
        inside = layer != OUTSIDE
        _move(value, mean[tile], square[tile], at_hand, inside, move, spare)
        (rate,) = flat.scalars(values.dtype, lr * ratio[layer] if inside else lr)
        np.multiply(move, rate, out=move)
        np.subtract(value, move, out=value)
        if copy is not None:
            copy[tile] = value


def _move(
    value: Array, first: Array, second: Array, numbers: Sequence[Array], decays: bool, out: Array, spare: Array
) -> None:
    """A chunk's move, in `out`."""
    correct, floor, decay = numbers
    direction(first, second, floor, out)
    np.multiply(out, correct, out=out)
    if decays and decay:
        np.multiply(value, decay, out=spare)
        np.add(out, spare, out=out)


def _launch(
    values: Array,
    gradients: Array,
    mean: Array,
    square: Array,
    lr: float,
    layers: Layers,
    numbers: tuple[Any, ...],
    scale: float | Array,
    copy: Array | None,
    reduce: Reduce | None,
) -> None:
    xp, table = namespace(values), layers.table(namespace(values))
    grid, where = len(table.layer), (table.edges, table.layer)
    partial = empty((2, grid), np.float64, xp)
    factors = flat.scale_arguments(values.dtype, scale)
    args = (values, gradients, mean, square, *where, partial, *numbers, *factors)
    launch(xp, "lamb.cu", f"lamb_moments_{gradients.dtype.name}", grid, THREADS, args)
    sums = summed(add_partial(partial, table.ranges), reduce)
    rounded = (NULL, values.dtype) if copy is None else (copy, copy.dtype)
    own = (np.int32(len(layers)), np.float64(lr), *numbers[4:])
    args = (values, mean, square, rounded[0], *where, sums, *own)
    launch(xp, "lamb.cu", f"lamb_{rounded[1].name}", grid, THREADS, args)
