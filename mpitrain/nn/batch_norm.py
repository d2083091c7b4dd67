"""Batch normalisation: each channel to mean 0 and variance 1 over the batch, then to a learned gain and bias.

In training the moments are the batch's, and the running ones move towards them; otherwise the running ones are used.
`BatchNorm` sees the rows of its own rank, `SyncBatchNorm` those of all.
"""

import math
from typing import Any, NamedTuple

from mpitrain.nn.initialise import ones, zeros
from mpitrain.nn.layer import Buffer, Call, Layer, Parameter, Reduce
from mpitrain.ops import batch_norm as ops
from mpitrain.ops.rows import as_rows

Array = Any


class Kept(NamedTuple):
    """What the backward needs."""

    x: Array
    by: ops.Moments
    rows: Array | None  # how many the moments are of; None: they are the running ones, and constants
    reduce: Reduce | None  # sums over the ranks whose rows they are


class BatchNorm(Layer):
    """(..., channels) to the same shape: images, series or rows, normalised by channel over all axes before the last.

    y = gain (x - mean) / sqrt(variance + epsilon) + bias. `momentum` is the part of the way that the buffers `mean`
    and `variance` go with every batch, as in PyTorch, the variance corrected for the sample. It keeps its input and two
    numbers a channel.
    """

    def __init__(self, channels: int, epsilon: float = 1e-5, momentum: float = 0.1):
        self.channels, self.epsilon, self.momentum = channels, epsilon, momentum

    def parameters(self) -> tuple[Parameter, ...]:
        return Parameter("gain", (self.channels,), ones), Parameter("bias", (self.channels,), zeros)

    def buffers(self) -> tuple[Buffer, ...]:
        return Buffer("mean", (self.channels,), 0), Buffer("variance", (self.channels,), 1)

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return 5 * math.prod(y_shape)  # a subtraction, a square and two sums for the moments, and a multiply-add

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        rows, running = as_rows(x), ops.Running(self.state["mean"], self.state["variance"])
        count, reduce = None, self._reduce(call)
        if call.training:
            sums = ops.column_sums(rows)
            if reduce is not None:
                sums = reduce(sums)
            by = ops.moments(sums, self.epsilon, None if call.recomputing else running, self.momentum)
            count = sums[:1]
        else:
            by = ops.running_moments(running, self.epsilon)
        y = ops.normalise(rows, by, self.values["gain"], self.values["bias"])
        return y.reshape(x.shape), Kept(x, by, count, reduce)

    def backward(
        self,
        context: Any,
        dy: Array,
        accumulate: bool = False,
        finished: Any = None,
        input_gradient: bool = True,
    ) -> Array | None:
        """As in `Layer`; the sums over the rows serve both halves."""
        sums = self._sums(context, dy)
        self._take(sums, accumulate)
        if finished is not None:
            finished("")
        return self._input_gradient(context, dy, sums) if input_gradient else None

    def backward_input(self, context: Any, dy: Array) -> Array:
        return self._input_gradient(context, dy, self._sums(context, dy))

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        self._take(self._sums(context, dy), accumulate)

    def _reduce(self, call: Call) -> Reduce | None:
        """How to sum over the ranks whose rows are normalised together, if they are several."""
        return None

    def _sums(self, kept: Kept, dy: Array) -> Array:
        return ops.slope_sums(as_rows(kept.x), as_rows(dy), kept.by)

    def _take(self, sums: Array, accumulate: bool) -> None:
        for name, total in zip(("bias", "gain"), sums, strict=True):
            gradient = self.gradients[name]
            gradient[...] = gradient + total if self.adds(name, accumulate) else total

    def _input_gradient(self, kept: Kept, dy: Array, sums: Array) -> Array:
        if kept.rows is not None and kept.reduce is not None:
            sums = kept.reduce(sums.reshape(-1)).reshape(sums.shape)
        rows = as_rows(kept.x), as_rows(dy)
        dx = ops.gradient(*rows, kept.by, self.values["gain"], sums, kept.rows)
        return dx.reshape(dy.shape)


class SyncBatchNorm(BatchNorm):
    """As `BatchNorm`, over the rows of all ranks, however many each has: one rank with the whole batch gives the same.

    Every training forward, and every backward that wants the input's gradient, is a collective call of
    `Call.reduce`, on a rank without rows too: one a layer.
    """

    def _reduce(self, call: Call) -> Reduce | None:
        return call.reduce
