"""Softmax and cross-entropy in one pass over the logits, forward and backward together.

The gradient of the loss is softmax - onehot, so whoever has the softmax for the one has all but done the other.
"""

from typing import Any

import numpy as np

from mpitrain.array import namespace

Array = Any


def softmax_cross_entropy(logits: Array, labels: Array, scale: float) -> tuple[float, int, Array]:
    """Loss, right predictions and gradient of (batch, classes) logits against (batch,) integer labels.

    Returns the sum over the rows of -log softmax(logits)[label], not scaled and summed in float64; the number of rows
    whose largest logit is the label's; and (softmax - onehot) * scale, of the shape and dtype of the logits. With
    `scale` = 1 / samples of the global batch, gradients of any cut of that batch sum to the mean's.
    """
    rows, xp = len(labels), namespace(logits)
    if rows == 0:
        return 0.0, 0, xp.zeros_like(logits)
    every_row = xp.arange(rows)
    largest = logits.max(axis=1, keepdims=True)  # taken off first, so that no exponential overflows
    shifted = logits - largest
    picked = shifted[every_row, labels]
    correct = (logits.argmax(axis=1) == labels).sum()

    dlogits = xp.exp(shifted, out=shifted)
    totals = dlogits.sum(axis=1, keepdims=True)
    loss_sum = (xp.log(totals[:, 0]) - picked).sum(dtype=np.float64)
    dlogits *= scale / totals
    dlogits[every_row, labels] -= scale
    return float(loss_sum), int(correct), dlogits
