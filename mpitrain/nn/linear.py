"""A fully connected layer: y = x W + b."""

import math
from collections.abc import Callable
from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.gradient import take_product, take_row_sum
from mpitrain.nn.initialise import he_normal, zeros
from mpitrain.nn.layer import Call, Layer, Parameter
from mpitrain.ops.matmul import matmul

Array = Any


class Linear(Layer):
    """(batch, inputs) to (batch, outputs), with `weight` (inputs, outputs) and `bias` (outputs,)."""

    def __init__(self, inputs: int, outputs: int, initialise: Callable[..., Array] = he_normal):
        self.inputs, self.outputs, self.initialise = inputs, outputs, initialise

    def parameters(self) -> tuple[Parameter, ...]:
        return (
            Parameter("weight", (self.inputs, self.outputs), self.initialise),
            Parameter("bias", (self.outputs,), zeros),
        )

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return 2 * self.inputs * math.prod(y_shape)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        xp = namespace(x)
        y = matmul(x, self.values["weight"], out=empty((len(x), self.outputs), x.dtype, xp))
        y += self.values["bias"]
        return y, x

    def backward_input(self, context: Any, dy: Array) -> Array:
        # dy @ weight.T, turned: BLAS is up to a third faster when it need not turn the large matrix.
        xp = namespace(dy)
        turned = matmul(self.values["weight"], dy.T, out=empty((self.inputs, len(dy)), dy.dtype, xp))
        dx = empty((len(dy), self.inputs), dy.dtype, xp)
        dx[...] = turned.T
        return dx

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        x = context
        take_product(self.gradients["weight"], x.T, dy, self.adds("weight", accumulate))
        take_row_sum(self.gradients["bias"], dy, self.adds("bias", accumulate))
