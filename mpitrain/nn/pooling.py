"""Max pooling: the largest of each window, place by place of the window rather than window by window.

A window of 2 x 2 is four strided views of the whole image, so that everything is a few long elementwise passes. Which
place won is kept as one byte for each window; with ties it is the first, and the gradient goes to exactly one element.
"""

import math
from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.layer import Call, Layer
from mpitrain.nn.windows import out_sides

Array = Any


class MaxPool2d(Layer):
    """(batch, height, width, channels) to (batch, out height, out width, channels), by a square window.

    Windows start every `stride` pixels (default: side by side), and those that would reach over the edge are left out.
    A window has at most 16 x 16 places.
    """

    def __init__(self, window: int, stride: int | None = None):
        if not 1 <= window <= 16:
            raise ValueError(f"window must be 1 to 16 pixels wide, found {window}")
        self.window, self.stride = window, stride or window

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return self.window**2 * math.prod(y_shape)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        xp = namespace(x)
        places = self._places(x)
        shape = places[0].shape
        largest, winner, mark = empty(shape, x.dtype, xp), empty(shape, xp.uint8, xp), empty(shape, xp.bool_, xp)
        largest[...], winner[...] = places[0], 0
        for number, place in enumerate(places[1:], start=1):
            xp.greater(place, largest, out=mark)
            # Places come in rising order, so a later winner is simply the larger number.
            xp.maximum(winner, mark.view(xp.uint8) * xp.uint8(number), out=winner)
            xp.maximum(largest, place, out=largest)
        return largest, (x.shape, winner)

    def backward_input(self, context: Any, dy: Array) -> Array:
        shape, winner = context
        xp = namespace(dy)
        side_by_side = self.stride == self.window and not (shape[1] % self.window or shape[2] % self.window)
        if side_by_side:  # Every pixel belongs to one window: write each once.
            dx = empty(shape, dy.dtype, xp)
            for number, place in enumerate(self._places(dx)):
                xp.multiply(dy, winner == number, out=place)
        else:
            dx = xp.zeros(shape, dy.dtype)
            for number, place in enumerate(self._places(dx)):
                place += dy * (winner == number)
        return dx

    def _places(self, x: Array) -> list[Array]:
        """For each place of the window, row by row, the view of the pixels that stand there in some window."""
        window, stride = self.window, self.stride
        height, width = out_sides(x, window, stride)
        return [
            x[:, i : i + stride * height : stride, j : j + stride * width : stride]
            for i in range(window)
            for j in range(window)
        ]
