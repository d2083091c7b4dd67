"""Depthwise convolution: every channel by kernels of its own, place by place of the window.

There is no sum over channels and so no matrix product: all is elementwise, a few images at a time so that the passes
stay in the cache. `weight` is (kernel down, kernel across, 1, outputs), outputs a multiple of the channels; with m
times as many, result o looks at channel o // m. Half types are computed in float32 and rounded once.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.grid import over_rows
from mpitrain.ops.launch import blocks, launch
from mpitrain.ops.windows import Window, bordered, pad, places, window_numbers

Array = Any

TILE = 1 << 16  # elements of an image's part that go through all places while they are in the cache


def depthwise(x: Array, weight: Array, window: Window) -> Array:
    """(batch, height, width, channels) to (batch, windows down, windows across, outputs)."""
    outputs = weight.shape[-1]
    y = empty((len(x), *window.sides(x.shape[1:3]), outputs), x.dtype, namespace(x))
    if namespace(x) is not np:
        _launch("depthwise", (x, weight, y), y, window, x.shape, outputs)
        return y
    kernels = _kernels(weight, window, y.shape[2])
    for images in _parts(y):
        padded = pad(_repeated(x[images], outputs), window.padding)
        sums = y[images] if y.dtype == _wide(y) else empty(y[images].shape, _wide(y))
        total, term = _lines(sums, window), _lines(empty(sums.shape, sums.dtype), window)
        total[...] = 0
        for kernel, place in zip(kernels, places(padded, window), strict=True):
            total += np.multiply(_lines(place, window), kernel, out=term, dtype=term.dtype)
        if sums.dtype != y.dtype:
            y[images] = sums
    return y


def depthwise_input_gradient(dy: Array, weight: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """The gradient of the images, of this shape, from that of the result."""
    outputs = weight.shape[-1]
    dx = empty(shape, dy.dtype, namespace(dy))
    if namespace(dy) is not np:
        _launch("depthwise_input_gradient", (dy, weight, dx), dx, window, shape, outputs)
        return dx
    kernels = _kernels(weight, window, dy.shape[2])
    for images in _parts(dy):
        part = _lines(dy[images], window)
        padded, within = bordered((len(part), *shape[1:3], outputs), _wide(dy), window.padding, 0, np)
        term = empty(part.shape, padded.dtype)
        within[...] = 0
        for kernel, place in zip(kernels, places(padded, window), strict=True):
            line = _lines(place, window)
            line += np.multiply(part, kernel, out=term, dtype=term.dtype)
        same = outputs == shape[-1]
        dx[images] = within if same else within.reshape(*within.shape[:3], shape[-1], -1).sum(axis=-1)
    return dx


def depthwise_weight_gradient(x: Array, dy: Array, gradient: Array, window: Window, accumulate: bool) -> None:
    """Overwrite the gradient of the weight, or add to it."""
    outputs = dy.shape[-1]
    if namespace(dy) is not np:
        total = _weight_gradient_on_device(x, dy, window).reshape(gradient.shape)
        gradient[...] = gradient + total if accumulate else total
        return
    total = np.zeros((window.places, outputs), _wide(dy))
    for images in _parts(dy):
        part, padded = dy[images], pad(_repeated(x[images], outputs), window.padding)
        term = empty(part.shape, total.dtype)
        ones = np.ones(part.size // outputs, total.dtype)
        for row, place in zip(total, places(padded, window), strict=True):
            np.multiply(place, part, out=term, dtype=term.dtype)
            row += ones @ term.reshape(-1, outputs)
    total = total.reshape(gradient.shape)
    gradient[...] = gradient + total if accumulate else total


def _launch(
    kernel: str, arrays: tuple[Array, ...], result: Array, window: Window, images: tuple[int, ...], outputs: int
) -> None:
    rows, xp = math.prod(result.shape[:3]), namespace(result)
    grid, block = over_rows(result, result.shape[-1], rows)
    counts = np.int32(outputs // images[-1]), np.uint32(rows)
    arguments = (*arrays, *window_numbers(window, images), *counts)
    launch(xp, "depthwise.cu", f"{kernel}_{result.dtype.name}", grid, block, arguments)


def _weight_gradient_on_device(x: Array, dy: Array, window: Window) -> Array:
    """(places, outputs): the blocks' parts, and their sum."""
    outputs, rows, xp = dy.shape[-1], math.prod(dy.shape[:3]), namespace(dy)
    columns, threads = -(-outputs // 32), (32, 8)
    most = max(1, blocks(dy, outputs * rows * window.places) // (columns * window.places))
    split = max(1, min(-(-rows // 8), most))
    parts = empty((split, window.places, outputs), _wide(dy), xp)
    counts = np.int32(outputs // x.shape[-1]), np.uint32(rows)
    arguments = (x, dy, parts, *window_numbers(window, x.shape), *counts)
    name = f"depthwise_weight_gradient_{dy.dtype.name}"
    launch(xp, "depthwise.cu", name, (columns, split, window.places), threads, arguments)
    return parts.sum(axis=0)


def _parts(y: Array) -> Iterator[slice]:
    """The batch, a few images at a time."""
    step = max(1, TILE * len(y) // max(1, y.size))
    for start in range(0, len(y), step):
        yield slice(start, start + step)


def _lines(images: Array, window: Window) -> Array:
    """A view in which a row of pixels is one axis, where neighbouring windows look at neighbouring pixels.

    So the passes' inner loops are over rows, not over the channels of a pixel.
    """
    return images.reshape(*images.shape[:2], -1) if window.stride[1] == 1 else images


def _kernels(weight: Array, window: Window, width: int) -> Array:
    """For each place of the window a number for each result of a pixel, or of a row of them as in `_lines`."""
    kernels = weight.reshape(window.places, -1)
    return np.tile(kernels, width) if window.stride[1] == 1 else kernels


def _repeated(x: Array, outputs: int) -> Array:
    """Each channel as often as results look at it."""
    return x if x.shape[-1] == outputs else np.repeat(x, outputs // x.shape[-1], axis=-1)


def _wide(array: Array) -> Any:
    """The type in which sums are taken."""
    return np.dtype(np.float32) if array.dtype.itemsize == 2 else array.dtype
