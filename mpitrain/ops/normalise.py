"""Rows brought to one scale: layer normalisation (Ba et al. 2016) and root-mean-square normalisation (Zhang 2019).

    layer norm:  y = (x - mean) rstd gain + bias,   rstd = 1 / sqrt(mean((x - mean)^2) + eps)
    RMS norm:    y = x rstd gain (+ bias),          rstd = 1 / sqrt(mean(x^2) + eps)

over each row of a (rows, width) matrix. For the backward it suffices to know x and two numbers a row (RMS norm: one).
With h = (x - mean) rstd, the row before gain and bias, and s = dy gain:

    dx = rstd (s - mean(s) - h mean(s h)),          without mean(s) for the RMS norm
    dgain = sum over rows of dy h,  dbias = sum over rows of dy

On the CPU tiles of rows go through all passes while they are in the cache. The CUDA twin is kernels/layer_norm.cu.
"""

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.grid import in_packs, units_of
from mpitrain.ops.half import wide_type
from mpitrain.ops.launch import NULL, launch

Array = Any

FILE = "layer_norm.cu"
TILE = 1 << 17  # elements: with the scratch, a second-level cache of float32; half as many take a tenth longer
HELD = 64  # bytes of a row that a thread of the kernel keeps in registers, as numbers of the wide type
MOST_THREADS = 512  # of a block that shares a row
WARPS = 4  # of a block whose warps have a row each
# The sums over rows: a block for so many rows, as long as that does not make too many blocks, in all or for a column.
ROWS_OF_BLOCK, MOST_BLOCKS, MOST_PARTS = 32, 1024, 128


class Slopes(NamedTuple):
    """What `normalise_backward` was asked for; vectors in float32 or wider."""

    x: Array | None
    gain: Array | None
    bias: Array | None


def normalise(
    x: Array, gain: Array, bias: Array | None, eps: float, centred: bool
) -> tuple[Array, Array | None, Array]:
    """(y, mean, rstd) of a (rows, width) matrix; `centred`: layer norm, else RMS norm, whose mean is None.

    y has the dtype of x, the statistics are (rows,) in float32, or float64 if x is. They come from the row itself less
    its mean, not from a mean of squares, which would cancel.
    """
    xp, (rows, width) = namespace(x), x.shape
    wide = wide_type(x.dtype)
    y, rstd = empty(x.shape, x.dtype, xp), empty((rows,), wide, xp)
    mean = empty((rows,), wide, xp) if centred else None
    if xp is not np:
        arrays = (x, gain, _or_null(bias), y, _or_null(mean), rstd)
        _launch_on_rows(xp, "forward", x, (*arrays, np.int64(rows), np.int32(width), wide.type(eps)))
        return y, mean, rstd
    gain, bias = gain.astype(wide, copy=False), None if bias is None else bias.astype(wide, copy=False)
    average = np.full(width, 1 / width, wide)
    for tile in _tiles(rows, width):
        part = x[tile].astype(wide, copy=False)
        # The result's own memory is the scratch, unless it is too narrow.
        result = y[tile] if wide == x.dtype else empty(part.shape, wide)
        if mean is not None:
            # A product with a vector of 1 / width: five times as fast as mean(axis=1) on rows of 128.
            np.matmul(part, average, out=mean[tile])
            part = np.subtract(part, mean[tile, None], out=result)
        scale = np.vecdot(part, part, out=rstd[tile])
        scale /= width
        scale += wide.type(eps)
        np.reciprocal(np.sqrt(scale, out=scale), out=scale)
        np.multiply(part, scale[:, None], out=result)
        result *= gain
        if bias is not None:
            result += bias
        if wide != x.dtype:
            y[tile] = result
    return y, mean, rstd


def normalise_backward(
    x: Array, mean: Array | None, rstd: Array, gain: Array, dy: Array, *, of_input: bool, of_weights: bool
) -> Slopes:
    """The slopes asked for, given the x, mean and rstd of the forward and dy, the gradient of its y."""
    if namespace(x) is not np:
        return _backward_on_device(x, mean, rstd, gain, dy, of_input, of_weights)
    rows, width = x.shape
    wide = rstd.dtype
    dx = empty(x.shape, x.dtype) if of_input else None
    dgain, dbias = (np.zeros(width, wide) if of_weights else None for _ in range(2))
    gain, average = gain.astype(wide, copy=False), np.full(width, 1 / width, wide)
    height = min(rows, max(1, TILE // width))
    normal, ones = empty((height, width), wide), np.ones(height, wide)
    wider = None if wide == x.dtype else empty((height, width), wide)
    for tile in _tiles(rows, width):
        count = min(tile.stop, rows) - tile.start
        slope, scale, h = dy[tile].astype(wide, copy=False), rstd[tile, None], normal[:count]
        centred = x[tile] if mean is None else np.subtract(x[tile], mean[tile, None], out=h)
        np.multiply(centred, scale, out=h)
        if dgain is not None and dbias is not None:
            dgain += np.einsum("ij,ij->j", slope, h)
            dbias += np.matmul(ones[:count], slope)
        if dx is not None:
            s = np.multiply(slope, gain, out=dx[tile] if wider is None else wider[:count])
            share = np.vecdot(s, h)
            share /= width
            h *= share[:, None]
            if mean is not None:
                s -= np.matmul(s, average)[:, None]
            s -= h
            s *= scale
            if wider is not None:
                dx[tile] = s
    return Slopes(dx, dgain, dbias)


def _tiles(rows: int, width: int) -> list[slice]:
    height = max(1, TILE // width)
    return [slice(start, start + height) for start in range(0, rows, height)]


def _backward_on_device(
    x: Array, mean: Array | None, rstd: Array, gain: Array, dy: Array, of_input: bool, of_weights: bool
) -> Slopes:
    xp, (rows, width), wide = namespace(x), x.shape, rstd.dtype
    dx = dgain = dbias = None
    if of_input:
        dx = empty(x.shape, x.dtype, xp)
        arrays = (x, _or_null(mean), rstd, gain, dy, dx)
        _launch_on_rows(xp, "backward", x, (*arrays, np.int64(rows), np.int32(width)))
    if of_weights:
        packs = in_packs(width, x, dy)
        tiles = -(-units_of(width, x, packs) // 32)
        parts = max(1, min(-(-rows // ROWS_OF_BLOCK), MOST_BLOCKS // tiles, MOST_PARTS))
        partial, slopes = empty((parts, 2, width), wide, xp), empty((2, width), wide, xp)
        args = (x, _or_null(mean), rstd, dy, partial, np.int64(rows), np.int32(width), np.int32(packs))
        launch(xp, FILE, f"layer_norm_sums_{x.dtype.name}", (tiles, parts), 256, args)
        joined = (partial, slopes, np.int32(parts), np.int32(2 * width))
        launch(xp, FILE, f"layer_norm_join_{wide.name}", -(-2 * width // 256), 256, joined)
        dgain, dbias = slopes
    return Slopes(dx, dgain, dbias)


def _launch_on_rows(xp: ModuleType, name: str, x: Array, args: tuple[Any, ...]) -> None:
    """One of the kernels that give each row to a warp or, if it is too long, to a block."""
    rows, width = x.shape
    held = HELD // wide_type(x.dtype).itemsize
    if width <= 32 * held:
        of_row, blocks, threads = 32, -(-rows // WARPS), 32 * WARPS
    else:
        of_row = threads = min(MOST_THREADS, -(-width // (32 * held)) * 32)
        blocks = rows
    launch(xp, FILE, f"layer_norm_{name}_{x.dtype.name}", blocks, threads, (*args, np.int32(of_row)))


def _or_null(array: Array | None) -> Any:
    return NULL if array is None else array
