"""Convolutions, channels last. As everywhere in this field the kernel is not flipped (a cross-correlation).

What they keep for the backward is their input as it came, which the layer before often keeps anyway: windows and
padding are laid out anew, which costs less than keeping them, nine times the image for a 3 x 3 kernel, until it comes.
"""

import math
from collections.abc import Callable
from typing import Any

from mpitrain.nn.as_image import AsImage
from mpitrain.nn.correlation import add_weight_gradient, correlate
from mpitrain.nn.correlation import input_gradient as gradient_of_input
from mpitrain.nn.gradient import take_row_sum
from mpitrain.nn.initialise import he_normal, zeros
from mpitrain.nn.layer import Call, Layer, Parameter
from mpitrain.ops.windows import Pair, Window

Array = Any


class Convolution(Layer):
    """What all convolutions have: a kernel for each pair of an input and an output of one group, and a bias."""

    def __init__(
        self, inputs: int, outputs: int, window: Window, groups: int, bias: bool, initialise: Callable[..., Array]
    ):
        if groups < 1 or inputs % groups or outputs % groups:
            raise ValueError(f"groups must divide inputs and outputs, found {groups} for {inputs} and {outputs}")
        self.inputs, self.outputs, self.groups, self.bias, self.initialise = inputs, outputs, groups, bias, initialise
        self.window = window

    def parameters(self) -> tuple[Parameter, ...]:
        weight = Parameter("weight", (*self.window.kernel, self.inputs // self.groups, self.outputs), self.initialise)
        return (weight, Parameter("bias", (self.outputs,), zeros)) if self.bias else (weight,)

    def take_bias(self, dy: Array, accumulate: bool) -> None:
        """Overwrite its gradient, or add to it, if there is one."""
        if self.bias:
            take_row_sum(self.gradients["bias"], dy.reshape(-1, self.outputs), self.adds("bias", accumulate))


class Conv2d(Convolution):
    """(batch, height, width, inputs) to (batch, out height, out width, outputs).

    `kernel`, `stride`, `padding` (zeros around the image) and `dilation` (between a kernel's places) are a number or a
    pair (down, across); a side of the result counts (side + 2 padding - dilation (kernel - 1) - 1) // stride + 1. Of
    g `groups`, each takes its 1 / g of the inputs to its 1 / g of the outputs; `groups` = inputs is a depthwise
    convolution. `weight` is (kernel down, kernel across, inputs / groups, outputs), `bias` (outputs,) or left out.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        initialise: Callable[..., Array] = he_normal,
    ):
        window = Window.of(kernel, stride, padding, dilation)
        super().__init__(inputs, outputs, window, groups, bias, initialise)

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return 2 * self.window.places * self.inputs // self.groups * math.prod(y_shape)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        bias = self.values["bias"] if self.bias else None
        return correlate(x, self.values["weight"], self.window, self.groups, bias), x

    def backward_input(self, context: Any, dy: Array) -> Array:
        return gradient_of_input(dy, self.values["weight"], self.window, self.groups, context.shape)

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        adds = self.adds("weight", accumulate)
        add_weight_gradient(context, dy, self.gradients["weight"], self.window, self.groups, adds)
        self.take_bias(dy, accumulate)


class Conv1d(AsImage, Conv2d):
    """(batch, length, inputs) to (batch, out length, outputs): a `Conv2d` on images one pixel high.

    `weight` is (1, kernel, inputs / groups, outputs).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        initialise: Callable[..., Array] = he_normal,
    ):
        across = (1, kernel), (1, stride), (0, padding), (1, dilation)
        super().__init__(inputs, outputs, *across, groups, bias, initialise)
