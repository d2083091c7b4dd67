"""Sums and maxima over a block: NumPy's, the same bits in every thread, and no barrier too many."""

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import BARRIER, SEEDS, kernel, thread_order, without
from mpitrain.kernel_source import expand

# Two sums in a row: the second may not overwrite what somebody still reads of the first.
SOURCE = """
#include "numbers.cuh"
#include "warp.cuh"
#define REDUCE(NAME, T)                                                      \\
    extern "C" __global__ void reduce_##NAME(const T *in, T *sum, T *max) {  \\
        const T mine = in[threadIdx.x];                                      \\
        const T twice = over_block<Sum>(mine + mine);                        \\
        sum[threadIdx.x] = twice - over_block<Sum>(mine);                    \\
        max[threadIdx.x] = over_block<Max>(mine);                            \\
    }
REDUCE(float32, float)
REDUCE(float64, double)
REDUCE(int32, int)
"""


def reduce_(numbers, seed, source=SOURCE):
    total, most = (xp.empty_like(xp.asarray(numbers)) for _ in range(2))
    with thread_order(seed):
        kernel(source, f"reduce_{numbers.dtype}")((1,), (len(numbers),), (xp.asarray(numbers), total, most))
    return total.get(), most.get()


@pytest.mark.parametrize("threads", [32, 64, 96, 1024])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_over_block(threads, dtype):
    numbers = (np.random.default_rng(threads).standard_normal(threads) * 100).astype(dtype)
    for seed in SEEDS:
        total, most = reduce_(numbers, seed)
        np.testing.assert_allclose(total, numbers.sum(), rtol=1e-5)
        assert len(set(total)) == 1 and set(most) == {numbers.max()}


@pytest.mark.parametrize("nth", [0, 1])
def test_every_barrier_is_needed(nth):
    numbers = np.random.default_rng(0).standard_normal(96).astype(np.float32)
    assert expand(SOURCE).count(BARRIER) == 2
    results = [reduce_(numbers, seed, without(expand(SOURCE), BARRIER, nth)) for seed in SEEDS]
    assert any(not np.allclose(total, numbers.sum()) or (most != numbers.max()).any() for total, most in results)
