"""Layer normalisation: each position's numbers brought to mean 0 and variance 1 (Ba, Kiros and Hinton 2016)."""

from typing import Any

from mpitrain.nn.initialise import ones, zeros
from mpitrain.nn.layer import Array, Call, Finished, Layer, Parameter
from mpitrain.ops.normalise import normalise, normalise_backward
from mpitrain.ops.rows import as_rows


class LayerNorm(Layer):
    """(..., width) to the same: over the last axis (x - mean) / sqrt(variance + eps), times `gain`, plus `bias`.

    Keeps its input and two numbers a row.
    """

    centred = True

    def __init__(self, width: int, eps: float = 1e-5, bias: bool = True):
        self.width, self.eps = width, eps
        self.with_bias = bias

    def parameters(self) -> tuple[Parameter, ...]:
        gain, bias = Parameter("gain", (self.width,), ones), Parameter("bias", (self.width,), zeros)
        return (gain, bias) if self.with_bias else (gain,)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        if x.shape[-1] != self.width:
            raise ValueError(f"expected rows of {self.width} numbers, found an input of shape {x.shape}")
        rows = as_rows(x)
        bias = self.values["bias"] if self.with_bias else None
        y, mean, rstd = normalise(rows, self.values["gain"], bias, self.eps, self.centred)
        return y.reshape(x.shape), (rows, mean, rstd)

    def backward(
        self,
        context: Any,
        dy: Array,
        accumulate: bool = False,
        finished: Finished | None = None,
        input_gradient: bool = True,
    ) -> Array | None:
        """As in `Layer`; both halves in one pass over the input."""
        dx = self._slopes(context, dy, input_gradient, accumulate)
        if finished is not None:
            finished("")
        return dx

    def backward_input(self, context: Any, dy: Array) -> Array:
        return self._slopes(context, dy, True, None)

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        self._slopes(context, dy, False, accumulate)

    def _slopes(self, context: Any, dy: Array, of_input: bool, accumulate: bool | None) -> Array | None:
        """That of the input, if asked for; writes those of the parameters unless `accumulate` is None."""
        rows, mean, rstd = context
        of_weights = accumulate is not None
        slopes = normalise_backward(
            rows, mean, rstd, self.values["gain"], as_rows(dy), of_input=of_input, of_weights=of_weights
        )
        if accumulate is not None:
            for name, slope in zip(("gain", "bias")[: 1 + self.with_bias], slopes[1:], strict=False):
                if self.adds(name, accumulate):
                    self.gradients[name][...] += slope
                else:
                    self.gradients[name][...] = slope
        return None if slopes.x is None else slopes.x.reshape(dy.shape)
