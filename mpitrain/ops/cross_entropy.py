"""Softmax and cross-entropy of rows of logits in one pass, forward and backward together.

With p = softmax(row), K classes, and the target q = (1 - smoothing) onehot(label) + smoothing / K (Szegedy et al. 2016,
section 7):

    loss     = -sum_j q_j log p_j
    gradient = p - q

so whoever has the softmax for the one has all but done the other. The softmax is that of row - max(row), of which no
exponential overflows.

On the CPU a tile of rows goes through all steps while it is in the cache. On a device a block takes a row, see
kernels/cross_entropy.cu.
"""

from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.grid import in_packs, units_of
from mpitrain.ops.half import is_half, wide_type, widened
from mpitrain.ops.launch import launch
from mpitrain.ops.matmul import matmul

Array = Any

TILE = 1 << 16  # elements; logits and gradient in float32 are half of a core's second-level cache

# On a device a row waits in shared memory for the gradient, if two blocks with such rows find room in a multiprocessor
# of an H100 (228 KiB, of which each block takes 1 KiB for itself).
MOST_HELD = 112 << 10  # bytes
PIECES = 4  # of 16 bytes for a thread, in rows that are long enough


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
    summed in float64, the count an int; on a device both are arrays of no dimension. Raises ValueError for labels that
    are no class; on a device the loss is NaN then.
    """
    if namespace(logits) is not np:
        return _on_gpu(logits, labels, scale, smoothing, ignore)
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
    if is_half(logits.dtype):
        slope = empty(logits.shape, np.float32)
        sums = _tile(widened(logits), labels, counted, scale, smoothing, slope)
        gradient[...] = slope
        return sums
    classes, every = logits.shape[1], np.arange(len(logits))
    best = logits.argmax(axis=1)  # several times faster than max
    np.subtract(logits, logits[every, best, np.newaxis], out=gradient)
    losses = -(1 - smoothing) * gradient[every, labels]
    if smoothing:
        losses -= smoothing / classes * gradient.sum(axis=1)
    np.exp(gradient, out=gradient)
    ones = np.ones(classes, logits.dtype)
    totals = matmul(gradient, ones, out=empty((len(logits),), logits.dtype))  # BLAS sums rows faster than `sum`
    losses += np.log(totals)
    gradient *= (scale / totals)[:, np.newaxis]
    if smoothing:
        gradient -= np.asarray(scale * smoothing / classes, logits.dtype)
    gradient[every, labels] -= np.asarray(scale * (1 - smoothing), logits.dtype)
    if not counted.all():
        gradient[~counted] = 0
    return float(losses.sum(where=counted, dtype=np.float64)), int(((best == labels) & counted).sum())


def _on_gpu(logits: Array, labels: Array, scale: float, smoothing: float, ignore: int | None) -> CrossEntropy:
    xp, (rows, classes) = namespace(logits), logits.shape
    logits, labels = xp.ascontiguousarray(logits), xp.ascontiguousarray(labels, np.int64)
    wide = wide_type(logits.dtype)
    gradient = empty(logits.shape, logits.dtype, xp)
    losses, rights = empty((rows,), wide, xp), empty((rows,), np.int32, xp)

    packed = in_packs(classes, logits, gradient)
    pieces = units_of(classes, logits, packed)
    threads = min(max(-(-pieces // (32 * PIECES)), 1) * 32, 1024)
    limit = logits.device.attributes["MaxSharedMemoryPerBlockOptin"]
    held = classes * logits.itemsize <= min(limit, MOST_HELD)
    target = (wide.type(scale), wide.type(smoothing), np.int64(ignore or 0), np.int32(ignore is not None))
    launch(
        xp,
        "cross_entropy.cu",
        f"cross_entropy_{logits.dtype.name}",
        rows,
        threads,
        (logits, labels, gradient, losses, rights, np.int32(classes), *target, np.int32(packed), np.int32(held)),
        classes * logits.itemsize if held else 0,
    )
    return CrossEntropy(losses.sum(dtype=np.float64), rights.sum(dtype=np.int64), gradient)
