"""A vector for each of a number of things: bytes, words, people, films."""

from collections.abc import Callable
from typing import Any

from mpitrain.nn.initialise import normal
from mpitrain.nn.layer import Array, Call, Finished, Layer, Parameter
from mpitrain.ops.embedding import gather, scatter_add


class Embedding(Layer):
    """Integers of any shape, (batch, length), to (batch, length, width): row `id` of `weight` (count, width).

    An id outside of 0 to count - 1 is a ValueError on the host; on a device, for which nobody waits, its row is NaN.
    Keeps the ids. Numbers that only count things have no gradient: the backward returns None, so it stands first.
    """

    def __init__(self, count: int, width: int, initialise: Callable[..., Array] | None = None):
        self.count, self.width = count, width
        self.initialise = normal(0.02) if initialise is None else initialise

    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter("weight", (self.count, self.width), self.initialise),)

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return 0

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        if x.dtype.kind not in "iu":
            raise ValueError(f"an embedding takes integers, found {x.dtype}")
        return gather(self.values["weight"], x), x

    def backward(
        self,
        context: Any,
        dy: Array,
        accumulate: bool = False,
        finished: Finished | None = None,
        input_gradient: bool = True,
    ) -> None:
        """As in `Layer`, but None even where the input's gradient is asked for."""
        super().backward(context, dy, accumulate, finished, input_gradient=False)

    def backward_input(self, context: Any, dy: Array) -> Array:
        """None."""
        return None

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        scatter_add(self.gradients["weight"], context, dy, self.adds("weight", accumulate))
