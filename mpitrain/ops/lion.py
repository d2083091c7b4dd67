"""One step of Lion over flat vectors, in place.

    slope  = scale * gradient
    value -= lr * (sign(beta1 * mean + (1 - beta1) * slope) + weight_decay * value)
    mean   = beta2 * mean + (1 - beta2) * slope

Chen et al. 2023, Symbolic discovery of optimization algorithms, algorithm 2. Every element moves by lr, so the rate is
3 to 10 times smaller than AdamW's, and the decay as much larger (section 5).
"""

from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops import flat
from mpitrain.ops.spans import Spans

Array = Any


def lion_step(
    values: Array,
    gradients: Array,
    mean: Array,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
    decayed: Spans | None = None,
    scale: float | Array = 1.0,
    copy: Array | None = None,
) -> None:
    """Move `values` and `mean` by one step; `gradients` stay as they are.

    Weights decay in `decayed`, by default everywhere. `copy`, of a half type, receives the new values, rounded. Raises
    ValueError if the vectors do not fit together, see `flat.check_vectors`.
    """
    flat.check_vectors(values, gradients, copy, mean=mean)
    numbers = (betas[0], 1 - betas[0], betas[1], 1 - betas[1], lr, 1 - lr * weight_decay)
    if namespace(values) is not np:
        flat.launch_step("lion", values, gradients, (mean,), copy, decayed, numbers, scale)
        return
    decayed = decayed or Spans(None, len(values))
    blend, mix, keep, take, rate, shrink, factor = flat.scalars(values.dtype, *numbers, scale)
    scratch = empty((3, flat.tile_of(len(values))), values.dtype)
    for tile in flat.tiles(len(values)):
        value, first = values[tile], mean[tile]
        out, move, spare = scratch[:, : len(value)]
        slope = flat.read(gradients[tile], factor, out)
        np.multiply(first, blend, out=move)
        np.multiply(slope, mix, out=spare)
        np.add(move, spare, out=move)
        np.sign(move, out=spare)  # in place it takes ten times as long
        np.multiply(spare, rate, out=move)
        if weight_decay:
            for piece in decayed.within(tile):
                np.multiply(value[piece], shrink, out=value[piece])
        np.subtract(value, move, out=value)
        np.multiply(first, keep, out=first)
        np.multiply(slope, take, out=spare)
        np.add(first, spare, out=first)
        if copy is not None:
            copy[tile] = value
