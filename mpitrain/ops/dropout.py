"""Dropout by counting: whether a number is dropped is a function of what it is, not of who computes it or when.

    key       the run's seed and the layer's path
    counter   (block, sample's low word, sample's high word, step): a block is 8 numbers of a sample, in memory's order

Philox makes 128 bits of each counter, 16 for each of the 8 numbers, from the lowest bits of the first word to the
highest of the fourth. A number is dropped if its 16 bits are below p 2^16. So the mask is the same for any number of
ranks and any cut into microbatches; p is rounded to a multiple of 2^-16, and what is kept is scaled to the rounded one.

Drawing costs NumPy 2 ns a number, more than all the rest. So the forward keeps the mask, a bit for each number, and the
backward does not draw again.
"""

import math
from typing import Any

import numpy as np

from mpitrain.memory import empty
from mpitrain.ops.philox import philox

Array = Any

LEVELS = 1 << 16
BLOCK = 8  # numbers that one counter serves
TILE = 1 << 14  # blocks; their counters and words in uint64 are 1 MiB, about a core's second-level cache


def drop_level(p: float) -> int:
    """How many of the 2^16 levels are dropped."""
    return round(p * LEVELS)


def dropout(x: Array, level: int, key: tuple[int, int], samples: Array, step: int, out: Array) -> Array:
    """out = x with each number 0 with probability level / 2^16, else scaled up by what is missing. Returns the mask.

    `x` (batch, ...) is contiguous, `samples` (batch,) int64. The mask is one for `dropout_backward`.
    """
    kept = kept_bits(math.prod(x.shape[1:]), level, key, samples, step)
    dropout_backward(kept, x, level, out)
    return kept


def dropout_backward(kept: Array, dy: Array, level: int, out: Array) -> None:
    """out = dy where the mask keeps, scaled up, and 0 elsewhere."""
    rows, blocks = kept.shape
    width = dy.size // rows if rows else 0
    scale = np.asarray(LEVELS / (LEVELS - level), np.float32 if dy.dtype.itemsize == 2 else dy.dtype)
    flat_dy, flat_out = dy.reshape(rows, width), out.reshape(rows, width)
    step = max(1, TILE // max(1, blocks))
    for start in range(0, rows, step):
        tile = slice(start, start + step)
        mask = np.unpackbits(kept[tile], axis=1, count=width, bitorder="little").view(bool)
        flat_out[tile] = np.multiply(flat_dy[tile] * scale, mask)


def kept_bits(width: int, level: int, key: tuple[int, int], samples: Array, step: int) -> Array:
    """(batch, blocks) bytes, a bit for each of a sample's `width` numbers: whether it is kept, lowest bit first."""
    blocks = -(-width // BLOCK)
    bits = empty((len(samples), blocks), np.uint8)
    flat = bits.reshape(-1)
    for start in range(0, len(flat), TILE):
        place = np.arange(start, min(start + TILE, len(flat)))
        sample = samples[place // blocks].astype(np.uint64)
        counter = empty((4, len(place)), np.uint64)
        counter[0] = place % blocks
        np.bitwise_and(sample, np.uint64(0xFFFFFFFF), out=counter[1])
        np.right_shift(sample, np.uint64(32), out=counter[2])
        counter[3] = step
        first, second, third, fourth = philox(counter, key)
        words = empty((len(place), 2), np.uint64)
        words[:, 0] = second << np.uint64(32) | first
        words[:, 1] = fourth << np.uint64(32) | third
        flat[start : start + TILE] = np.packbits(words.view("<u2") >= level, bitorder="little")
    return bits
