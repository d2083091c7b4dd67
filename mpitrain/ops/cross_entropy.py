"""Softmax and cross-entropy of rows of logits in one pass, forward and backward together.

With p = softmax(row), K classes, and the target q = (1 - smoothing) onehot(label) + smoothing / K (Szegedy et al. 2016,
section 7):

    loss     = -sum_j q_j log p_j
    gradient = p - q

so whoever has the softmax for the one has all but done the other. The softmax is that of row - max(row), of which no
exponential overflows.

On the CPU a tile of rows goes through all steps while it is in the cache.
"""

from typing import Any, NamedTuple

import numpy as np

from mpitrain.memory import empty

Array = Any

TILE = 1 << 15  # elements; logits, gradient and what NumPy buffers are half of a core's second-level cache


class CrossEntropy(NamedTuple):
    """Sums over the rows, and d(scale * loss_sum) / d(logits)."""

    loss_sum: Any
    right: Any
    gradient: Array


def cross_entropy(
    logits: Array, labels: Array, scale: float, smoothing: float = 0.0, ignore: int | None = None
) -> CrossEntropy:
    """Of (rows, classes) logits and (rows,) integer labels; a row whose label is `ignore` counts for nothing.

    Right is a row whose largest logit, the first if there are several, is the label's. The loss is a Python float,
    summed in float64, the count an int. Raises ValueError for labels that are no class.
    """
    rows, classes = logits.shape
    counted = np.ones(rows, bool) if ignore is None else labels != ignore
    labels = np.where(counted, labels, 0)
    if rows and not 0 <= labels.min() <= labels.max() < classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(f"labels must be 0 to {classes - 1}, found {wrong}")

    gradient = empty(logits.shape, logits.dtype)
    loss_sum, right = 0.0, 0
    step = max(1, TILE // max(1, classes))
    for start in range(0, rows, step):
        tile = slice(start, start + step)
        loss, hits = _tile(logits[tile], labels[tile], counted[tile], scale, smoothing, gradient[tile])
        loss_sum, right = loss_sum + loss, right + hits
    return CrossEntropy(loss_sum, right, gradient)


def _tile(
    logits: Array, labels: Array, counted: Array, scale: float, smoothing: float, gradient: Array
) -> tuple[float, int]:
    if logits.dtype.itemsize == 2:  # a half type: computed in float32, rounded once
        slope = empty(logits.shape, np.float32)
        sums = _tile(logits.astype(np.float32), labels, counted, scale, smoothing, slope)
        gradient[...] = slope
        return sums
    classes, every = logits.shape[1], np.arange(len(logits))
    best = logits.argmax(axis=1)  # several times faster than max
    np.subtract(logits, logits[every, best, np.newaxis], out=gradient)
    losses = -(1 - smoothing) * gradient[every, labels]
    if smoothing:
        losses -= smoothing / classes * gradient.sum(axis=1)
    np.exp(gradient, out=gradient)
    totals = gradient @ np.ones(classes, logits.dtype)
    losses += np.log(totals)
    gradient *= (scale * counted / totals).astype(logits.dtype)[:, np.newaxis]
    if smoothing:
        gradient -= (scale * smoothing / classes * counted).astype(logits.dtype)[:, np.newaxis]
    gradient[every, labels] -= (scale * (1 - smoothing) * counted).astype(logits.dtype)
    return float(losses.sum(where=counted, dtype=np.float64)), int(((best == labels) & counted).sum())
