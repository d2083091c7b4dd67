"""The nonlinearity: ReLU."""

from typing import Any

from mpitrain.array import namespace
from mpitrain.nn.layer import Call, Layer

Array = Any


class ReLU(Layer):
    """max(x, 0) element by element, any shape; its slope at 0 is 0."""

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        y = namespace(x).maximum(x, 0)
        return y, y  # The next layer keeps y anyway, and its sign says all that backward needs.

    def backward_input(self, context: Any, dy: Array) -> Array:
        y = context
        return dy * (y > 0)
