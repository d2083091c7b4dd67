"""The three maps of a convolution: to its result, to its input's gradient, to its weight's.

`weight` is (kernel down, kernel across, inputs of a group, outputs), images (batch, height, width, channels). Group g
of the results sees group g of the channels. The windows become rows of a matrix, a few images at a time, and the work
is matrix products, one for each group; where each channel is a group of its own, `ops/depthwise.py` does without.
"""

from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.gradient import take_product
from mpitrain.ops.columns import add_columns, columns, images_at_once
from mpitrain.ops.depthwise import depthwise, depthwise_input_gradient, depthwise_weight_gradient
from mpitrain.ops.matmul import matmul
from mpitrain.ops.windows import Window

Array = Any


def correlate(x: Array, weight: Array, window: Window, groups: int = 1, bias: Array | None = None) -> Array:
    """(batch, height, width, inputs) to (batch, windows down, windows across, outputs)."""
    xp, outputs = namespace(x), weight.shape[-1]
    if _is_depthwise(weight, groups):
        y = depthwise(x, weight, window)
        if bias is not None:
            y += bias
        return y
    height, width = window.sides(x.shape[1:3])
    y = empty((len(x), height, width, outputs), x.dtype, xp)
    # For a row of pixels at once: added pixel by pixel it would be many short loops.
    row = None if bias is None else xp.tile(bias, width)
    for images, matrices in columns(x, window, groups):
        matmul(*_single(matrices, _matrices(weight, groups), _rows(y[images], groups)))
        if row is not None:
            rows = y[images].reshape(-1, width * outputs)
            rows += row
    return y


def input_gradient(dy: Array, weight: Array, window: Window, groups: int, shape: tuple[int, ...]) -> Array:
    """The gradient of x, of this shape, from that of the result; linear in dy, so also a transposed convolution."""
    if _is_depthwise(weight, groups):
        return depthwise_input_gradient(dy, weight, window, shape)
    down, across = (reach - 1 - padding for reach, padding in zip(window.reach, window.padding, strict=True))
    if window.stride == (1, 1) and min(down, across) >= 0:
        # Itself a correlation, with the kernel turned round: quicker, as it adds up in the product.
        turned = swapped(weight, groups)[::-1, ::-1]
        return correlate(dy, turned, window._replace(padding=(down, across)), groups)
    xp = namespace(dy)
    dx = empty(shape, dy.dtype, xp)
    turned = _matrices(weight, groups).swapaxes(1, 2)
    windows, inner = dy.shape[1] * dy.shape[2], turned.shape[2]
    step = images_at_once(dy, groups * windows * inner)
    scratch = empty((groups * step * windows * inner,), dy.dtype, xp)
    for start in range(0, len(dy), step):
        part = dy[start : start + step]
        product = scratch[: groups * len(part) * windows * inner].reshape(groups, -1, inner)
        matmul(*_single(_rows(part, groups), turned, product))
        add_columns(product, dx[start : start + step], window)
    return dx


def add_weight_gradient(x: Array, dy: Array, gradient: Array, window: Window, groups: int, accumulate: bool) -> None:
    """Overwrite the gradient of the weight, or add to it."""
    if _is_depthwise(gradient, groups):
        depthwise_weight_gradient(x, dy, gradient, window, accumulate)
        return
    for images, matrices in columns(x, window, groups):
        rows = _rows(dy[images], groups)
        product, left, right = _single(_matrices(gradient, groups), matrices.swapaxes(1, 2), rows)
        take_product(product, left, right, accumulate or images.start > 0)


def swapped(weight: Array, groups: int) -> Array:
    """The weight of the transpose: (..., inputs of a group, outputs) to (..., outputs of a group, inputs)."""
    *kernel, inputs, outputs = weight.shape
    by_group = weight.reshape(*kernel, inputs, groups, outputs // groups)
    return by_group.transpose(0, 1, 4, 3, 2).reshape(*kernel, outputs // groups, groups * inputs)


def _is_depthwise(weight: Array, groups: int) -> bool:
    return groups > 1 and weight.shape[2] == 1


def _matrices(weight: Array, groups: int) -> Array:
    """The view (groups, places * inputs of a group, outputs of a group) of a weight."""
    return weight.reshape(-1, groups, weight.shape[-1] // groups).swapaxes(0, 1)


def _single(*stacks: Array) -> tuple[Array, ...]:
    """Stacks of one matrix as that matrix: all libraries take it turned, of a stack some make a copy first."""
    return tuple(stack[0] for stack in stacks) if len(stacks[0]) == 1 else stacks


def _rows(y: Array, groups: int) -> Array:
    """The view (groups, pixels, channels of a group) of images."""
    channels = y.shape[-1]
    return y.reshape(-1, groups, channels // groups).swapaxes(0, 1)
