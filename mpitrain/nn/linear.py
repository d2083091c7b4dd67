"""A fully connected layer: y = f(x W + b)."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.activation import activated
from mpitrain.nn.gradient import take_product, take_row_sum
from mpitrain.nn.initialise import he_normal, zeros
from mpitrain.nn.layer import Call, Finished, Layer, Parameter
from mpitrain.ops.bias_activation import activation_backward, check_activation
from mpitrain.ops.matmul import matmul
from mpitrain.ops.rows import as_rows

Array = Any

FEW_ROWS = 64  # up to which the gradient of the input is computed turned, unless the outputs are fewer still


class Linear(Layer):
    """(..., inputs) to (..., outputs), with `weight` (inputs, outputs) and, unless told otherwise, `bias` (outputs,).

    `transposed` weights are stored as (outputs, inputs), which is the shape of an embedding's table: so that the two
    can be tied. `activation` is one of identity, relu, gelu, silu, tanh and sigmoid, done in the bias' own pass.

    The context is x and, for an activation, its result or its slope (see ops/bias_activation.py). Raises ValueError
    for an activation that there is not.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        initialise: Callable[..., Array] = he_normal,
        *,
        bias: bool = True,
        transposed: bool = False,
        activation: str = "identity",
    ):
        check_activation(activation)
        self.inputs, self.outputs, self.initialise = inputs, outputs, initialise
        self.bias, self.transposed, self.activation = bias, transposed, activation

    def parameters(self) -> tuple[Parameter, ...]:
        if self.transposed:
            weight = Parameter("weight", (self.outputs, self.inputs), self._initialise_transposed)
        else:
            weight = Parameter("weight", (self.inputs, self.outputs), self.initialise)
        return (weight, Parameter("bias", (self.outputs,), zeros)) if self.bias else (weight,)

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return 2 * self.inputs * math.prod(y_shape)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        y = empty((*x.shape[:-1], self.outputs), x.dtype, namespace(x))
        matmul(as_rows(x), self._weight(), out=as_rows(y))
        bias = self.values["bias"] if self.bias else None
        if bias is None and self.activation == "identity":
            return y, (x, None)
        y, kept = activated(y, bias, self.activation, call, out=y)
        return y, (x, None if self.activation == "identity" else kept)

    def backward(
        self,
        context: Any,
        dy: Array,
        accumulate: bool = False,
        finished: Finished | None = None,
        input_gradient: bool = True,
    ) -> Array | None:
        """As in `Layer`; both halves want the gradient before the activation, which is computed once for them."""
        x, _ = context
        return super().backward((x, None), self._before_activation(context, dy), accumulate, finished, input_gradient)

    def backward_input(self, context: Any, dy: Array) -> Array:
        x, _ = context
        xp, dy = namespace(dy), as_rows(self._before_activation(context, dy))
        dx = empty(x.shape, dy.dtype, xp)
        if xp is not np or len(dy) > FEW_ROWS or self.outputs < len(dy):
            matmul(dy, self._weight().T, out=as_rows(dx))
            return dx
        # Turned: a CPU's BLAS is up to a third faster when the few rows, and not the weight, are what it has to turn.
        turned = matmul(self._weight(), dy.T, out=empty((self.inputs, len(dy)), dy.dtype, xp))
        as_rows(dx)[...] = turned.T
        return dx

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        x, dy = as_rows(context[0]), as_rows(self._before_activation(context, dy))
        a, b = (dy, x) if self.transposed else (x, dy)
        take_product(self.gradients["weight"], a.T, b, self.adds("weight", accumulate))
        if self.bias:
            take_row_sum(self.gradients["bias"], dy, self.adds("bias", accumulate))

    def _weight(self) -> Array:
        """As (inputs, outputs)."""
        return self.values["weight"].T if self.transposed else self.values["weight"]

    def _before_activation(self, context: Any, dy: Array) -> Array:
        """The gradient of x W + b, given that of the result."""
        _, kept = context
        if kept is None:
            return dy
        dz = empty(dy.shape, dy.dtype, namespace(dy))
        activation_backward(kept, dy, self.activation, dz)
        return dz

    def _initialise_transposed(self, generator: Any, shape: tuple[int, ...]) -> Array:
        return self.initialise(generator, shape[::-1]).T
