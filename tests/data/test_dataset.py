"""The embedded data, and batches."""

import numpy as np
import pytest

from mpitrain.data import Dataset, load


@pytest.fixture(scope="module")
def fashion():
    return load("fashion")


def test_fashion(fashion):
    assert (fashion.classes, fashion.shape) == (10, (28, 28, 1))
    assert fashion.train_inputs.shape == (5000, 28, 28, 1) and fashion.train_targets.shape == (5000,)
    assert fashion.test_inputs.shape == (1000, 28, 28, 1) and fashion.test_targets.shape == (1000,)
    np.testing.assert_array_equal(fashion.train_targets[:10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5])  # as published
    assert set(fashion.train_targets) == set(fashion.test_targets) == set(range(10))


def test_training_images_have_mean_0_and_deviation_1(fashion):
    images, labels = fashion.batch(slice(None))
    assert images.dtype == np.float32 and labels.dtype == np.int64
    assert images.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert images.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)


def test_batches_are_the_samples_asked_for(fashion):
    indices = np.array([7, 3, 3])
    images, labels = fashion.batch(indices)
    mean, deviation = fashion.statistics
    np.testing.assert_allclose(images * deviation + mean, fashion.train_inputs[indices], atol=1e-3)
    np.testing.assert_array_equal(labels, fashion.train_targets[indices])
    images, labels = fashion.test_batch(indices)
    np.testing.assert_allclose(images * deviation + mean, fashion.test_inputs[indices], atol=1e-3)
    np.testing.assert_array_equal(labels, fashion.test_targets[indices])


def test_no_samples(fashion):
    images, labels = fashion.batch(np.arange(0))
    assert images.shape == (0, 28, 28, 1) and labels.shape == (0,)


def test_images_of_one_grey_stay_finite():
    grey, labels = np.full((3, 2, 2, 1), 200, np.uint8), np.zeros(3, np.int64)
    data = Dataset("grey", 1, grey, labels, grey, labels)
    np.testing.assert_array_equal(data.batch(slice(None))[0], 0)


def test_every_colour_has_a_mean_and_a_deviation_of_its_own():
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 6, 3)).astype(np.uint8) // np.array([1, 2, 5], np.uint8)
    labels = np.zeros(50, np.int64)
    normalised, _ = Dataset("colours", 1, images, labels, images, labels).batch(slice(None))
    expected = (images - images.mean((0, 1, 2))) / images.std((0, 1, 2))
    np.testing.assert_allclose(normalised, expected, rtol=1e-5, atol=1e-6)


def test_numbers_to_predict_are_float32():
    images, numbers = np.zeros((3, 2, 2, 1), np.uint8), np.arange(3.0).reshape(3, 1)
    data = Dataset("numbers", None, images, numbers, images[:1], numbers[:1])
    assert data.batch(np.array([2]))[1].dtype == np.float32 and data.batch(np.array([2]))[1] == 2
    assert (data.count, data.test_count, data.predictions, data.kind) == (3, 1, 1, "images")
