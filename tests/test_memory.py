"""Lent memory: whose it is, when it goes round, and that the system is not asked for it again."""

import resource
import threading
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

from mpitrain.data import load
from mpitrain.engines.solo import SoloWorld
from mpitrain.memory import empty
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
