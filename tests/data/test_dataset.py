"""The embedded data, and batches."""

import hashlib

import numpy as np
import pytest

from mpitrain.data import Dataset, load
from mpitrain.data.dataset import FASHION_FOLDER


@pytest.fixture(scope="module")
def fashion():
    return load("fashion")


def test_the_files_are_the_ones_the_readme_names():
    readme = (FASHION_FOLDER / "README.md").read_text()
    files = list(FASHION_FOLDER.glob("*.gz"))
    assert len(files) == 2
    for path in files:
        assert f"| {path.name} | {hashlib.sha256(path.read_bytes()).hexdigest()} |" in readme
    assert "Copyright (c) 2017 Zalando SE" in (FASHION_FOLDER / "LICENSE").read_text()


def test_fashion(fashion):
    assert (fashion.classes, fashion.shape) == (10, (28, 28, 1))
    assert fashion.train_images.shape == (5000, 28, 28, 1) and fashion.train_labels.shape == (5000,)
    assert fashion.test_images.shape == (1000, 28, 28, 1) and fashion.test_labels.shape == (1000,)
    np.testing.assert_array_equal(fashion.train_labels[:10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5])  # as published
    assert set(fashion.train_labels) == set(fashion.test_labels) == set(range(10))


def test_training_images_have_mean_0_and_deviation_1(fashion):
    images, labels = fashion.batch(slice(None))
    assert images.dtype == np.float32 and labels.dtype == np.int64
    assert images.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert images.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)


def test_batches_are_the_samples_asked_for(fashion):
    indices = np.array([7, 3, 3])
    images, labels = fashion.batch(indices)
    mean, deviation = fashion.mean_and_deviation
    np.testing.assert_allclose(images * deviation + mean, fashion.train_images[indices], atol=1e-3)
    np.testing.assert_array_equal(labels, fashion.train_labels[indices])
    images, labels = fashion.test_batch(indices)
    np.testing.assert_allclose(images * deviation + mean, fashion.test_images[indices], atol=1e-3)
    np.testing.assert_array_equal(labels, fashion.test_labels[indices])


def test_no_samples(fashion):
    images, labels = fashion.batch(np.arange(0))
    assert images.shape == (0, 28, 28, 1) and labels.shape == (0,)


def test_images_of_one_grey_stay_finite():
    grey, labels = np.full((3, 2, 2, 1), 200, np.uint8), np.zeros(3, np.int64)
    data = Dataset("grey", 1, grey, labels, grey, labels)
    np.testing.assert_array_equal(data.batch(slice(None))[0], 0)
