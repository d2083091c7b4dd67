"""The rungs that lead to the norm's kernel: all are right."""

import math

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import SEEDS, guarded, mutated, thread_order, unwritten, without
from mpitrain.emulated import LaunchError
from mpitrain.ops.launch import launch
from mpitrain.ops.norm import add_partial

RUNGS = (1, 2, 3, 4)
BLOCKS, THREADS = 3, 128


def climb(rung, vector, seed):
    on_device, partial = guarded(vector, seed), unwritten((1, BLOCKS), np.float64)
    with thread_order(seed):
        args = (on_device.array, partial.array, np.int64(len(vector)))
        launch(xp, f"ladder/norm_{rung}.cu", f"norm_{rung}", BLOCKS, THREADS, args)
    on_device.numbers()
    partial.numbers()
    return add_partial(partial.array).get()[0, 0]


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("count", [0, 1, 3, 1003])
def test_each_rung_is_the_sum_of_squares(rung, count):
    vector = np.random.default_rng(count).standard_normal(count).astype(np.float32)
    exact = math.fsum(float(number) ** 2 for number in vector)
    for seed in SEEDS:
        assert climb(rung, vector, seed) == pytest.approx(exact, rel=1e-13)


def test_the_trees_barriers_cannot_go():
    """Those in its rounds, of the third rung."""
    vector = np.random.default_rng(0).standard_normal(1003).astype(np.float32)
    exact = math.fsum(float(number) ** 2 for number in vector)
    wrong = False
    with mutated("ladder/norm_3.cu", lambda text: without(text, "__syncthreads();", 1)):
        for seed in SEEDS:
            try:
                wrong |= not math.isclose(climb(3, vector, seed), exact, rel_tol=1e-9)
            except LaunchError:
                wrong = True
    assert wrong
