"""Folders of IDX files: the names that are found, and every fault word by word."""

import numpy as np
import pytest

from mpitrain.data import load
from mpitrain.errors import UsageError


def refused(folder, name="idx"):
    with pytest.raises(UsageError) as error:
        load(name, folder)
    return str(error.value)


@pytest.mark.parametrize("separator", ["-idx", ".idx"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_usual_names(folder, gzipped, separator, suffix):
    expected = load("idx", folder.path)
    for path in list(folder.path.iterdir()):
        content = path.read_bytes()
        path.unlink()
        name = path.name.replace("-idx", separator) + suffix
        (folder.path / name).write_bytes(gzipped(content) if suffix else content)
    found = load("idx", str(folder.path))
    np.testing.assert_array_equal(found.train_inputs, expected.train_inputs)
    np.testing.assert_array_equal(found.test_targets, expected.test_targets)


def test_contents(folder):
    data = load("idx", folder.path)
    assert (data.name, data.classes, data.shape) == ("idx", 3, (4, 5, 1))
    assert data.train_inputs.shape == (7, 4, 5, 1) and data.train_inputs.dtype == np.uint8
    assert data.test_inputs.shape == (3, 4, 5, 1)
    np.testing.assert_array_equal(data.train_targets, [0, 1, 2, 0, 1, 2, 0])
    np.testing.assert_array_equal(data.test_targets, [2, 1, 0])
    assert data.train_targets.dtype == data.test_targets.dtype == np.int64


def test_mnist_is_ten_classes_of_28_by_28(folder):
    images = np.zeros((1, 28, 28), np.uint8)
    labels = np.array([3], np.uint8)
    folder(train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    assert load("mnist", folder.path).classes == 10
    folder(test_labels=np.array([10], np.uint8))
    assert refused(folder.path, "mnist") == (
        f"{folder.path}/t10k-labels-idx1-ubyte: label 10 of image 0 is out of range, expected 0 to 9"
    )
    folder(train_images=np.zeros((1, 28, 27), np.uint8))
    assert refused(folder.path, "mnist") == (
        f"{folder.path}/train-images-idx3-ubyte: images of 28 x 27 pixels, expected 28 x 28"
    )


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        (
            {"train_labels": np.zeros(6, np.uint8)},
            "train-labels-idx1-ubyte: 6 labels, expected 7, one for each image in train-images-idx3-ubyte",
        ),
        (
            {"test_labels": np.array([2, 1, 3], np.uint8)},
            "t10k-labels-idx1-ubyte: label 3 of image 2 is out of range, expected 0 to 2",
        ),
        (
            {"train_labels": np.array([0, 1, -2, 0, 1, 2, 0], np.int8)},
            "train-labels-idx1-ubyte: label -2 of image 2 is out of range, expected 0 to 65535",
        ),
        (
            {"train_images": np.zeros((7, 20), np.uint8)},
            "train-images-idx3-ubyte: 2 dimensions of uint8, expected images, 3 dimensions of uint8",
        ),
        (
            {"train_images": np.zeros((7, 4, 5), np.int16)},
            "train-images-idx3-ubyte: 3 dimensions of int16, expected images, 3 dimensions of uint8",
        ),
        (
            {"train_labels": np.zeros((7, 1), np.uint8)},
            "train-labels-idx1-ubyte: 2 dimensions of uint8, expected labels, 1 dimension of whole numbers",
        ),
        (
            {"train_labels": np.zeros(7, np.float32)},
            "train-labels-idx1-ubyte: 1 dimension of float32, expected labels, 1 dimension of whole numbers",
        ),
        (
            {"test_images": np.zeros((3, 5, 4), np.uint8)},
            "t10k-images-idx3-ubyte: images of 5 x 4 pixels, expected 4 x 5",
        ),
        (
            {"test_images": np.zeros((0, 4, 5), np.uint8), "test_labels": np.zeros(0, np.uint8)},
            "t10k-images-idx3-ubyte: 0 x 4 x 5 pixels, expected at least one image",
        ),
    ],
)
def test_contents_that_do_not_fit(folder, arrays, line):
    assert refused(folder(**arrays)) == f"{folder.path}/{line}"


@pytest.mark.parametrize(
    ("prefix", "content", "names"),
    [
        (
            "train",
            "images",
            "train-images-idx3-ubyte or train-images-idx3-ubyte.gz or "
            "train-images.idx3-ubyte or train-images.idx3-ubyte.gz",
        ),
        (
            "t10k",
            "labels",
            "t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz or "
            "t10k-labels.idx1-ubyte or t10k-labels.idx1-ubyte.gz",
        ),
    ],
)
def test_a_file_that_is_missing(folder, prefix, content, names):
    next(folder.path.glob(f"{prefix}-{content}*")).unlink()
    assert refused(folder.path) == f"{folder.path}: no {prefix} {content}, expected a file {names}"


def test_a_folder_that_is_missing_or_none(folder):
    missing, file = folder.path / "missing", folder.path / "t10k-labels-idx1-ubyte"
    assert refused(missing) == f"{missing}: no such folder, expected one of IDX files; check --data-dir"
    assert refused(file) == f"{file}: not a folder, expected one of IDX files; check --data-dir"
