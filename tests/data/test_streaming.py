"""Data larger than memory: what is loaded is a batch, what a rank reads is its share."""

import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import save_file

from mpitrain.data import Dataset, epoch_order, load, normalise, share

MEGABYTE = 1 << 20
COUNT, SIDE = 4096, 64  # 16 MiB of images
LIMIT = 3 * MEGABYTE


@pytest.fixture(scope="module")
def large():
    return np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 1), np.uint8)


def store_folder(path, images, labels):
    path.mkdir()
    np.save(path / "images.npy", images)
    np.save(path / "labels.npy", labels)
    return "arrays", path


def store_npz(path, images, labels):
    np.savez(path.with_suffix(".npz"), images=images, labels=labels)
    return "arrays", path.with_suffix(".npz")


def store_safetensors(path, images, labels):
    save_file({"images": images, "labels": labels}, path)
    return "safetensors", path


def store_cifar(path, images, labels):
    path.mkdir()
    records = np.zeros((COUNT, 3074), np.uint8)
    records[:, 2:] = images.reshape(COUNT, -1)[:, :3072]
    records.tofile(path / "train.bin")
    records[:8].tofile(path / "test.bin")
    return "cifar100", path


def store_text(path, images, labels):
    images.tofile(path)
    return "text", path


@pytest.mark.parametrize("store", [store_folder, store_npz, store_safetensors, store_cifar, store_text])
def test_a_file_is_never_loaded_whole(tmp_path, large, store):
    name, path = store(tmp_path / "large", large, np.arange(COUNT) % 7)
    tracemalloc.start()
    try:
        data = load(name, path)
        order = epoch_order(data.count, seed=0, epoch=0)
        for start in range(0, 320, 32):
            inputs, targets = data.batch(order[start : start + 32])
            assert len(inputs) == len(targets) == 32
        assert tracemalloc.get_traced_memory()[1] < LIMIT < large.nbytes / 4
    finally:
        tracemalloc.stop()


class Counting:
    """Rows that remember which were read."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, []

    def __len__(self):
        return len(self.array)

    def __getitem__(self, indices):
        rows = np.arange(len(self))[indices]
        self.read += rows.tolist()
        return self.array[indices]


def test_a_rank_reads_its_share_and_little_for_the_statistics(large, monkeypatch):
    monkeypatch.setattr(normalise, "LOOKED_AT", 50 * SIDE * SIDE)
    labels = np.zeros(COUNT, np.int64)
    for rank in range(3):
        images = Counting(large)
        data = Dataset("large", 1, images, labels, large, labels)
        _ = data.statistics
        assert len(images.read) == 50
        images.read.clear()
        batch = epoch_order(data.count, seed=0, epoch=0)[:100]
        mine = batch[share(100, rank, 3)]
        data.batch(mine)
        assert images.read == mine.tolist()
