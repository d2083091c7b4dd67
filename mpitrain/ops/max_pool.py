"""Max pooling: the largest of each window, place by place of the window rather than window by window.

A window of 2 x 2 is four strided views of the image, so that everything is a few long elementwise passes, over as many
images at a time as fit the cache. Which place won is kept as one byte for each window; with ties it is the first, and
the gradient goes to exactly one element.
"""

import math
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.grid import over_rows
from mpitrain.ops.launch import launch
from mpitrain.ops.windows import Window, bordered, pad, parts, places, window_numbers

Array = Any

TILE = 1 << 20  # elements of the images that go through all places while they are in the cache


def max_pool(x: Array, window: Window) -> tuple[Array, Array]:
    """Of (batch, height, width, channels): the largest of each window, and the number of its place as uint8."""
    shape, xp = (len(x), *window.sides(x.shape[1:3]), x.shape[-1]), namespace(x)
    y, winner = empty(shape, x.dtype, xp), empty(shape, np.uint8, xp)
    if xp is not np:
        _launch("max_pool", (x, y, winner), y, window, x.shape)
        return y, winner
    with np.errstate(invalid="ignore"):  # Of all types only bfloat16 complains of comparing what is not a number.
        for images in parts(x, TILE):
            first, *rest = places(pad(x[images], window.padding, -np.inf), window)
            largest, number, mark = y[images], winner[images], empty(first.shape, np.bool_)
            scratch = mark.view(np.uint8)
            largest[...], number[...] = first, 0
            for index, place in enumerate(rest, start=1):
                np.greater(place, largest, out=mark)
                # Places come in rising order, so a later winner is simply the larger number.
                np.multiply(scratch, np.uint8(index), out=scratch)
                np.maximum(number, scratch, out=number)
                np.maximum(largest, place, out=largest)
    return y, winner


def max_pool_gradient(dy: Array, winner: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """The gradient of the images, of this shape."""
    xp = namespace(dy)
    dx = empty(shape, dy.dtype, xp)
    if xp is not np:
        _launch("max_pool_gradient", (dy, winner, dx), dx, window, shape)
        return dx
    _, height, width, _ = shape
    # Then every pixel belongs to one window: write each once.
    side_by_side = window == Window(window.kernel, window.kernel) and not (
        height % window.kernel[0] or width % window.kernel[1]
    )
    for images in parts(dx, TILE):
        part, number = dy[images], winner[images]
        mark = empty(part.shape, np.bool_)
        if side_by_side:
            for index, place in enumerate(places(dx[images], window)):
                np.multiply(part, number == np.uint8(index), out=place)
            continue
        padded, within = bordered(dx[images].shape, dx.dtype, window.padding, 0, np)
        within[...] = 0
        term = empty(part.shape, part.dtype)
        for index, place in enumerate(places(padded, window)):
            np.equal(number, np.uint8(index), out=mark)
            place += np.multiply(part, mark, out=term)
        dx[images] = within
    return dx


def _launch(kernel: str, arrays: tuple[Array, ...], result: Array, window: Window, images: tuple[int, ...]) -> None:
    rows, channels = math.prod(result.shape[:3]), result.shape[-1]
    grid, block = over_rows(result, channels, rows)
    arrays = tuple(map(namespace(result).ascontiguousarray, arrays))
    arguments = (*arrays, *window_numbers(window, images), np.uint32(rows))
    launch(namespace(result), "max_pool.cu", f"{kernel}_{result.dtype.name}", grid, block, arguments)
