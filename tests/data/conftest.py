"""Writers of IDX files, written from the format's description and apart from the reader."""

import gzip
import struct

import numpy as np
import pytest

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    magic = struct.pack(">HBB", 0, CODES[array.dtype.str[1:]], array.ndim)
    sides = struct.pack(f">{array.ndim}I", *array.shape)
    return magic + sides + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(scope="session")
def to_idx():
    return idx_bytes


@pytest.fixture
def folder(tmp_path):
    """A folder of 7 training and 3 test images, 4 x 5 pixels in 3 classes; call it to write other files over them."""

    def write(**arrays):
        for name, array in arrays.items():
            part, content = name.split("_")
            stem = f"{'t10k' if part == 'test' else 'train'}-{content}-idx{3 if content == 'images' else 1}-ubyte"
            (tmp_path / stem).write_bytes(idx_bytes(array))
        return tmp_path

    generator = np.random.default_rng(0)
    write(
        train_images=generator.integers(0, 256, (7, 4, 5), np.uint8),
        train_labels=np.array([0, 1, 2, 0, 1, 2, 0], np.uint8),
        test_images=generator.integers(0, 256, (3, 4, 5), np.uint8),
        test_labels=np.array([2, 1, 0], np.uint8),
    )
    write.path = tmp_path
    return write


@pytest.fixture(scope="session")
def gzipped():
    return gzip.compress
