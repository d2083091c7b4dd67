"""The IDX file format of MNIST and its kin, plain or gzipped, read strictly.

    2 bytes of zero | type code | number of dimensions | each side, 4 bytes | the elements, row by row, big-endian

Whether a file is gzipped is seen from its first bytes, not from its name. Format: Y. LeCun, C. Cortes, C. Burges, The
MNIST database of handwritten digits.
"""

import math
import struct
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mpitrain.data.files import read
from mpitrain.errors import UsageError

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
MOST_DIMENSIONS = 16


def read_idx(path: str | PathLike[str]) -> np.ndarray:
    """The array in an IDX file, in native byte order and its own type and shape.

    Raises UsageError, one line naming file and fault, for whatever is not exactly one whole array.
    """
    path = Path(path)
    content = read(path, "an IDX file")
    if len(content) < 4:
        raise UsageError(f"{path}: only {len(content)} bytes, expected an IDX file; fetch it again")
    zero, code, dimensions = struct.unpack_from(">HBB", content)
    if zero != 0 or code not in TYPES or not 1 <= dimensions <= MOST_DIMENSIONS:
        known = ", ".join(f"0x{code:02x}" for code in TYPES)
        raise UsageError(
            f"{path}: wrong magic number 0x{content[:4].hex()}, expected 0x0000, a type code ({known}) and a number of "
            f"dimensions; is it an IDX file?"
        )
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise UsageError(f"{path}: truncated, {len(content)} bytes where the header alone has {start}; fetch it again")
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    dtype = TYPES[code]
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "trailing bytes"
        sides = " x ".join(map(str, shape))
        raise UsageError(
            f"{path}: {fault}, {len(content)} bytes where {sides} elements of {dtype.name} make {expected}; "
            f"fetch it again"
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
