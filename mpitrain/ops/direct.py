"""Direct convolution, for groups of few channels: no matrix, all is elementwise, place by place of the window.

Depthwise convolution is the case of one channel a group: there is no sum over channels then, and a matrix product would
be one with a vector. `weight` is (kernel down, kernel across, inputs of a group, outputs), and the number of groups
follows from that of the channels. A few images at a time go through all places, so that the passes stay in the cache.
Half types are computed in float32 and rounded once.
"""

import math
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.grid import over_rows
from mpitrain.ops.half import wide_type
from mpitrain.ops.launch import blocks, launch
from mpitrain.ops.windows import Window, bordered, pad, parts, places, window_numbers

Array = Any

FILE = "direct.cu"
TILE = 1 << 16  # elements of an image's part that go through all places while they are in the cache


def direct(x: Array, weight: Array, window: Window) -> Array:
    """(batch, height, width, channels) to (batch, windows down, windows across, outputs)."""
    *_, inputs, outputs = weight.shape
    y = empty((len(x), *window.sides(x.shape[1:3]), outputs), x.dtype, namespace(x))
    if namespace(x) is not np:
        _launch("direct", (x, weight, y), y, window, x.shape, (inputs, outputs))
        return y
    for images in parts(y, TILE):
        padded = pad(np.ascontiguousarray(x[images], wide_type(x.dtype)), window.padding)
        sums = y[images] if y.dtype == padded.dtype else empty(y[images].shape, padded.dtype)
        for channel in range(inputs):
            seen = _places(_seen(padded, channel, inputs, outputs), window)
            kernels, total = _kernels(weight, channel, window, y.shape[2]), sums.reshape(seen.shape[2:])
            if channel == 0:
                np.einsum("abnhrc,abc->nhrc", seen, kernels, out=total)
            else:
                total += np.einsum("abnhrc,abc->nhrc", seen, kernels)
        if sums.dtype != y.dtype:
            y[images] = sums
    return y


def direct_input_gradient(dy: Array, weight: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """The gradient of the images, of this shape, from that of the result."""
    *_, inputs, outputs = weight.shape
    dx = empty(shape, dy.dtype, namespace(dy))
    if namespace(dy) is not np:
        _launch("direct_input_gradient", (dy, weight, dx), dx, window, shape, (inputs, outputs))
        return dx
    groups = shape[-1] // inputs
    down, across = (reach - 1 - padding for reach, padding in zip(window.reach, window.padding, strict=True))
    if window.stride == (1, 1) and min(down, across) >= 0 and groups == outputs == shape[-1]:
        return direct(dy, weight[::-1, ::-1], window._replace(padding=(down, across)))
    for images in parts(dy, TILE):
        part = dy[images].astype(wide_type(dy.dtype), copy=False)
        padded, within = bordered((len(part), *shape[1:3], outputs), part.dtype, window.padding, 0, np)
        term = empty(part.shape, part.dtype)
        for channel in range(inputs):
            within[...] = 0
            for kernel, place in zip(weight[:, :, channel].reshape(-1, outputs), places(padded, window), strict=True):
                place += np.multiply(part, kernel, out=term, dtype=term.dtype)
            own = dx[images][..., channel::inputs]
            own[...] = within if groups == outputs else within.reshape(*within.shape[:3], groups, -1).sum(axis=-1)
    return dx


def direct_weight_gradient(x: Array, dy: Array, gradient: Array, window: Window, accumulate: bool) -> None:
    """Overwrite the gradient of the weight, or add to it."""
    *_, inputs, outputs = gradient.shape
    if namespace(dy) is not np:
        total = _weight_gradient_on_device(x, dy, window, inputs).reshape(gradient.shape)
    else:
        total = np.zeros(gradient.shape, wide_type(dy.dtype))
        for images in parts(dy, TILE):
            part = dy[images].astype(total.dtype, copy=False)
            padded = pad(np.ascontiguousarray(x[images], total.dtype), window.padding)
            for channel in range(inputs):
                seen = _places(_seen(padded, channel, inputs, outputs), window)
                found = np.einsum("abnhrc,nhrc->abc", seen, part.reshape(seen.shape[2:]))
                total[:, :, channel] += found.reshape(*window.kernel, -1, outputs).sum(axis=2)
    gradient[...] = gradient + total if accumulate else total


def _launch(
    kernel: str,
    arrays: tuple[Array, ...],
    result: Array,
    window: Window,
    images: tuple[int, ...],
    channels: tuple[int, int],
) -> None:
    """`channels` are the inputs of a group, and all outputs."""
    rows = math.prod(result.shape[:3])
    grid, block = over_rows(result, result.shape[-1], rows)
    arrays = tuple(map(namespace(result).ascontiguousarray, arrays))
    arguments = (*arrays, *window_numbers(window, images), *map(np.int32, channels), np.uint32(rows))
    launch(namespace(result), FILE, f"{kernel}_{result.dtype.name}", grid, block, arguments)


def _weight_gradient_on_device(x: Array, dy: Array, window: Window, inputs: int) -> Array:
    """(places * inputs, outputs): the blocks' parts, and their sum."""
    outputs, rows, xp = dy.shape[-1], math.prod(dy.shape[:3]), namespace(dy)
    columns, weights = -(-outputs // 32), window.places * inputs
    most = max(1, blocks(dy, outputs * rows * weights) // (columns * weights))
    split = max(1, min(-(-rows // 8), most))
    partial = empty((split, weights, outputs), wide_type(dy.dtype), xp)
    numbers = window_numbers(window, x.shape)
    given = xp.ascontiguousarray(x), xp.ascontiguousarray(dy)
    arguments = (*given, partial, *numbers, np.int32(inputs), np.int32(outputs), np.uint32(rows))
    name = f"direct_weight_gradient_{dy.dtype.name}"
    launch(xp, FILE, name, (columns, split, weights), (32, 8), arguments)
    return partial.sum(axis=0)


def _seen(x: Array, channel: int, inputs: int, outputs: int) -> Array:
    """For each output the channel of this number in its group; contiguous."""
    if inputs == 1 and x.shape[-1] == outputs:
        return x
    one = x[..., channel::inputs]
    return np.repeat(one, outputs // one.shape[-1], axis=-1)


def _places(images: Array, window: Window) -> Array:
    """The view (kernel down, kernel across, batch, windows down, runs, numbers of a run) of contiguous images.

    A run is a window's pixel, or a whole row of windows where neighbours look at neighbours: inner loops are over runs.
    """
    (_, height, width, channels), (image, row, pixel, number) = images.shape, images.strides
    down, across = window._replace(padding=(0, 0)).sides((height, width))
    runs = (1, across * channels) if window.stride[1] == 1 else (across, channels)
    strides = row * window.stride[0], pixel * window.stride[1], number
    apart = row * window.dilation[0], pixel * window.dilation[1]
    shape = (*window.kernel, len(images), down, *runs)
    return np.lib.stride_tricks.as_strided(images, shape, (*apart, image, *strides), writeable=False)


def _kernels(weight: Array, channel: int, window: Window, across: int) -> Array:
    """For each place of the window the numbers of a run, where so many windows are in a row."""
    kernels = weight[:, :, channel].astype(wide_type(weight.dtype), copy=False)
    return np.tile(kernels, across) if window.stride[1] == 1 else kernels
