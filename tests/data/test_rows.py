"""Which data are read from files when they are asked for, and which are in memory."""

import wave

import numpy as np
import pytest
from safetensors.numpy import save_file

from mpitrain.data import load
from mpitrain.data.catalogue import EMBEDDED

IMAGES = np.zeros((20, 4, 4, 1), np.uint8)
LABELS = np.arange(20) % 2
ANGLES = np.zeros(20, np.float32)


def store_folder(path):
    path.mkdir()
    np.save(path / "images.npy", IMAGES)
    np.save(path / "labels.npy", LABELS)
    return "arrays"


def store_drive(path):
    """Without a part of its own to hold out: some of the rows are."""
    path.mkdir()
    np.save(path / "images.npy", IMAGES[..., 0])
    np.save(path / "angles.npy", ANGLES)
    return "drive"


def store_npz(path):
    with path.open("wb") as file:
        np.savez(file, series=IMAGES[..., 0], labels=LABELS, test_series=IMAGES[..., 0], test_labels=LABELS)
    return "arrays"


def store_compressed(path):
    with path.open("wb") as file:
        np.savez_compressed(file, images=IMAGES, labels=LABELS)
    return "arrays"


def store_safetensors(path):
    save_file({"images": IMAGES, "labels": LABELS}, path)
    return "safetensors"


def store_cifar(path):
    path.mkdir()
    for file in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        np.zeros((2, 3073), np.uint8).tofile(path / file)
    return "cifar10"


def store_text(path):
    path.write_bytes(bytes(2000))
    return "text"


def store_wavs(path):
    for name in (f"{label}/{i}.wav" for label in ("yes", "no") for i in range(6)):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path / name), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(40))
    return "wav"


def store_ratings(path):
    path.write_text("user,item,rating\n" + "".join(f"{i % 7},{i % 5},{1 + i % 5}\n" for i in range(200)))
    return "ratings"


FROM_FILES = [store_folder, store_drive, store_npz, store_safetensors, store_cifar, store_text, store_wavs]


@pytest.mark.parametrize("store", [*FROM_FILES, store_compressed, store_ratings])
def test_data_are_streamed_if_their_rows_stay_in_files(tmp_path, store):
    name = store(tmp_path / "data")
    assert load(name, tmp_path / "data").streamed is (store in FROM_FILES)


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_data_are_in_memory(name):
    assert load(name).streamed is False
