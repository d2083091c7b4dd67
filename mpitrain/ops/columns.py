"""The windows of images laid out as the rows of a matrix (im2col), a few images at a time; and the way back (col2im).

Whole-batch columns would be as many times the input as a window has places, and go out to memory and back. Those of a
few images fit the cache, padding included, and are gone after their product.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.grid import in_packs, over_rows, units_of
from mpitrain.ops.launch import launch
from mpitrain.ops.windows import Window, bordered, places, window_numbers

Array = Any

# Elements of the scratch for columns: a processor's cache, or as much as keeps a GPU busy.
SCRATCH, DEVICE_SCRATCH = 1 << 18, 1 << 25
# With one channel: columns are narrow then, and OpenBLAS has a faster way for narrow matrices that are short.
NARROW_SCRATCH = 1 << 15


def columns(x: Array, window: Window, groups: int = 1) -> Iterator[tuple[slice, Array]]:
    """For each part of the batch, its slice and its matrices (groups, windows, places * channels of a group).

    The matrices share one scratch: each is good until the next is asked for. An empty batch has one part, empty too.
    """
    channels = x.shape[-1] // groups
    if window.is_point and groups == 1:
        window.sides(x.shape[1:3])
        yield slice(0, len(x)), x.reshape(1, math.prod(x.shape[:3]), channels)
        return
    if namespace(x) is not np:
        yield from _columns_on_device(x, window, groups)
        return
    windows_of_one = math.prod(window.sides(x.shape[1:3]))
    inner = window.places * channels
    step = images_at_once(x, groups * windows_of_one * inner)
    scratch = empty((step * windows_of_one * groups * inner,), x.dtype)
    surrounded = window.padding != (0, 0)
    if surrounded:
        padded, within = bordered((step, *x.shape[1:]), x.dtype, window.padding, 0, np)
    windows = _windows(padded if surrounded else x, window, groups)
    for start in range(0, max(1, len(x)), step):
        images = slice(start, min(start + step, len(x)))
        count = images.stop - images.start
        if surrounded:
            within[:count] = x[images]
        part = windows[:, :count] if surrounded else windows[:, images]
        numbers = scratch[: part.size]
        # NumPy copies run by run. With one channel a row of a window is a run of `kernel` elements, and turning the
        # matrix makes runs of the image's width out of it: five times faster for 3 x 3 on 28 x 28.
        turned = x.shape[-1] == 1
        shape = (groups, count * windows_of_one, inner)
        matrix = numbers.reshape(inner, shape[1]).T[None] if turned else numbers.reshape(shape)
        matrix.reshape(part.shape)[...] = part
        yield images, matrix


def add_columns(matrix: Array, dx: Array, window: Window) -> None:
    """Overwrite the images `dx` by the sums of what the columns (groups, windows, places * channels) hold for them."""
    if namespace(dx) is not np:
        _launch("col2im", matrix, dx, dx, window, len(matrix), math.prod(dx.shape[:3]), dx.shape[-1])
        return
    groups, channels = len(matrix), dx.shape[-1] // len(matrix)
    padded, within = (dx, dx) if window.padding == (0, 0) else bordered(dx.shape, dx.dtype, window.padding, 0, np)
    within[...] = 0
    by_group = padded.reshape(*padded.shape[:3], groups, channels)
    shape = (groups, len(dx), *window.sides(dx.shape[1:3]), window.places, channels)
    parts = matrix.reshape(shape).transpose(4, 1, 2, 3, 0, 5)
    for part, target in zip(parts, places(by_group, window), strict=True):
        target += part
    if padded is not dx:
        dx[...] = within


def images_at_once(images: Array, elements: int) -> int:
    """How many of the images, each of so many elements of columns, go into the scratch; at least one."""
    on_host = NARROW_SCRATCH if images.shape[-1] == 1 else SCRATCH
    room = on_host if namespace(images) is np else DEVICE_SCRATCH
    return max(1, min(len(images), room // max(1, elements)))


def _columns_on_device(x: Array, window: Window, groups: int) -> Iterator[tuple[slice, Array]]:
    x = namespace(x).ascontiguousarray(x)
    windows, inner = math.prod(window.sides(x.shape[1:3])), window.places * x.shape[-1] // groups
    step = images_at_once(x, groups * windows * inner)
    scratch = empty((step * windows * groups * inner,), x.dtype, namespace(x))
    for start in range(0, max(1, len(x)), step):
        part = x[start : start + step]
        count = len(part) * windows
        matrix = scratch[: groups * count * inner].reshape(groups, count, inner)
        _launch("im2col", part, matrix, part, window, groups, count, window.places * x.shape[-1])
        yield slice(start, start + len(part)), matrix


def _launch(
    kernel: str, source: Array, result: Array, images: Array, window: Window, groups: int, rows: int, width: int
) -> None:
    """Start a kernel on so many rows of so many numbers, which it takes 16 bytes at a time if it can."""
    packed = in_packs(images.shape[-1] // groups, source, result)
    grid, block = over_rows(images, units_of(width, images, packed), rows)
    arguments = (
        source,
        result,
        *window_numbers(window, images.shape),
        np.int32(groups),
        np.uint32(rows),
        np.int32(packed),
    )
    launch(namespace(images), "columns.cu", f"{kernel}_{images.dtype.name}", grid, block, arguments)


def _windows(padded: Array, window: Window, groups: int) -> Array:
    """The view (groups, batch, windows down, windows across, kernel down, kernel across, channels of a group)."""
    batch, channels = len(padded), padded.shape[-1] // groups
    image, row, pixel, number = padded.strides
    sides = window._replace(padding=(0, 0)).sides(padded.shape[1:3])
    (down, across), (apart_down, apart_across) = window.stride, window.dilation
    return np.lib.stride_tricks.as_strided(
        padded,
        (groups, batch, *sides, *window.kernel, channels),
        (channels * number, image, row * down, pixel * across, row * apart_down, pixel * apart_across, number),
        writeable=False,
    )
