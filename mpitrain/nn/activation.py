"""The nonlinearity: ReLU."""

from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.layer import Call, Layer

Array = Any


class ReLU(Layer):
    """max(x, 0) element by element, any shape; its slope at 0 is 0."""

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        xp = namespace(x)
        y = xp.maximum(x, 0, out=empty(x.shape, x.dtype, xp))
        return y, y  # The next layer keeps y anyway, and its sign says all that backward needs.

    def backward_input(self, context: Any, dy: Array) -> Array:
        y, xp = context, namespace(dy)
        positive = xp.greater(y, 0, out=empty(y.shape, bool, xp))
        return xp.multiply(dy, positive, out=empty(dy.shape, dy.dtype, xp))
