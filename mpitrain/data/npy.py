"""Arrays in .npy files and .npz archives, mapped into memory: a row is read from the file when it is asked for.

An archive's members are mapped where they are stored as they are (`np.savez`). Compressed ones are unpacked whole, up
to UNPACKED bytes. Formats: numpy.lib.format, and PKWARE's APPNOTE for what stands before a member's bytes.
"""

import io
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mpitrain.data.files import size, unreadable
from mpitrain.errors import UsageError

UNPACKED = 1 << 28  # bytes
LONGEST_HEADER = 1 << 16  # bytes; NumPy's are some hundreds
LOCAL_HEADER = 30  # bytes, and then the name and an extra field
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def open_npy(path: Path) -> np.ndarray:
    """The array in a file. UsageError, naming it, for what is not one whole array of numbers."""
    nbytes = size(path, "a .npy file")
    with path.open("rb") as file:
        return _mapped(str(path), path, file, nbytes)


def open_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an archive by name. UsageError, naming it, for what is not one."""
    size(path, "a .npz archive")
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            return {
                member.filename.removesuffix(".npy"): _member(path, file, archive, member)
                for member in archive.infolist()
            }
    except zipfile.BadZipFile as fault:
        raise UsageError(f"{path}: broken archive ({fault}), expected a .npz; fetch it again") from None
    except OSError as fault:
        raise unreadable(path, fault, "a .npz archive") from None


def _member(path: Path, file: BinaryIO, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    where = f"{path}: {member.filename}"
    if not member.filename.endswith(".npy"):
        raise UsageError(f"{where} is no array, expected .npy files alone in a .npz")
    if member.compress_type == zipfile.ZIP_STORED:
        file.seek(member.header_offset)
        name, extra = struct.unpack_from("<HH", file.read(LOCAL_HEADER).ljust(LOCAL_HEADER, b"\0"), 26)
        begin = member.header_offset + LOCAL_HEADER + name + extra
        file.seek(begin)
        return _mapped(where, path, file, begin + member.file_size)
    if member.file_size > UNPACKED:
        raise UsageError(
            f"{where} is compressed and {member.file_size >> 20} MiB, expected at most {UNPACKED >> 20} MiB: it cannot "
            f"be read in parts; save it with np.savez, or as a .npy"
        )
    try:
        content = archive.read(member)
    except (EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as fault:
        raise UsageError(f"{where}: broken ({fault}); fetch it again") from None
    shape, dtype, begin = _header(where, io.BytesIO(content), len(content))
    return np.frombuffer(content, dtype, offset=begin).reshape(shape)


def _mapped(where: str, path: Path, file: BinaryIO, end: int) -> np.ndarray:
    """The array that begins where `file` is and ends at `end`."""
    shape, dtype, begin = _header(where, file, end)
    return np.memmap(path, dtype, "r", begin, shape)


def _header(where: str, file: BinaryIO, end: int) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape and type of an array, and where its elements begin, which are all there up to `end`."""
    start = file.tell()
    head = io.BytesIO(file.read(min(end - start, LONGEST_HEADER)))
    try:
        shape, columns_first, dtype = HEADERS[np.lib.format.read_magic(head)](head)
    except (ValueError, KeyError):
        raise UsageError(
            f"{where}: no .npy header, expected an array that np.save has written, and all of it"
        ) from None
    begin = start + head.tell()
    if dtype.kind not in "biuf":
        raise UsageError(f"{where}: elements of {dtype.name}, expected numbers")
    if columns_first and len(shape) > 1:
        raise UsageError(f"{where}: columns first, expected rows first; save np.ascontiguousarray of it")
    expected = math.prod(shape) * dtype.itemsize
    found = end - begin
    if found != expected:
        fault_name = "truncated" if found < expected else "trailing bytes"
        sides = " x ".join(map(str, shape))
        raise UsageError(
            f"{where}: {fault_name}, {found} bytes where {sides} elements of {dtype.name} make {expected}; "
            f"fetch it again"
        )
    if expected == 0:
        raise UsageError(f"{where}: {' x '.join(map(str, shape)) or 'no'} elements, expected at least one sample")
    return shape, dtype, begin
