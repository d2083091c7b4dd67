"""Layers that only look at the same numbers in another shape."""

import math
from typing import Any

from mpitrain.nn.layer import Call, Layer

Array = Any


class Flatten(Layer):
    """(batch, ...) to (batch, features): images to rows for a Linear layer."""

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return 0

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        # The features are counted, not left to reshape as -1, which an empty batch would leave undecided.
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward_input(self, context: Any, dy: Array) -> Array:
        return dy.reshape(context)
