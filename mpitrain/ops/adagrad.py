"""One step of Adagrad over flat vectors, in place, on all elements or on some rows of a table.

    slope  = scale * gradient + weight_decay * value
    total += slope^2
    value -= lr * slope / (sqrt(total) + eps)

Duchi, Hazan and Singer 2011, section 5.1 (the diagonal matrix); PyTorch computes the same. Where the gradient is 0,
and without decay, nothing moves: of an embedding table only the rows that a batch has looked up need be touched.
"""

from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops import flat
from mpitrain.ops.launch import NULL, launch
from mpitrain.ops.spans import Spans

Array = Any


def adagrad_step(
    values: Array,
    gradients: Array,
    total: Array,
    lr: float,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
    decayed: Spans | None = None,
    scale: float | Array = 1.0,
    copy: Array | None = None,
) -> None:
    """Move `values` and `total` by one step; `gradients` stay as they are.

    Weights decay in `decayed`, by default everywhere. `copy`, of a half type, receives the new values, rounded. Raises
    ValueError if the vectors do not fit together, see `flat.check_vectors`.
    """
    flat.check_vectors(values, gradients, copy, total=total)
    if namespace(values) is not np:
        flat.launch_step("adagrad", values, gradients, (total,), copy, decayed, (lr, eps, weight_decay), scale)
        return
    decayed = decayed or Spans(None, len(values))
    rate, floor, decay, factor = flat.scalars(values.dtype, lr, eps, weight_decay, scale)
    scratch = empty((2, flat.tile_of(len(values))), values.dtype)
    for tile in flat.tiles(len(values)):
        value = values[tile]
        out, move = scratch[:, : len(value)]
        slope = flat.read(gradients[tile], factor, out)
        if weight_decay:
            slope = flat.add_decay(slope, value, decay, decayed, tile, out, move)
        _move(value, slope, total[tile], rate, floor, move)
        if copy is not None:
            copy[tile] = value


def adagrad_rows(
    values: Array,
    gradients: Array,
    total: Array,
    rows: Array,
    lr: float,
    eps: float = 1e-10,
    scale: float | Array = 1.0,
    copy: Array | None = None,
) -> None:
    """The same for the rows numbered `rows` (int64, any shape, a row as often as it comes) of a table.

    All vectors are the table's, reshaped to (rows, width). The cost goes with the rows that are touched. Raises
    ValueError if the numbers are of another type.
    """
    if rows.dtype != np.int64:
        raise ValueError(f"rows must be int64, found {rows.dtype}")
    if namespace(values) is not np:
        _launch_rows(values, gradients, total, rows, (lr, eps), scale, copy)
        return
    rate, floor, factor = flat.scalars(values.dtype, lr, eps, scale)
    touched = np.unique(rows)
    each = max(flat.TILE // values.shape[1], 1)  # rows to a tile
    for start in range(0, len(touched), each):
        few = touched[start : start + each]
        value, sums, slope = values[few], total[few], np.multiply(gradients[few], factor, dtype=values.dtype)
        _move(value, slope, sums, rate, floor, np.empty_like(value))
        values[few], total[few] = value, sums
        if copy is not None:
            copy[few] = value


def _launch_rows(
    values: Array, gradients: Array, total: Array, rows: Array, numbers: tuple[float, float], scale: Any, copy: Any
) -> None:
    xp, width = namespace(values), values.shape[1]
    claimed = xp.zeros(len(values), np.int32)
    arrays = (values, gradients, total, NULL if copy is None else copy, rows.reshape(-1), claimed)
    scalars = (*flat.typed(values.dtype, *numbers), *flat.scale_arguments(values.dtype, scale), np.int64(width))
    launch(xp, "adagrad.cu", f"adagrad_rows_{flat.types(gradients, copy)}", rows.size, 32, (*arrays, *scalars))


def _move(value: Array, slope: Array, total: Array, rate: Array, floor: Array, spare: Array) -> None:
    np.multiply(slope, slope, out=spare)
    np.add(total, spare, out=total)
    np.sqrt(total, out=spare)
    np.add(spare, floor, out=spare)
    np.divide(slope, spare, out=spare)
    np.multiply(spare, rate, out=spare)
    np.subtract(value, spare, out=value)
