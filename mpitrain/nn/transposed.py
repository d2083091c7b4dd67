"""Transposed convolution: images grow, each pixel spreading a kernel of its own weight (Zeiler et al. 2010).

It is the gradient of a convolution's input taken as a forward, so its own input gradient is that convolution, and its
weight's gradient that convolution's with image and result in each other's place. It keeps its input.
"""

import math
from collections.abc import Callable
from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.convolution import Convolution
from mpitrain.nn.correlation import add_weight_gradient, correlate, input_gradient, swapped
from mpitrain.nn.initialise import he_normal
from mpitrain.nn.layer import Call
from mpitrain.ops.windows import Pair, Window, pair

Array = Any


class ConvTranspose2d(Convolution):
    """(batch, height, width, inputs) to (batch, out height, out width, outputs).

    A side of the result counts (side - 1) stride - 2 padding + dilation (kernel - 1) + 1 + output_padding: `padding`
    takes pixels away from the result, `output_padding`, less than the stride, adds some at the far edge, since with a
    stride several sides fit one. `weight` is (kernel down, kernel across, inputs / groups, outputs) as in `Conv2d`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        output_padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        initialise: Callable[..., Array] = he_normal,
    ):
        window = Window.of(kernel, stride, padding, dilation)
        super().__init__(inputs, outputs, window, groups, bias, initialise)
        self.output_padding = pair("output_padding", output_padding)
        if not all(0 <= more < stride for more, stride in zip(self.output_padding, self.window.stride, strict=True)):
            raise ValueError(
                f"output_padding must be at least 0 and less than the stride {self.window.stride}, found "
                f"{self.output_padding}"
            )

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return 2 * self.window.places * self.outputs // self.groups * math.prod(x_shape)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        shape = (len(x), *self._sides(x.shape[1:3]), self.outputs)
        y = input_gradient(x, swapped(self.values["weight"], self.groups), self.window, self.groups, shape)
        if self.bias:
            rows = y.reshape(-1, y.shape[2] * self.outputs)
            rows += namespace(y).tile(self.values["bias"], y.shape[2])
        return y, x

    def backward_input(self, context: Any, dy: Array) -> Array:
        return correlate(dy, swapped(self.values["weight"], self.groups), self.window, self.groups)

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        gradient = self.gradients["weight"]
        shape = (*self.window.kernel, self.outputs // self.groups, self.inputs)
        turned = empty(shape, dy.dtype, namespace(dy))
        add_weight_gradient(dy, context, turned, self.window, self.groups, accumulate=False)
        product = swapped(turned, self.groups)
        if self.adds("weight", accumulate):
            gradient += product
        else:
            gradient[...] = product
        self.take_bias(dy, accumulate)

    def _sides(self, image: Pair) -> Pair:
        """Of the result; ValueError if nothing is left."""
        window = self.window
        down, across = (
            (side - 1) * stride - 2 * padding + reach + more
            for side, stride, padding, reach, more in zip(
                image, window.stride, window.padding, window.reach, self.output_padding, strict=True
            )
        )
        if min(down, across) < 1:
            raise ValueError(
                f"padding {window.padding} leaves {down} x {across} pixels of a result from {image[0]} x {image[1]}"
            )
        return down, across
