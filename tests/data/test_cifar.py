"""CIFAR's binary files, written here from images of Fashion-MNIST, and their faults word by word."""

import numpy as np
import pytest

from mpitrain.data import load
from mpitrain.errors import UsageError

FILES = {
    "cifar10": [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"],
    "cifar100": ["train.bin", "test.bin"],
}


def coloured(count, begin):
    """Images 32 x 32 in three colours: Fashion-MNIST's, its negative, and one turned over."""
    grey = load("fashion").train_inputs[begin : begin + count, ..., 0]
    return np.stack([np.pad(image, ((0, 0), (2, 2), (2, 2))) for image in (grey, 255 - grey, grey[:, ::-1])], axis=-1)


def write(folder, name):
    """3 images a file; all images, and all labels."""
    images, labels = [], []
    for i, file in enumerate(FILES[name]):
        images.append(coloured(3, 3 * i))
        labels.append(np.array([i, 9 - i, 5] if name == "cifar10" else [99, 17 + i, 0]))
        content = b""
        for image, label in zip(images[-1], labels[-1], strict=True):
            content += (b"\x07" if name == "cifar100" else b"") + bytes([label])
            content += b"".join(image[:, :, colour].tobytes() for colour in range(3))
        (folder / file).write_bytes(content)
    return images, labels


@pytest.mark.parametrize(("name", "classes", "count"), [("cifar10", 10, 15), ("cifar100", 100, 3)])
def test_contents(tmp_path, name, classes, count):
    images, labels = write(tmp_path, name)
    data = load(name, tmp_path)
    assert (data.classes, data.shape, data.count, data.test_count) == (classes, (32, 32, 3), count, 3)
    train = np.concatenate(images[:-1])
    order = np.random.default_rng(0).permutation(count)
    np.testing.assert_array_equal(data.train_inputs[order], train[order])
    found, targets = data.batch(order)
    expected = (train - train.mean((0, 1, 2))) / train.std((0, 1, 2))
    np.testing.assert_allclose(found, expected[order], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(targets, np.concatenate(labels[:-1])[order])
    found, targets = data.test_batch(slice(1, None))
    np.testing.assert_allclose(found, ((images[-1] - train.mean((0, 1, 2))) / train.std((0, 1, 2)))[1:], atol=1e-4)
    np.testing.assert_array_equal(targets, labels[-1][1:])


def cut(content):
    return content[:-1]


@pytest.mark.parametrize(
    ("file", "damage", "line"),
    [
        ("data_batch_2.bin", cut, "truncated or another format, 9218 bytes, expected whole records of 3073; "
                                  "is it the binary version, and all of it?"),
        ("test_batch.bin", lambda content: b"", "empty, 0 bytes, expected whole records of 3073; "
                                                "is it the binary version, and all of it?"),
        ("data_batch_5.bin", lambda content: content[:3073] + b"\x0a" + content[3074:],
         "label 10 of record 1 is out of range, expected 0 to 9; is it the binary version?"),
    ],
)  # fmt: skip
def test_damaged_files(tmp_path, file, damage, line):
    write(tmp_path, "cifar10")
    (tmp_path / file).write_bytes(damage((tmp_path / file).read_bytes()))
    with pytest.raises(UsageError) as error:
        load("cifar10", tmp_path)
    assert str(error.value) == f"{tmp_path}/{file}: {line}"


def test_files_that_are_missing(tmp_path):
    write(tmp_path, "cifar100")
    (tmp_path / "test.bin").unlink()
    for name, file in (("cifar100", "test.bin"), ("cifar10", "data_batch_1.bin")):
        with pytest.raises(UsageError) as error:
            load(name, tmp_path)
        assert str(error.value) == f"{tmp_path}/{file}: no such file, expected one of CIFAR's binary version"
    with pytest.raises(UsageError) as error:
        load("cifar10", tmp_path / "gone")
    assert (
        str(error.value) == f"{tmp_path}/gone: no such folder, expected one of cifar10's .bin files; check --data-dir"
    )
