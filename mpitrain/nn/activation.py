"""The nonlinearities: ReLU, GELU, SiLU, Tanh, Sigmoid, element by element, any shape.

Their formulas and costs are in ops/bias_activation.py. `Linear(activation=...)` does the same in its own pass over its
result, together with the bias; as layers of their own they are for where no Linear stands before.
"""

from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.layer import Call, Layer
from mpitrain.ops.bias_activation import activation_backward, bias_activation, keeps_slope

Array = Any


class Activation(Layer):
    """One of the table in ops/bias_activation.py.

    The context is the result, which the next layer keeps anyway, or for GELU and SiLU the slope; a forward that is no
    training keeps no slope.
    """

    function = "identity"

    def __init__(self, in_place: bool = False):
        """`in_place` overwrites the input, which is right only where nobody else holds it: after a convolution, a pool
        or a normalisation, which keep their inputs alone. (A view with gaps is left as it is.)"""
        self.in_place = in_place

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        overwritten = self.in_place and x.flags.c_contiguous
        return activated(x, None, self.function, call, x if overwritten else empty(x.shape, x.dtype, namespace(x)))

    def backward_input(self, context: Any, dy: Array) -> Array:
        dx = empty(dy.shape, dy.dtype, namespace(dy))
        activation_backward(context, dy, self.function, dx)
        return dx


class ReLU(Activation):
    """max(x, 0); its slope at 0 is 0."""

    function = "relu"


class GELU(Activation):
    """x times the normal distribution function of x, in the tanh form that GPT-2 uses (Hendrycks & Gimpel 2016).

    It differs from the exact one by less than 5e-4. The exact form wants erf, which NumPy does not have.
    """

    function = "gelu"


class SiLU(Activation):
    """x sigmoid(x), also called swish."""

    function = "silu"


class Tanh(Activation):
    """tanh(x)."""

    function = "tanh"


class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    function = "sigmoid"


def activated(x: Array, bias: Array | None, function: str, call: Call, out: Array) -> tuple[Array, Array | None]:
    """f(x + bias) in `out`, and what `activation_backward` will want of it."""
    if not keeps_slope(function):
        bias_activation(x, bias, function, out)
        return out, out
    slope = empty(x.shape, x.dtype, namespace(x)) if call.training else None
    bias_activation(x, bias, function, out, slope)
    return out, slope
