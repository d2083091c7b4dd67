"""Learned positions: each place of a sequence has a vector of its own, which is added to what stands there."""

from collections.abc import Callable
from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.gradient import take_row_sum
from mpitrain.nn.initialise import normal
from mpitrain.nn.layer import Array, Call, Layer, Parameter
from mpitrain.ops.bias_activation import bias_activation


class LearnedPositions(Layer):
    """(batch, length, width) to the same, for sequences up to `longest`: plus the first rows of `weight`.

    Keeps nothing but the length. (Rotary positions are an option of `Attention`.)
    """

    def __init__(self, longest: int, width: int, initialise: Callable[..., Array] | None = None):
        self.longest, self.width = longest, width
        self.initialise = normal(0.02) if initialise is None else initialise

    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("weight", (self.longest, self.width), self.initialise),)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        length = x.shape[1]
        if length > self.longest:
            raise ValueError(f"a sequence of {length}: expected at most {self.longest}, for which there are positions")
        y, table = empty(x.shape, x.dtype, namespace(x)), self.values["weight"][:length]
        # The table is the bias of a sequence seen as one row.
        row = (len(x), length * self.width)
        bias_activation(x.reshape(row), table.reshape(row[1]), "identity", out=y.reshape(row))
        return y, length

    def backward_input(self, context: Any, dy: Array) -> Array:
        return dy

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        length, gradient, adds = context, self.gradients["weight"], self.adds("weight", accumulate)
        take_row_sum(gradient[:length].reshape(-1), dy.reshape(len(dy), length * self.width), adds)
        if not adds:
            gradient[length:] = 0
