"""The losses: each gives the sum over the predictions of a batch, a score, and the gradient, in one call.

With `scale` = 1 / predictions of the global batch, the gradients of any cut of that batch sum to those of the mean.
Half types are computed in float32, and the gradient is rounded to them once.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.cross_entropy import cross_entropy
from mpitrain.ops.half import widened

Array = Any


class Scored(NamedTuple):
    """What a loss says of a batch: sums over its predictions, not scaled, and d(scale * loss_sum) / d(output).

    On the host the sums are Python numbers, the loss summed in float64; on a device they are arrays of no dimension,
    so that nobody has to wait for them.
    """

    loss_sum: Any
    score_sum: Any  # right predictions; for a regression the sum of squared errors
    gradient: Array  # of the output's shape and dtype


def softmax_cross_entropy(
    logits: Array, labels: Array, scale: float, smoothing: float = 0.0, ignore: int | None = None
) -> Scored:
    """-log softmax(logits)[label], of (..., classes) logits and (...) integer labels.

    `smoothing` is the part of the target that is spread over all classes alike (Szegedy et al. 2016, section 7), and
    predictions whose label is `ignore` count for nothing. The score counts the predictions whose largest logit is the
    label's. Raises ValueError for labels of another shape, and on the host for labels that are no class.
    """
    if labels.shape != logits.shape[:-1]:
        raise ValueError(f"labels for logits {logits.shape} must have shape {logits.shape[:-1]}, found {labels.shape}")
    rows = math.prod(labels.shape)
    found = cross_entropy(logits.reshape(rows, logits.shape[-1]), labels.reshape(rows), scale, smoothing, ignore)
    return Scored(found.loss_sum, found.right, found.gradient.reshape(logits.shape))


def mean_squared_error(output: Array, targets: Array, scale: float) -> Scored:
    """(output - target)^2; the mean is the caller's `scale`. The score is the same sum."""
    error = _error(output, targets)
    squares = _sum(error * error)
    error *= 2 * scale
    return Scored(squares, squares, _rounded(error, output))


def huber(output: Array, targets: Array, scale: float, delta: float = 1.0) -> Scored:
    """e^2 / 2 for errors up to `delta`, beyond them delta (|e| - delta / 2) (Huber 1964). The score is the sum e^2."""
    xp, error = namespace(output), _error(output, targets)
    clipped = xp.clip(error, -delta, delta)
    loss_sum = _sum(clipped * (error - clipped / 2))
    score_sum = _sum(error * error)
    clipped *= scale
    return Scored(loss_sum, score_sum, _rounded(clipped, output))


def binary_cross_entropy(logits: Array, targets: Array, scale: float) -> Scored:
    """-t log p - (1 - t) log(1 - p) with p = sigmoid(logit), for targets t in 0 to 1.

    The score counts the right decisions: logit > 0 where t > 1/2, else not.
    """
    xp = namespace(logits)
    _check_shapes(logits, targets)
    x = widened(logits)
    t = targets.astype(x.dtype)
    # log(1 + exp(-|x|)) overflows nowhere.
    loss_sum = _sum(xp.maximum(x, 0) - x * t + xp.log1p(xp.exp(-abs(x))))
    right = ((x > 0) == (t > 0.5)).sum()
    gradient = xp.tanh(x / 2) / 2 + 0.5 - t
    gradient *= scale
    return Scored(loss_sum, int(right) if xp is np else right, _rounded(gradient, logits))


def _error(output: Array, targets: Array) -> Array:
    _check_shapes(output, targets)
    wide, xp = widened(output), namespace(output)
    return xp.subtract(wide, targets.astype(wide.dtype), out=empty(wide.shape, wide.dtype, xp))


def _check_shapes(output: Array, targets: Array) -> None:
    if output.shape != targets.shape:
        raise ValueError(f"targets must have the output's shape {output.shape}, found {targets.shape}")


def _rounded(gradient: Array, output: Array) -> Array:
    return gradient.astype(output.dtype, copy=False)


def _sum(numbers: Array) -> Any:
    total = numbers.sum(dtype=np.float64)
    return float(total) if namespace(numbers) is np else total
