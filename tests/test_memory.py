"""Lent memory: whose it is, when it goes round, and that the system is not asked for it again."""

import ctypes
import itertools
import resource
import threading
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

from mpitrain import memory
from mpitrain.data import load
from mpitrain.engines.solo import SoloWorld
from mpitrain.memory import Pool, empty
from mpitrain.training.config import Config
from mpitrain.training.trainer import Trainer

LARGE = (300, 1000)

VIEWS = {
    "the array": lambda array: array,
    "a slice": lambda array: array[2:3, 5:],
    "a transpose": lambda array: array.T,
    "another shape": lambda array: array.reshape(-1)[-1:],
    "another type": lambda array: array.view(np.int8)[:1],
    "a view of a view": lambda array: array[1:].T[3:],
    "a memoryview": memoryview,
}


def place(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, bool, np.uint8, ml_dtypes.bfloat16])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (0, 5), (1003,), LARGE, (2, 3, 500, 41)])
def test_an_array_like_any_other(shape, dtype):
    array = empty(shape, dtype)
    assert (array.shape, array.dtype, array.flags.c_contiguous, array.flags.writeable) == (shape, dtype, True, True)
    array[...] = 1
    assert (array == 1).all()


def test_large_arrays_begin_at_a_cache_line():
    assert place(empty(LARGE, np.float32)) % 64 == 0


@pytest.mark.parametrize("view", VIEWS)
def test_memory_goes_round_once_its_last_view_is_gone(view):
    array = empty(LARGE, np.uint8)
    array[...] = 7
    where, kept = place(array), VIEWS[view](array)
    del array
    others = [empty(LARGE, np.uint8) for _ in range(3)]
    for other in others:
        other[...] = 0
    assert where not in map(place, others)
    assert (np.asarray(kept) == 7).all()
    del kept
    assert place(empty(LARGE, np.uint8)) == where


def test_sizes_that_are_nearly_the_same_share():
    where = place(empty((1000, 100), np.float32))
    assert place(empty((990, 100), np.float32)) == where


def test_no_fresh_pages_once_memory_goes_round():
    """30 arrays of 16 MiB, all written: 122,880 pages if they were fresh."""
    empty((1 << 22,), np.float32)[...] = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(30):
        empty((1 << 22,), np.float32)[...] = 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 1000


def test_a_free_range_serves_any_size():
    """Three arrays of different sizes, one after the other, lie in one place; all at once they take what they take."""
    pool = Pool()
    for size in (3 << 20, 1 << 20, 5 << 20, 2 << 20):
        pool.returned.append(pool.take(size))
    assert pool.figures() == (0, 5 << 20)
    lent = [pool.take(size) for size in (1 << 20, 3 << 20, 1 << 20)]
    assert pool.figures() == (5 << 20, 5 << 20)
    pool.returned.extend(lent)
    assert pool.figures() == (0, 5 << 20)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_free_ranges_side_by_side_become_one(order):
    pool = Pool()
    lent = [pool.take(1000) for _ in range(3)]
    assert [size for _, size in lent] == [1024, 1024, 1024]
    pool.returned.extend(lent[number] for number in order)
    assert pool.take(3 * 1024) == (lent[0][0], 3 * 1024)


def test_the_smallest_range_that_is_large_enough_is_lent():
    pool = Pool()
    large, wall, small, _ = (pool.take(size) for size in (4096, 64, 2048, 64))
    pool.returned.extend([large, small])
    assert pool.take(2048) == small
    assert pool.take(2048) == (large[0], 2048)
    assert wall[0] == large[0] + 4096


def test_more_than_a_segment(monkeypatch):
    """Ranges that are lent never overlap, whatever segments they lie in, and nothing is lost."""
    monkeypatch.setattr(memory, "SEGMENT", 1 << 14)
    pool, random = Pool(), np.random.default_rng(0)
    lent = []
    for _ in range(500):
        if lent and random.random() < 0.5:
            pool.returned.append(lent.pop(random.integers(len(lent))))
        else:
            lent.append(pool.take(int(random.integers(1, 20000))))
        ends = sorted(lent)
        assert all(a + size <= b for (a, size), (b, _) in itertools.pairwise(ends))
        assert pool.figures().used == sum(size for _, size in lent)
    pool.returned.extend(lent)
    assert pool.figures().used == 0
    assert pool.figures().total <= sum(segment.size for segment in pool._segments)


def test_trimmed_memory_is_the_systems_again_and_lent_memory_stays():
    pool = Pool()
    kept, gone = pool.take(1 << 20), pool.take(1 << 22)
    ctypes.memset(kept[0], 7, kept[1])
    ctypes.memset(gone[0], 7, gone[1])
    pool.returned.append(gone)
    pool.trim()
    assert pool.figures() == (1 << 20, 1 << 20)
    assert ctypes.string_at(kept[0], kept[1]) == bytes([7]) * (1 << 20)
    assert ctypes.string_at(gone[0], gone[1]) == bytes(1 << 22)  # fresh pages


def test_other_modules_have_their_own_memory():
    cupy = SimpleNamespace(empty=lambda shape, dtype: ("of CuPy", shape, dtype))
    assert empty((1000, 1000), np.float32, cupy) == ("of CuPy", (1000, 1000), np.float32)


def test_threads_never_share_what_is_in_use():
    wrong = []

    def work(number):
        for _ in range(300):
            arrays = [empty(LARGE, np.float32) for _ in range(3)]
            for array in arrays:
                array[...] = number
            if any((array != number).any() for array in arrays):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_models_of_several_threads_train_as_if_alone():
    """As virtual ranks do, in one process: bit by bit, with arrays large enough to be lent."""
    dataset = load("fashion")

    def trained(seed):
        trainer = Trainer(SoloWorld(), Config(model="cnn", channels=(8, 8), batch=32, seed=seed).completed(), dataset)
        return [trainer.step().loss for _ in range(6)], trainer.values

    found = {}
    threads = [threading.Thread(target=lambda seed=seed: found.update({seed: trained(seed)})) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(3):
        losses, values = trained(seed)
        assert found[seed][0] == losses
        np.testing.assert_array_equal(found[seed][1], values)
