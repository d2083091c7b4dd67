"""Dropout by counting: whether a number is dropped is a function of what it is, not of who computes it or when.

    key       the run's seed and the layer's path
    counter   (block, sample's low word, sample's high word, step): a block is 8 numbers of a sample, in memory's order

Philox makes 128 bits of each counter, 16 for each of the 8 numbers, from the lowest bits of the first word to the
highest of the fourth. A number is dropped if its 16 bits are below p 2^16. So the mask is the same for any number of
ranks and any cut into microbatches; p is rounded to a multiple of 2^-16, and what is kept is scaled to the rounded one.

Drawing costs NumPy 2 ns a number, more than all the rest. So the forward keeps the mask, a bit for each number, and the
backward does not draw again. A device draws faster than it reads: it keeps what to count, and the backward is the same
kernel as the forward, kernels/dropout.cu.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.grid import in_packs
from mpitrain.ops.half import wide_type
from mpitrain.ops.launch import THREADS, blocks, launch
from mpitrain.ops.philox import philox

Array = Any

LEVELS = 1 << 16
BLOCK = 8  # numbers that one counter serves
TILE = 1 << 14  # blocks; their counters and words in uint64 are 1 MiB, about a core's second-level cache


class Places(NamedTuple):
    """Whose numbers are drawn, instead of a mask: on a device."""

    key: tuple[int, int]
    samples: Array  # (batch,) int64, on the device
    step: int


def drop_level(p: float) -> int:
    """How many of the 2^16 levels are dropped."""
    return round(p * LEVELS)


def dropout(x: Array, level: int, key: tuple[int, int], samples: Array, step: int, out: Array) -> Any:
    """out = x with each number 0 with probability level / 2^16, else scaled up by what is missing.

    `x` (batch, ...) is contiguous, `samples` (batch,) int64, on the host or x's device. Returns what `dropout_backward`
    is to be given: the mask, or what to draw again.
    """
    xp = namespace(x)
    kept = (
        kept_bits(math.prod(x.shape[1:]), level, key, samples, step)
        if xp is np
        else Places(key, xp.asarray(samples, np.int64), step)
    )
    dropout_backward(kept, x, level, out)
    return kept


def dropout_backward(kept: Any, dy: Array, level: int, out: Array) -> None:
    """out = dy where the forward kept, scaled up, and 0 elsewhere."""
    scale = LEVELS / (LEVELS - level)
    if isinstance(kept, Places):
        _on_gpu(kept, dy, level, scale, out)
        return
    rows, groups = kept.shape
    width = dy.size // rows if rows else 0
    factor = np.asarray(scale, wide_type(dy.dtype))
    flat_dy, flat_out = dy.reshape(rows, width), out.reshape(rows, width)
    step = max(1, TILE // max(1, groups))
    for start in range(0, rows, step):
        tile = slice(start, start + step)
        mask = np.unpackbits(kept[tile], axis=1, count=width, bitorder="little").view(bool)
        flat_out[tile] = np.multiply(flat_dy[tile] * factor, mask)


def kept_bits(width: int, level: int, key: tuple[int, int], samples: Array, step: int) -> Array:
    """(batch, groups) bytes, a bit for each of a sample's `width` numbers: whether it is kept, lowest bit first."""
    groups = -(-width // BLOCK)
    bits = empty((len(samples), groups), np.uint8)
    flat = bits.reshape(-1)
    for start in range(0, len(flat), TILE):
        place = np.arange(start, min(start + TILE, len(flat)))
        sample = samples[place // groups].astype(np.uint64)
        counter = empty((4, len(place)), np.uint64)
        counter[0] = place % groups
        np.bitwise_and(sample, np.uint64(0xFFFFFFFF), out=counter[1])
        np.right_shift(sample, np.uint64(32), out=counter[2])
        counter[3] = step
        first, second, third, fourth = philox(counter, key)
        words = empty((len(place), 2), np.uint64)
        words[:, 0] = second << np.uint64(32) | first
        words[:, 1] = fourth << np.uint64(32) | third
        flat[start : start + TILE] = np.packbits(words.view("<u2") >= level, bitorder="little")
    return bits


def _on_gpu(places: Places, dy: Array, level: int, scale: float, out: Array) -> None:
    xp, rows = namespace(dy), len(dy)
    dy, width = xp.ascontiguousarray(dy), math.prod(dy.shape[1:])
    packed = in_packs(width, dy, out)
    launch(
        xp,
        "dropout.cu",
        f"dropout_{dy.dtype.name}",
        blocks(dy, rows * -(-width // BLOCK)),
        THREADS,
        (dy, places.samples, out, *map(np.uint32, (level, *places.key, places.step)), wide_type(dy.dtype).type(scale))
        + (np.int32(packed), np.int64(rows), np.int64(width)),
    )
