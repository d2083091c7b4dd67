"""Inputs to mean 0 and deviation 1, channel by channel (the last axis), by numbers from the training part alone.

They are taken from at most LOOKED_AT bytes: of a larger part, from samples evenly spaced, so that no rank reads through
a file of which it needs a share. Every rank finds the same numbers. Values that are missing (NaN) do not count.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mpitrain.data.rows import Rows
from mpitrain.memory import empty

LOOKED_AT = 1 << 28  # bytes
AT_ONCE = 1 << 17  # bytes, of which copies are made that are several times larger


class Statistics(NamedTuple):
    """Mean and deviation of each channel, float64 (channels,); the deviation of what is all alike counts as 1."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, rows: Rows) -> "Statistics":
        return _of_bytes(rows) if rows.dtype == np.uint8 else _of_numbers(rows)

    def normalised(self, rows: np.ndarray) -> np.ndarray:
        """As float32, in new memory. NaN stays."""
        normalised = empty(rows.shape, np.float32)
        normalised[...] = rows
        flat = normalised.reshape(*rows.shape[:-2], rows.shape[-2] * rows.shape[-1])  # long rows: NumPy's loops are
        mean, deviation = self.mean, self.deviation
        if len(mean) > 1:
            mean, deviation = np.tile(mean, rows.shape[-2]), np.tile(deviation, rows.shape[-2])
        flat -= mean.astype(np.float32)
        flat *= (1 / deviation).astype(np.float32)
        return normalised


def _parts(rows: Rows) -> Iterator[np.ndarray]:
    """Rows to look at, some at a time, as (values, channels)."""
    row_bytes = max(1, int(np.prod(rows.shape[1:])) * rows.dtype.itemsize)
    few = min(len(rows), max(1, LOOKED_AT // row_bytes))
    looked_at = np.arange(few) * len(rows) // few
    step = max(1, AT_ONCE // row_bytes)
    for start in range(0, few, step):
        yield rows[looked_at[start : start + step]].reshape(-1, rows.shape[-1])


def _of_bytes(rows: Rows) -> Statistics:
    """From the histogram, in whole numbers, so that they are exact and the same everywhere."""
    channels = rows.shape[-1]
    histogram = np.zeros((channels, 256), np.int64)
    for part in _parts(rows):
        for channel in range(channels):
            histogram[channel] += np.bincount(part[:, channel], minlength=256)
    levels = np.arange(256)
    moments = [(int(counts.sum()), int(counts @ levels), int(counts @ levels**2)) for counts in histogram]
    mean = [first / count for count, first, _ in moments]
    variance = [second / count - (first / count) ** 2 for count, first, second in moments]
    return Statistics(np.array(mean), _deviation(np.array(variance)))


def _of_numbers(rows: Rows) -> Statistics:
    """Moments part by part. T. Chan, G. Golub, R. LeVeque: Updating Formulae and a Pairwise Algorithm, 1979."""
    channels = rows.shape[-1]
    count, mean, squares = np.zeros(channels), np.zeros(channels), np.zeros(channels)
    for part in _parts(rows):
        values = part.astype(np.float64)
        there = ~np.isnan(values)
        more = there.sum(axis=0)
        own_mean = np.where(there, values, 0).sum(axis=0) / np.maximum(more, 1)
        own_squares = np.where(there, values - own_mean, 0)
        total, apart = np.maximum(count + more, 1), own_mean - mean
        squares += np.einsum("vc,vc->c", own_squares, own_squares) + apart**2 * count * more / total
        mean += apart * more / total
        count += more
    return Statistics(mean, _deviation(squares / np.maximum(count, 1)))


def _deviation(variance: np.ndarray) -> np.ndarray:
    return np.sqrt(np.where(variance > 0, variance, 1.0))
