"""Batch normalisation of (rows, width) by the moments of each column (Ioffe and Szegedy 2015).

    xhat = (x - mean) / sqrt(variance + epsilon),    y = gain * xhat + bias

What ranks have to exchange are sums, so that those with fewer rows or none weigh rightly: forward a count, sum x and
sum x^2, backward sum dy and sum dy * xhat. They are float64, in which the squares of float32 numbers are exact; the
variance that is their difference is then off by (mean / deviation)^2 * 1e-16. Within a tile that fits the cache,
numbers are summed as they are, after the mean of some rows was taken off; the sums of tiles are added in float64.

The rest is linear in x and dy, with factors for each column that are computed in float64. Half types are computed in
float32.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.grid import in_packs, over_rows, units_of
from mpitrain.ops.half import wide_type
from mpitrain.ops.launch import NULL, THREADS, launch

Array = Any

FILE = "batch_norm.cu"
TILE = 1 << 16  # elements that go through all passes while they are in the cache
RUN = 256  # elements at least for a pass's inner loop: narrow rows go several at once
SAMPLE = 64  # rows whose mean is taken off before squaring


class Moments(NamedTuple):
    """Of each column, float64: what to take off, and what to multiply by then."""

    mean: Array
    scale: Array  # 1 / sqrt(variance + epsilon)


class Running(NamedTuple):
    """Of each column, float32, which every batch's moments move by a fraction of the way."""

    mean: Array
    variance: Array


def column_sums(x: Array) -> Array:
    """The vector (count, sums of x, sums of x^2) of float64, for (rows, width)."""
    rows, width = x.shape
    if namespace(x) is not np:
        sums = namespace(x).full(1 + 2 * width, rows, np.float64)
        sums[1:] = _sums_on_device("column_sums", (x,)).reshape(-1)
        return sums
    shift = x[:SAMPLE].mean(axis=0, dtype=np.float64).astype(_wide(x)) if rows else np.zeros(width)
    first, second = np.zeros(width), np.zeros(width)
    shifts, scratch = _repeated(shift, x), _scratch(x)
    for (numbers,) in _tiles(x):
        deviations = _like(numbers, scratch)
        np.subtract(numbers, shifts[: numbers.shape[1]], out=deviations, dtype=deviations.dtype)
        first += _column_sum(deviations, width)
        np.multiply(deviations, deviations, out=deviations)
        second += _column_sum(deviations, width)
    shift = shift.astype(np.float64)
    return np.concatenate([[rows], first + rows * shift, second + shift * (2 * first + rows * shift)])


def moments(sums: Array, epsilon: float, running: Running | None, momentum: float) -> Moments:
    """From the sums over all rows; moves `running`, unless there were no rows.

    The variance is the mean square deviation; the running one is corrected for the sample, as PyTorch's (of a single
    row it is 0).
    """
    if namespace(sums) is not np:
        return _moments_on_device(sums, epsilon, running, momentum)
    count, (first, second) = sums[0], sums[1:].reshape(2, -1)
    rows = np.maximum(count, 1)
    mean = first / rows
    variance = np.maximum(second / rows - mean * mean, 0)
    if running is not None and count:
        for kept, latest in zip(running, (mean, variance * (rows / np.maximum(rows - 1, 1))), strict=True):
            kept += momentum * (latest - kept)
    return Moments(mean, 1 / np.sqrt(variance + epsilon))


def running_moments(running: Running, epsilon: float) -> Moments:
    """For samples that are judged one by one."""
    mean, variance = (kept.astype(np.float64) for kept in running)
    return Moments(mean, 1 / namespace(variance).sqrt(variance + epsilon))


def normalise(x: Array, by: Moments, gain: Array, bias: Array) -> Array:
    """gain * xhat + bias."""
    y = empty(x.shape, x.dtype, namespace(x))
    if namespace(x) is not np:
        _start("normalise", (x, y), *by, gain, bias)
        return y
    factor = gain * by.scale
    factors, constants, scratch = _repeated(factor, x), _repeated(bias - by.mean * factor, x), _scratch(x)
    for numbers, result in _tiles(x, y):
        width = numbers.shape[1]
        total = result if x.dtype == scratch.dtype else _like(numbers, scratch)
        np.multiply(numbers, factors[:width], out=total, dtype=total.dtype)
        total += constants[:width]
        if total is not result:
            result[...] = total
    return y


def slope_sums(x: Array, dy: Array, by: Moments) -> Array:
    """(2, width) of float64: sums of dy and of dy * xhat."""
    width = x.shape[1]
    if namespace(x) is not np:
        return _sums_on_device("slope_sums", (x, dy), *by)
    first, second = sums = np.zeros((2, width))
    means, scratch = _repeated(by.mean, x), _scratch(x)
    for numbers, slopes in _tiles(x, dy):
        products = _like(numbers, scratch)
        first += _column_sum(slopes, width)
        np.subtract(numbers, means[: numbers.shape[1]], out=products, dtype=products.dtype)
        np.multiply(products, slopes, out=products)
        second += _column_sum(products, width)
    second *= by.scale
    return sums


def gradient(x: Array, dy: Array, by: Moments, gain: Array, sums: Array, count: Array | None) -> Array:
    """That of x, where the moments are those of `count` rows and `sums` are `slope_sums` over all of them.

    The gain * scale * (dy - sum dy / count - xhat * sum (dy * xhat) / count) of the paper, sorted by dy and x. Without
    a count the moments are constants, and only the first term is left.
    """
    if namespace(x) is not np:
        dx = empty(x.shape, x.dtype, namespace(x))
        _start("gradient", (x, dy, dx), *by, gain, sums, NULL if count is None else count)
        return dx
    factor = gain * by.scale
    shift, stretch = np.zeros(sums.shape) if count is None else sums / np.maximum(count, 1)
    by_x = -factor * by.scale * stretch
    constant = -factor * shift - by.mean * by_x
    dx, scratch = empty(x.shape, x.dtype), _scratch(x, 1 if x.dtype == _wide(x) else 2)
    by_dys, by_xs, constants = (_repeated(vector, x) for vector in (factor, by_x, constant))
    for numbers, slopes, result in _tiles(x, dy, dx):
        width = numbers.shape[1]
        total = result if x.dtype == scratch.dtype else _like(numbers, scratch[1])
        term = _like(numbers, scratch if total is result else scratch[0])
        np.multiply(numbers, by_xs[:width], out=total, dtype=total.dtype)
        total += constants[:width]
        total += np.multiply(slopes, by_dys[:width], out=term, dtype=term.dtype)
        if total is not result:
            result[...] = total
    return dx


def _over(arrays: tuple[Array, ...]) -> tuple[tuple[int, int], tuple[int, int], bool]:
    """Grid and block over arrays of (rows, width), and whether a thread takes 16 bytes of each at a time."""
    rows, width = arrays[0].shape
    packed = in_packs(width, *arrays)
    return *over_rows(arrays[0], units_of(width, arrays[0], packed), rows), packed


def _start(kernel: str, arrays: tuple[Array, ...], *others: Any) -> None:
    """The others are what the kernel takes between the arrays and their sizes."""
    (rows, width), (grid, block, packed) = arrays[0].shape, _over(arrays)
    sizes = np.uint32(rows), np.int32(width), np.int32(packed)
    xp, name = namespace(arrays[0]), f"{kernel}_{arrays[0].dtype.name}"
    launch(xp, FILE, name, grid, block, (*arrays, *others, *sizes))


def _sums_on_device(kernel: str, arrays: tuple[Array, ...], *others: Array) -> Array:
    """(2, width) of float64: what the blocks have summed, added up."""
    xp, width = namespace(arrays[0]), arrays[0].shape[1]
    (_, blocks), _, _ = _over(arrays)
    parts, totals = empty((blocks, 2, width), np.float64, xp), empty((2, width), np.float64, xp)
    _start(kernel, arrays, *others, parts)
    launch(xp, FILE, "add_parts", 2 * width, THREADS, (parts, totals, np.int32(blocks)))
    return totals


def _moments_on_device(sums: Array, epsilon: float, running: Running | None, momentum: float) -> Moments:
    xp, width = namespace(sums), len(sums) // 2
    found = Moments(*empty((2, width), np.float64, xp))
    arguments = (sums, *found, *(running or (NULL, NULL)), np.float64(epsilon), np.float64(momentum), np.int32(width))
    launch(xp, FILE, "moments", -(-width // THREADS), THREADS, arguments)
    return found


def _tiles(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Arrays of (rows, width) in tiles that belong together: views whose rows are several of the arrays' on end."""
    rows, width = arrays[0].shape
    whole = rows - rows % _together(width)
    ends = (
        [array[:whole].reshape(-1, _together(width) * width) for array in arrays],
        [array[whole:] for array in arrays],
    )
    for views in ends:
        step = max(1, TILE // views[0].shape[1])
        for start in range(0, len(views[0]), step):
            yield tuple(view[start : start + step] for view in views)


def _together(width: int) -> int:
    """How many rows a tile takes as one."""
    return max(1, RUN // width)


def _repeated(vector: Array, x: Array) -> Array:
    """One number a column, for all that a tile takes as one row; in the type of the arithmetic."""
    return np.tile(vector.astype(_wide(x)), _together(x.shape[1]))


def _scratch(x: Array, tiles: int = 1) -> Array:
    """Room for a tile, or for each of several."""
    length = min(max(TILE, _together(x.shape[1]) * x.shape[1]), x.size)
    return empty((length,) if tiles == 1 else (tiles, length), _wide(x))


def _like(tile: Array, scratch: Array) -> Array:
    """As much of the scratch as a tile has numbers, in its shape."""
    return scratch[: tile.size].reshape(tile.shape)


def _column_sum(tile: Array, width: int) -> Array:
    """Of a tile, the sums of each column as float64; BLAS sums faster than `sum(axis=0)`."""
    ones = np.ones(len(tile), _wide(tile))
    sums: Array = (ones @ tile).reshape(-1, width).sum(axis=0, dtype=np.float64)
    return sums


def _wide(array: Array) -> np.dtype[Any]:
    """The type of the arithmetic."""
    return wide_type(array.dtype)
