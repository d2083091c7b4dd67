"""Pooling: the largest or the mean of each window, or the mean of the whole image."""

import math
from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.as_image import AsImage
from mpitrain.nn.layer import Call, Layer
from mpitrain.ops.half import wide_type, widened
from mpitrain.ops.matmul import matmul
from mpitrain.ops.max_pool import max_pool, max_pool_gradient
from mpitrain.ops.windows import Pair, Window, bordered, pad, pair, places

Array = Any


class MaxPool2d(Layer):
    """(batch, height, width, channels) to (batch, out height, out width, channels), by the largest of each window.

    `window`, `stride` (default: side by side) and `padding` (with what is never the largest) are a number or a pair
    (down, across). Windows that would reach over the edge are left out. A window has at most 16 x 16 places. What it
    keeps is a byte for each window.
    """

    def __init__(self, window: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0):
        self.window = pooled(window, stride, padding)
        if max(self.window.kernel) > 16:
            raise ValueError(f"window must be at most 16 pixels down and across, found {self.window.kernel}")

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return self.window.places * math.prod(y_shape)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        y, winner = max_pool(x, self.window)
        return y, (x.shape, winner)

    def backward_input(self, context: Any, dy: Array) -> Array:
        shape, winner = context
        return max_pool_gradient(dy, winner, self.window, shape)


class MaxPool1d(AsImage, MaxPool2d):
    """(batch, length, channels) to (batch, out length, channels): a `MaxPool2d` on images one pixel high."""

    def __init__(self, window: int, stride: int | None = None, padding: int = 0):
        super().__init__((1, window), (1, window if stride is None else stride), (0, padding))


class AveragePool2d(Layer):
    """As `MaxPool2d`, by the mean of each window, in which padding counts as zeros. It keeps nothing but a shape."""

    def __init__(self, window: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0):
        self.window = pooled(window, stride, padding)

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return self.window.places * math.prod(y_shape)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        first, *rest = places(pad(widened(x), self.window.padding), self.window)
        xp = namespace(x)
        y = xp.multiply(first, 1 / self.window.places, out=empty(first.shape, first.dtype, xp))
        term = empty(first.shape, first.dtype, xp)
        for place in rest:
            y += xp.multiply(place, 1 / self.window.places, out=term)
        return y.astype(x.dtype, copy=False), x.shape

    def backward_input(self, context: Any, dy: Array) -> Array:
        xp = namespace(dy)
        padded, within = bordered(context, wide_type(dy.dtype), self.window.padding, 0, xp)
        within[...] = 0
        share = xp.multiply(widened(dy), 1 / self.window.places, out=empty(dy.shape, padded.dtype, xp))
        for place in places(padded, self.window):
            place += share
        return xp.ascontiguousarray(within.astype(dy.dtype, copy=False))


class AveragePool1d(AsImage, AveragePool2d):
    """As `MaxPool1d`, by the mean."""

    def __init__(self, window: int, stride: int | None = None, padding: int = 0):
        super().__init__((1, window), (1, window if stride is None else stride), (0, padding))


class GlobalAveragePool(Layer):
    """(batch, ..., channels) to (batch, channels): the mean over all places of an image, or of a series."""

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return math.prod(x_shape)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        xp, count, channels = namespace(x), math.prod(x.shape[1:-1]), x.shape[-1]
        shares = xp.full((1, count), 1 / count, x.dtype)
        y = empty((len(x), 1, channels), x.dtype, xp)
        matmul(shares, x.reshape(len(x), count, channels), out=y)
        return y[:, 0], x.shape

    def backward_input(self, context: Any, dy: Array) -> Array:
        xp, shape = namespace(dy), context
        count = math.prod(shape[1:-1])
        dx = empty((len(dy), count, shape[-1]), dy.dtype, xp)
        dx[...] = (dy / count)[:, None]
        return dx.reshape(shape)


def pooled(window: int | Pair, stride: int | Pair | None, padding: int | Pair) -> Window:
    """Windows side by side unless there is a stride; ValueError if one could lie in the padding altogether."""
    if min(pair("window", window)) < 1:
        raise ValueError(f"window must be at least 1 pixel down and across, found {pair('window', window)}")
    made = Window.of(window, window if stride is None else stride, padding)
    if any(2 * padding > kernel for padding, kernel in zip(made.padding, made.kernel, strict=True)):
        raise ValueError(f"padding must be at most half the window {made.kernel}, found {made.padding}")
    return made
