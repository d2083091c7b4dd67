"""Data sets of arrays with names: from .npy, .npz and .safetensors, and what does not fit word by word."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from mpitrain.data import load
from mpitrain.errors import UsageError

COUNT = 60
IMAGES = load("fashion").train_inputs[:COUNT]
LABELS = load("fashion").train_targets[:COUNT]
SERIES = load("vowels").train_inputs[:COUNT]
ANGLES = np.linspace(-1, 1, COUNT)


def as_folder(path, arrays):
    path.mkdir()
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    (path / "README").write_text("what is no .npy does not matter")
    return "arrays", path


def as_npz(path, arrays):
    np.savez(path.with_suffix(".npz"), **arrays)
    return "arrays", path.with_suffix(".npz")


def as_compressed(path, arrays):
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    return "arrays", path.with_suffix(".npz")


def as_safetensors(path, arrays):
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, {"made": "for a test"})
    return "safetensors", path


FORMATS = [as_folder, as_npz, as_compressed, as_safetensors]


@pytest.fixture(params=FORMATS, ids=lambda write: write.__name__)
def stored(request, tmp_path):
    return lambda **arrays: load(*request.param(tmp_path / "data", arrays))


def test_images_with_labels(stored):
    data = stored(images=IMAGES[..., 0], labels=LABELS.astype(np.uint8))
    assert (data.kind, data.shape, data.classes, data.count, data.test_count) == ("images", (28, 28, 1), 10, 54, 6)
    tenth = np.arange(COUNT) % 10 == 9
    np.testing.assert_array_equal(data.train_inputs[:], IMAGES[~tenth])
    images, labels = data.test_batch(np.array([5, 0]))
    train = IMAGES[~tenth]
    np.testing.assert_allclose(images, (IMAGES[[59, 9]] - train.mean()) / train.std(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(labels, LABELS[[59, 9]])
    assert images.dtype == np.float32 and labels.dtype == np.int64 and type(images) is type(labels) is np.ndarray


def test_images_with_angles_are_held_out_in_blocks(stored):
    colours = np.repeat(IMAGES, 3, axis=3)
    data = stored(images=colours, angles=ANGLES)
    assert (data.classes, data.shape, data.count, data.test_count) == (None, (28, 28, 3), 50, 10)
    np.testing.assert_allclose(data.test_batch(slice(None))[1], ANGLES[5::6, np.newaxis].astype(np.float32))
    assert data.batch(np.array([0]))[1].dtype == np.float32


def test_series_with_parts_of_their_own(stored):
    data = stored(series=SERIES[:40], targets=ANGLES.reshape(30, 2)[:40].repeat(2, 0)[:40],
                  test_series=SERIES[40:], test_targets=ANGLES.reshape(30, 2)[:20])  # fmt: skip
    assert (data.kind, data.shape, data.classes, data.count, data.test_count) == ("series", (29, 12), None, 40, 20)
    np.testing.assert_array_equal(data.test_inputs[:], SERIES[40:])
    np.testing.assert_array_equal(data.test_batch(slice(None))[1], ANGLES.reshape(30, 2)[:20].astype(np.float32))
    series, _ = data.batch(slice(None))
    assert not np.isnan(series).any()


def test_series_of_one_channel_and_labels_of_both_parts(stored):
    series = SERIES[:, :, 0]
    data = stored(series=series, labels=np.zeros(COUNT, int), test_series=series, test_labels=np.full(COUNT, 6))
    assert (data.shape, data.classes) == ((29, 1), 7)


def refused(name, path):
    with pytest.raises(UsageError) as error:
        load(name, path)
    return str(error.value)


BESIDE = "expected images or series, and labels, targets or angles, perhaps also as test_..."


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"images": IMAGES}, f"arrays images, {BESIDE}"),
        ({"x": IMAGES, "labels": LABELS}, f"arrays labels, x, {BESIDE}"),
        ({"images": IMAGES, "series": SERIES, "labels": LABELS}, f"arrays images, labels, series, {BESIDE}"),
        ({"images": IMAGES, "labels": LABELS, "names": LABELS}, f"arrays images, labels, names, {BESIDE}"),
        ({"images": IMAGES, "labels": LABELS, "test_images": IMAGES},
         "no test_labels, expected it beside images, labels, test_images"),
        ({"test_images": IMAGES, "test_labels": LABELS},
         "no images and no labels, expected it beside test_images, test_labels"),
        ({"images": IMAGES[0, ..., 0], "labels": LABELS},
         "images: 2 dimensions of uint8, expected 3 or 4 dimensions of uint8 or floats"),
        ({"images": IMAGES.astype(int), "labels": LABELS},
         "images: 4 dimensions of int64, expected 3 or 4 dimensions of uint8 or floats"),
        ({"series": IMAGES, "labels": LABELS}, "series: 4 dimensions of uint8, expected 2 or 3 dimensions of numbers"),
        ({"images": IMAGES[:, :1].repeat(28, 1).transpose(0, 3, 1, 2), "labels": LABELS},
         "images: 28 colours, expected 1 to 4; store images as (n, height, width, colours)"),
        ({"images": IMAGES, "labels": ANGLES}, "labels: 1 dimension of float64, expected 1 dimension of whole numbers"),
        ({"images": IMAGES, "angles": IMAGES}, "angles: 4 dimensions of uint8, expected 1 or 2 dimensions of numbers"),
        ({"images": IMAGES, "labels": LABELS[:7]}, "labels: 7 of them, expected 60, as many as images"),
        ({"images": IMAGES[:9], "labels": LABELS[:9]},
         "9 samples, expected at least 10, or test_... arrays beside them"),
        ({"images": IMAGES, "labels": LABELS - 3},
         "labels: label -3 of sample 1 is out of range, expected 0 to 65535"),
        ({"images": IMAGES, "labels": LABELS, "test_images": IMAGES, "test_labels": LABELS + 65536},
         "test_labels: label 65545 of sample 0 is out of range, expected 0 to 65535"),
        ({"series": SERIES, "targets": np.where(ANGLES > 0, np.nan, ANGLES)},
         "targets: the target of sample 30 is no finite number, expected one"),
        ({"images": IMAGES, "labels": LABELS, "test_images": IMAGES[:, 1:], "test_labels": LABELS},
         "test_images of shape (60, 27, 28, 1), expected (-1, 28, 28, 1)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("write", [as_folder, as_npz, as_safetensors], ids=lambda write: write.__name__)
def test_arrays_that_do_not_fit(tmp_path, write, arrays, line):
    name, path = write(tmp_path / "data", arrays)
    assert refused(name, path) == f"{path}: {line}"


def test_drive_is_images_and_angles_in_a_folder(tmp_path):
    _, path = as_folder(tmp_path / "drive", {"images": IMAGES, "angles": ANGLES})
    data = load("drive", path)
    assert (data.name, data.classes, data.kind) == ("drive", None, "images")
    assert refused("drive", path / "images.npy") == (
        f"{path}/images.npy: broken archive (File is not a zip file), expected a .npz; fetch it again"
    )


def test_folders_that_are_none(tmp_path):
    assert refused("arrays", tmp_path) == f"{tmp_path}: arrays none, {BESIDE}"
    assert refused("arrays", tmp_path / "gone") == (
        f"{tmp_path}/gone: no such folder, expected one of .npy files; check --data-dir"
    )
