"""Files of arrays, whole and damaged: every fault word by word."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from mpitrain.data import npy
from mpitrain.data.npy import open_npy, open_npz
from mpitrain.data.safetensors import open_safetensors
from mpitrain.errors import UsageError

ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def npy_bytes(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz_bytes(save=np.savez, **arrays):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def refused(read, path, content):
    path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        read(path)
    return str(error.value)


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", ">i4", "f2", ">f8"])
def test_arrays_stay_in_their_files(tmp_path, dtype):
    array = ARRAY.astype(dtype)
    (tmp_path / "a.npy").write_bytes(npy_bytes(array))
    (tmp_path / "a.npz").write_bytes(npz_bytes(a=array, other=array.T.copy()))
    (tmp_path / "c.npz").write_bytes(npz_bytes(np.savez_compressed, a=array))
    for found, mapped in (
        (open_npy(tmp_path / "a.npy"), True),
        (open_npz(tmp_path / "a.npz")["a"], True),
        (open_npz(tmp_path / "c.npz")["a"], False),
    ):
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype and isinstance(found, np.memmap) == mapped
        assert not found.flags.writeable


GOOD = npy_bytes(ARRAY)
NO_HEADER = "no .npy header, expected an array that np.save has written, and all of it"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", NO_HEADER),
        (b"PK\3\4" + GOOD, NO_HEADER),
        (GOOD[:60], NO_HEADER),
        (GOOD[:6] + b"\3" + GOOD[7:], NO_HEADER),
        (GOOD[:10] + b"[" + GOOD[11:], NO_HEADER),
        (GOOD[:-1], "truncated, 47 bytes where 2 x 3 x 4 elements of int16 make 48; fetch it again"),
        (GOOD + b"x", "trailing bytes, 49 bytes where 2 x 3 x 4 elements of int16 make 48; fetch it again"),
        (npy_bytes(ARRAY[:0]), "0 x 3 x 4 elements, expected at least one sample"),
        (npy_bytes(np.asfortranarray(ARRAY)),
         "columns first, expected rows first; save np.ascontiguousarray of it"),
        (npy_bytes(np.array([{}]), allow_pickle=True), "elements of object, expected numbers"),
        (npy_bytes(np.array(["a"])), "elements of str32, expected numbers"),
        (npy_bytes(np.zeros(2, "c8")), "elements of complex64, expected numbers"),
    ],
)  # fmt: skip
def test_damaged_npy(tmp_path, content, line):
    path = tmp_path / "images.npy"
    assert refused(open_npy, path, content) == f"{path}: {line}"
    archive = tmp_path / "data.npz"
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("images.npy", content)
    with pytest.raises(UsageError) as error:
        open_npz(archive)
    assert str(error.value) == f"{archive}: images.npy: {line}"


def test_damaged_npz(tmp_path, monkeypatch):
    path = tmp_path / "data.npz"
    no_zip = f"{path}: broken archive (File is not a zip file), expected a .npz; fetch it again"
    assert refused(open_npz, path, b"") == refused(open_npz, path, npz_bytes(a=ARRAY)[:-5]) == no_zip
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("notes.txt", "hello")
    assert refused(open_npz, path, file.getvalue()) == (
        f"{path}: notes.txt is no array, expected .npy files alone in a .npz"
    )
    packed = npz_bytes(np.savez_compressed, a=ARRAY)
    damaged = packed[:60] + b"\xff" * 10 + packed[70:]
    assert refused(open_npz, path, damaged).startswith(f"{path}: a.npy: broken (")
    monkeypatch.setattr(npy, "UNPACKED", 100)
    assert refused(open_npz, path, packed) == (
        f"{path}: a.npy is compressed and 0 MiB, expected at most 0 MiB: it cannot be read in parts; save it with "
        "np.savez, or as a .npy"
    )
    with pytest.raises(UsageError) as error:
        open_npz(tmp_path)
    assert str(error.value) == f"{tmp_path}: a folder, expected a .npz archive"


def test_safetensors_stay_in_their_file(tmp_path):
    arrays = {f"a{i}": ARRAY.astype(dtype) for i, dtype in enumerate(["?", "u1", "i8", "u4", "f2", "f4", "f8"])}
    (tmp_path / "a").write_bytes(save(arrays, {"about": "a test"}))
    found = open_safetensors(tmp_path / "a")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype and isinstance(found[name], np.memmap)


def tensors(entries, nbytes, header=None):
    text = json.dumps(entries).encode() if header is None else header
    return struct.pack("<Q", len(text)) + text + bytes(nbytes)


def entry(dtype="I16", shape=(2, 3, 4), offsets=(0, 48)):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


BEGIN = len(tensors({"a": entry()}, 0))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"1234567", "only 7 bytes, expected a .safetensors file; fetch it again"),
        (b"\x89PNG\r\n\x1a\n....", "12 bytes where the header alone would end at 727905341920923793, expected a "
                                   ".safetensors file; is it one, and all of it?"),
        (tensors({"a": entry()}, 48)[:50], "50 bytes where the header alone would end at 76, expected a .safetensors "
                                           "file; is it one, and all of it?"),
        (tensors(None, 0, b"{'a': 1}"), "the header is no JSON (Expecting property name enclosed in double quotes: "
                                        "line 1 column 2 (char 1)), expected a .safetensors file"),
        (tensors([], 0), "the header is no table of tensors, expected a .safetensors file"),
        (tensors({"a": 1}, 0), "the header is no table of tensors, expected a .safetensors file"),
        (tensors({"a": entry("F8_E4M3")}, 48),
         "a has dtype F8_E4M3 and shape [2, 3, 4], expected one of BOOL, U8, I8, U16, I16, U32, I32, U64, I64, F16, "
         "BF16, F32, F64 and whole numbers"),
        (tensors({"a": entry(shape="2")}, 48),
         "a has dtype I16 and shape 2, expected one of BOOL, U8, I8, U16, I16, U32, I32, U64, I64, F16, BF16, F32, F64 "
         "and whole numbers"),
        (tensors({"a": entry(offsets=[0])}, 48), "a has data_offsets [0], expected two whole numbers"),
        (tensors({"a": entry(offsets=[0, 50])}, 50),
         "a is said to be at bytes 0 to 50, expected 0 to 48; fetch it again"),
        (tensors({"a": entry(), "b": entry(offsets=(50, 98))}, 98),
         "b is said to be at bytes 50 to 98, expected 48 to 96; fetch it again"),
        (tensors({"a": entry()}, 47), f"truncated, {BEGIN + 47} bytes where a ends at {BEGIN + 48}; fetch it again"),
        (tensors({"a": entry()}, 49),
         f"trailing bytes, {BEGIN + 49} bytes where all tensors end at {BEGIN + 48}; fetch it again"),
        (tensors({"a": entry(shape=[0, 5], offsets=[0, 0])}, 0), "a has no elements, expected at least one sample"),
    ],
)  # fmt: skip
def test_damaged_safetensors(tmp_path, content, line):
    path = tmp_path / "data.safetensors"
    assert refused(open_safetensors, path, content) == f"{path}: {line}"
