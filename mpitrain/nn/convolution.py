"""Convolution of images, channels last: the windows as rows of a matrix, then one matrix product.

Nearly all the time is the product's; `windows.py` keeps the rest out of its way. The backward lays the windows out
anew, which costs less than keeping them, nine times the size of the image for a 3 x 3 kernel, until it comes.
"""

import math
from collections.abc import Callable
from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.gradient import take_product, take_row_sum
from mpitrain.nn.initialise import he_normal, zeros
from mpitrain.nn.layer import Call, Layer, Parameter
from mpitrain.nn.windows import columns, out_sides, pad, unpad
from mpitrain.ops.matmul import matmul

Array = Any


class Conv2d(Layer):
    """(batch, height, width, inputs) to (batch, out height, out width, outputs), by a square kernel.

    `weight` is (kernel, kernel, inputs, outputs) and `bias` (outputs,). `padding` zeros surround the image, and each
    side of the result counts (side + 2 padding - kernel) // stride + 1. As everywhere in this field, the kernel is not
    flipped (a cross-correlation).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        initialise: Callable[..., Array] = he_normal,
    ):
        self.inputs, self.outputs, self.initialise = inputs, outputs, initialise
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def parameters(self) -> tuple[Parameter, ...]:
        return (
            Parameter("weight", (self.kernel, self.kernel, self.inputs, self.outputs), self.initialise),
            Parameter("bias", (self.outputs,), zeros),
        )

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return 2 * self.kernel**2 * self.inputs * math.prod(y_shape)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        xp, padded = namespace(x), pad(x, self.padding)
        height, width = out_sides(padded, self.kernel, self.stride)
        y = empty((len(x), height, width, self.outputs), x.dtype, xp)
        weight = self.values["weight"].reshape(-1, self.outputs)
        # For a row of pixels at once: added pixel by pixel it would be many short loops.
        bias = xp.tile(self.values["bias"], width)
        for images, windows in columns(padded, self.kernel, self.stride):
            matmul(windows, weight, out=y[images].reshape(-1, self.outputs))
            rows = y[images].reshape(-1, width * self.outputs)
            rows += bias
        return y, padded

    def backward_input(self, context: Any, dy: Array) -> Array:
        """Itself a convolution, of dy spread out to where its windows began, by the kernel turned round."""
        padded, xp = context, namespace(dy)
        batch, height, width, _ = padded.shape
        border = self.kernel - 1
        spread = empty((batch, height + border, width + border, self.outputs), dy.dtype, xp)
        spread[...] = 0
        spread[:, border :: self.stride, border :: self.stride][:, : dy.shape[1], : dy.shape[2]] = dy
        spread = unpad(spread, self.padding)  # Nobody asks for the gradient of the padding.
        turned = self.values["weight"][::-1, ::-1].swapaxes(2, 3).reshape(-1, self.inputs)
        dx = empty((*unpad(padded, self.padding).shape[:3], self.inputs), dy.dtype, xp)
        for images, windows in columns(spread, self.kernel, stride=1):
            matmul(windows, turned, out=dx[images].reshape(-1, self.inputs))
        return dx

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        gradient = self.gradients["weight"].reshape(-1, self.outputs)
        for images, windows in columns(context, self.kernel, self.stride):
            rows = dy[images].reshape(-1, self.outputs)
            take_product(gradient, windows.T, rows, self.adds("weight", accumulate) or images.start > 0)
        take_row_sum(self.gradients["bias"], dy.reshape(-1, self.outputs), self.adds("bias", accumulate))
