"""The rungs of the ladder to kernels/attention.cu, each against NumPy."""

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import BARRIER, SEEDS, guarded, kernel, thread_order, unwritten, without
from mpitrain.kernel_source import source
from mpitrain.ops.attention import attention

rungs = pytest.mark.parametrize("rung", [1, 2, 3])
THREADS = 16


def compare(function, heads, length, seed):
    q, k, v = np.random.default_rng(length).standard_normal((3, heads, length, 32)).astype(np.float32)
    expected, _ = attention(*(x[..., None, :] for x in (q, k, v)), 0.4)
    y = unwritten(q.shape, np.float32)
    with thread_order(seed):
        arrays = [guarded(x).array for x in (q, k, v)]
        grid = (-(-length // THREADS), heads)
        function(grid, (THREADS,), (*arrays, y.array, np.int32(length), np.float32(0.4)))
    np.testing.assert_allclose(y.numbers(), expected[:, :, 0], atol=1e-5)


@rungs
@pytest.mark.parametrize("length", [1, 32, 75])
def test_each_rung(rung, length):
    function = kernel(source(f"ladder/attention_{rung}.cu"), f"attention_{rung}_float32")
    for seed in SEEDS:
        compare(function, 2, length, seed)


@pytest.mark.parametrize("nth", [0, 1])
def test_every_barrier_is_needed(nth):
    text = without(source("ladder/attention_3.cu"), BARRIER, nth)
    function = xp.RawModule(code=text).get_function("attention_3_float32")
    with pytest.raises(AssertionError):
        for seed in SEEDS:
            compare(function, 2, 75, seed)
