"""Tensors in a .safetensors file, mapped into memory: a row is read from the file when it is asked for.

8 bytes: length of the header, little-endian | the header, JSON | the tensors' bytes, rows first, little-endian
header: {"images": {"dtype": "U8", "shape": [60, 8, 8], "data_offsets": [0, 3840]}, "__metadata__": {...}, ...}
"""

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from mpitrain.data.files import size
from mpitrain.errors import UsageError

DTYPES = {
    "BOOL": "bool", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "BF16": "bfloat16", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
LENGTH = 8  # bytes


def open_safetensors(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a file by name. UsageError, naming it, for what is not a whole file of tensors with elements."""
    nbytes = size(path, "a .safetensors file")
    begin, entries = _header(path, nbytes)
    tensors: dict[str, np.ndarray] = {}
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: _offsets(path, *item)):
        kind, shape = DTYPES.get(entry.get("dtype")), entry.get("shape")
        if kind is None or not isinstance(shape, list) or not all(isinstance(s, int) and s >= 0 for s in shape):
            raise UsageError(
                f"{path}: {name} has dtype {entry.get('dtype')} and shape {shape}, expected one of {', '.join(DTYPES)} "
                f"and whole numbers"
            )
        if kind == "bfloat16":
            import ml_dtypes  # noqa: F401  (NumPy knows the name from it)
        dtype = np.dtype(kind)
        first, last = _offsets(path, name, entry)
        if first != end or last - first != math.prod(shape) * dtype.itemsize:
            raise UsageError(
                f"{path}: {name} is said to be at bytes {first} to {last}, expected {end} to "
                f"{end + math.prod(shape) * dtype.itemsize}; fetch it again"
            )
        if last > nbytes - begin:
            raise UsageError(f"{path}: truncated, {nbytes} bytes where {name} ends at {begin + last}; fetch it again")
        if first == last:
            raise UsageError(f"{path}: {name} has no elements, expected at least one sample")
        tensors[name], end = np.memmap(path, dtype, "r", begin + first, tuple(shape)), last
    if begin + end != nbytes:
        raise UsageError(
            f"{path}: trailing bytes, {nbytes} bytes where all tensors end at {begin + end}; fetch it again"
        )
    return tensors


def _header(path: Path, nbytes: int) -> tuple[int, dict[str, Any]]:
    """Where the tensors begin, and what is said of each."""
    with path.open("rb") as file:
        if nbytes < LENGTH:
            raise UsageError(f"{path}: only {nbytes} bytes, expected a .safetensors file; fetch it again")
        (length,) = struct.unpack("<Q", file.read(LENGTH))
        if length > nbytes - LENGTH:
            raise UsageError(
                f"{path}: {nbytes} bytes where the header alone would end at {LENGTH + length}, expected a "
                f".safetensors file; is it one, and all of it?"
            )
        text = file.read(length)
    try:
        entries = json.loads(text)
    except ValueError as fault:
        raise UsageError(f"{path}: the header is no JSON ({fault}), expected a .safetensors file") from None
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise UsageError(f"{path}: the header is no table of tensors, expected a .safetensors file")
    entries.pop("__metadata__", None)
    return LENGTH + length, entries


def _offsets(path: Path, name: str, entry: dict[str, Any]) -> tuple[int, int]:
    offsets = entry.get("data_offsets")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(isinstance(offset, int) for offset in offsets):
        raise UsageError(f"{path}: {name} has data_offsets {offsets}, expected two whole numbers")
    return offsets[0], offsets[1]
