"""Layers on images as layers on series: a series is an image one pixel high."""

from typing import Any

from mpitrain.nn.layer import Array, Call, Layer


class AsImage(Layer):
    """Stands before a layer on images among the bases of a class: (batch, length, channels) goes through that layer as
    (batch, 1, length, channels), and its result back."""

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        y, context = super().forward(x[:, None], call)
        return y[:, 0], context

    def backward_input(self, context: Any, dy: Array) -> Array:
        return super().backward_input(context, dy[:, None])[:, 0]

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        super().backward_weights(context, dy[:, None], accumulate)
