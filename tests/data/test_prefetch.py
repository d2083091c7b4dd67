"""Batches read ahead: the same ones, in order, with their errors, in threads and in virtual time."""

import threading

import numpy as np
import pytest

from mpitrain import virtual
from mpitrain.data import load
from mpitrain.data.prefetch import Prefetch
from mpitrain.engines.solo import SoloWorld


class Later:
    """A background whose reads are done when they are waited for."""

    def __init__(self):
        self.begun = []

    def __call__(self, function):
        self.begun.append(function)
        return self

    def wait(self):
        return self.begun.pop()()


def test_one_read_ahead_and_none_twice():
    reads, background = [], Later()
    prefetch = Prefetch(background, lambda step: reads.append(step) or step * 10, end=4)
    assert prefetch.take(0) == 0 and reads == [0] and len(background.begun) == 1
    assert [prefetch.take(step) for step in (1, 2, 3)] == [10, 20, 30]
    assert reads == [0, 1, 2, 3] and not background.begun  # nothing beyond the end


def test_steps_out_of_order_and_again():
    background = Later()
    prefetch = Prefetch(background, lambda step: step, end=9)
    assert [prefetch.take(step) for step in (5, 2, 2, 3, 8, 0)] == [5, 2, 2, 3, 8, 0]
    assert len(background.begun) == 1
    prefetch.close()
    prefetch.close()
    assert not background.begun


def test_an_error_comes_at_its_own_step():
    def read(step):
        if step == 2:
            raise OSError("step 2")
        return step

    prefetch = Prefetch(Later(), read, end=9)
    assert (prefetch.take(0), prefetch.take(1)) == (0, 1)
    with pytest.raises(OSError, match="step 2"):
        prefetch.take(2)
    with pytest.raises(OSError, match="step 2"):
        prefetch.take(2)
    assert prefetch.take(1) == 1
    prefetch.close()  # the error of a step that nobody takes is nobody's


def test_threads_read_beside_the_program_and_end():
    before = threading.active_count()
    data, order = load("fashion"), np.random.default_rng(0).permutation(5000)
    threads = []

    def read(step):
        threads.append(threading.current_thread())
        return data.batch(order[64 * step : 64 * step + 64])

    prefetch = Prefetch(SoloWorld().background, read, end=10)
    for step in range(6):
        for found, expected in zip(prefetch.take(step), data.batch(order[64 * step : 64 * step + 64]), strict=True):
            np.testing.assert_array_equal(found, expected)
    prefetch.close()
    assert threading.active_count() == before
    assert threads[0] is threading.main_thread() and threading.main_thread() not in threads[1:]


def test_virtual_ranks_read_ahead_alike():
    def main(world):
        prefetch = Prefetch(world.background, lambda step: (world.rank, step), end=5)
        found = []
        for step in range(5):
            found.append(prefetch.take(step))
            world.compute(seconds=1e-3)
            world.barrier()
        prefetch.close()
        return found, world.now()

    results = [virtual.run(main, ranks=3, seed=1).results for _ in range(2)]
    assert results[0] == results[1]
    assert [found for found, _ in results[0]] == [[(rank, step) for step in range(5)] for rank in range(3)]
