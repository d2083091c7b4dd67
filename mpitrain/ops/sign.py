"""The signs of a vector, a bit each, with one scale for all: what sign-SGD with error feedback sends.

    vector ~ scale * sign(vector)        scale = mean |vector|

Karimireddy et al. 2019, Error feedback fixes signSGD and other gradient compression schemes, section 4. 0 counts as
positive: a bit has no third value.
"""

from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops import flat
from mpitrain.ops.launch import PACK, THREADS, blocks, launch
from mpitrain.ops.norm import BLOCKS, add_partial

Array = Any


class Signs(NamedTuple):
    bits: Array
    """uint8 (ceil(count / 8),): bit i % 8 of byte i // 8 is 1 where number i is below 0; behind the last they are 0."""
    scale: Array
    """float32 (1,)."""


def pack_signs(vector: Array) -> Signs:
    """Of a contiguous vector of any floating-point type. Raises ValueError if it is none."""
    flat.check_vector("vector", vector)
    xp, count = namespace(vector), len(vector)
    signs = Signs(empty((-(-count // 8),), np.uint8, xp), xp.zeros((1,), np.float32))
    if count == 0:
        return signs
    if xp is not np:
        grid = min(-(-len(signs.bits) // THREADS), BLOCKS)
        partial = empty((1, grid), np.float64, xp)
        args = (vector, signs.bits, partial, np.int64(count))
        launch(xp, "sign.cu", f"sign_pack_{vector.dtype.name}", grid, THREADS, args)
        launch(xp, "sign.cu", "sign_scale", 1, 1, (add_partial(partial), np.int64(count), signs.scale))
        return signs
    total = 0.0
    for tile in flat.tiles(count):
        part = vector[tile]
        signs.bits[tile.start // 8 : -(-tile.stop // 8)] = np.packbits(part < 0, bitorder="little")
        total += float(np.abs(part).sum(dtype=np.float64))
    signs.scale[0] = total / count
    return signs


def unpack_signs(signs: Signs, out: Array) -> Array:
    """The scale or its negative, into `out`, a contiguous vector of any floating-point type, which is returned."""
    flat.check_vector("out", out)
    xp, count = namespace(out), len(out)
    if xp is not np:
        each = PACK // out.dtype.itemsize
        name, grid = f"sign_unpack_{out.dtype.name}", blocks(out, -(-count // each))
        launch(xp, "sign.cu", name, grid, THREADS, (*signs, out, np.int64(count)))
        return out
    both = np.array([signs.scale[0], -signs.scale[0]]).astype(out.dtype)
    for tile in flat.tiles(count):
        bits = np.unpackbits(signs.bits[tile.start // 8 : -(-tile.stop // 8)], bitorder="little")
        out[tile] = both[bits[: tile.stop - tile.start]]
    return out
