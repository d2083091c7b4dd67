"""Dropout: in training each number is left out with a probability, so that no other can rely on it."""

from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.layer import Call, Layer
from mpitrain.ops.dropout import LEVELS, drop_level, dropout, dropout_backward
from mpitrain.ops.philox import philox_key

Array = Any


class Dropout(Layer):
    """(batch, ...): numbers are 0 with probability `p`, the others divided by 1 - p (Srivastava et al. 2014).

    Which ones follows from the call's seed, step and samples and the layer's path alone (see ops/dropout.py), so that
    it is the same for any number of ranks, any cut into microbatches and any recomputation. Where the call names no
    samples they are the rows 0, 1, ... Outside training it does nothing.

    The context is the mask, a bit a number. Raises ValueError unless p is at least 0 and below 1.
    """

    def __init__(self, p: float = 0.1):
        if not 0 <= p < 1 or drop_level(p) == LEVELS:
            raise ValueError(f"p = {p}: expected a probability of at least 0 and below 1")
        self.p, self.level = p, drop_level(p)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        if not call.training or not self.level:
            return x, None
        samples = np.arange(len(x)) if call.samples is None else call.samples
        y = empty(x.shape, x.dtype, namespace(x))
        return y, dropout(x, self.level, philox_key(call.seed, self.path), samples, call.step, y)

    def backward_input(self, context: Any, dy: Array) -> Array:
        if context is None:
            return dy
        dx = empty(dy.shape, dy.dtype, namespace(dy))
        dropout_backward(context, dy, self.level, dx)
        return dx
