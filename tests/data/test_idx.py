"""IDX files: every type there and back, and every fault word by word."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.data import read_idx
from mpitrain.errors import UsageError

DTYPES = ("u1", "i1", "i2", "i4", "f4", "f8")


@given(dtype=st.sampled_from(DTYPES), shape=st.lists(st.integers(0, 4), min_size=1, max_size=4), packed=st.booleans())
@settings(max_examples=40, deadline=None)
def test_there_and_back(to_idx, gzipped, tmp_path_factory, dtype, shape, packed):
    array = (np.arange(np.prod(shape)) * 3 - 5).astype(dtype).reshape(shape)
    path = tmp_path_factory.mktemp("idx") / "misnamed.gz"
    path.write_bytes(gzipped(to_idx(array)) if packed else to_idx(array))
    found = read_idx(path)
    assert found.dtype == array.dtype and found.dtype.isnative
    np.testing.assert_array_equal(found, array)
    found[...] = 0  # writable


def test_the_bytes_of_the_format(tmp_path):
    path = tmp_path / "two-numbers"
    path.write_bytes(bytes.fromhex("00000b01 00000002 0102 fffe"))
    np.testing.assert_array_equal(read_idx(path), np.array([258, -2], np.int16))


IMAGES = np.zeros((2, 3, 4), np.uint8)
MAGIC = (
    "expected 0x0000, a type code (0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e) and a number of dimensions; is it an IDX file?"
)


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda good: b"", "only 0 bytes, expected an IDX file; fetch it again"),
        (lambda good: good[:3], "only 3 bytes, expected an IDX file; fetch it again"),
        (lambda good: b"P5 2" + good[4:], f"wrong magic number 0x50352032, {MAGIC}"),
        (lambda good: b"\1\0\x08\x03" + good[4:], f"wrong magic number 0x01000803, {MAGIC}"),
        (lambda good: b"\0\0\x0a\x03" + good[4:], f"wrong magic number 0x00000a03, {MAGIC}"),
        (lambda good: b"\0\0\x08\x00" + good[4:], f"wrong magic number 0x00000800, {MAGIC}"),
        (lambda good: good[:15], "truncated, 15 bytes where the header alone has 16; fetch it again"),
        (lambda good: good[:-1], "truncated, 39 bytes where 2 x 3 x 4 elements of uint8 make 40; fetch it again"),
        (
            lambda good: good + b"x",
            "trailing bytes, 41 bytes where 2 x 3 x 4 elements of uint8 make 40; fetch it again",
        ),
        (
            lambda good: good[:4] + struct.pack(">3I", *[2**32 - 1] * 3),
            "truncated, 16 bytes where 4294967295 x 4294967295 x 4294967295 elements of uint8 make "
            "79228162458924105385300197391; fetch it again",
        ),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_files(to_idx, gzipped, tmp_path, damage, line, packed):
    path = tmp_path / "train-images-idx3-ubyte"
    damaged = damage(to_idx(IMAGES))
    path.write_bytes(gzipped(damaged) if packed else damaged)
    with pytest.raises(UsageError) as error:
        read_idx(path)
    assert str(error.value) == f"{path}: {line}"


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda good: good[:-9], "Compressed file ended before the end-of-stream marker was reached"),
        (lambda good: good[:12], "Compressed file ended before the end-of-stream marker was reached"),
        (lambda good: good[:-8] + bytes(8), "CRC check failed"),
        (lambda good: good[:10] + b"\xff" * 20, "Error -3 while decompressing data: invalid block type"),
        (lambda good: good[:2] + b"\x01" + good[3:], "Unknown compression method"),
        (lambda good: good + b"more", "Not a gzipped file (b'mo')"),
    ],
)
def test_broken_gzip(to_idx, gzipped, tmp_path, damage, fault):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(gzipped(to_idx(IMAGES))))
    with pytest.raises(UsageError) as error:
        read_idx(path)
    line = str(error.value)
    assert line.startswith(f"{path}: broken gzip ({fault}") and line.endswith("); fetch it again")
    assert "\n" not in line


def test_missing_file(tmp_path):
    with pytest.raises(UsageError) as error:
        read_idx(tmp_path / "nothing")
    assert str(error.value) == f"{tmp_path}/nothing: no such file, expected an IDX file"


def test_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(UsageError) as error:
        read_idx(tmp_path)
    assert str(error.value) == f"{tmp_path}: a folder, expected an IDX file"


def test_file_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as error:
        read_idx(tmp_path / "file" / "more")
    assert str(error.value) == f"{tmp_path}/file/more: cannot be read (Not a directory), expected an IDX file"
