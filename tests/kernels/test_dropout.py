"""The CUDA source of dropout against its NumPy twin, bit by bit."""

import re

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import DTYPES, SEEDS, dtype_of, guarded, kernel, mutated, thread_order, unwritten
from mpitrain.kernel_source import source
from mpitrain.ops.dropout import dropout, dropout_backward
from mpitrain.ops.philox import philox

KEY, STEP, LEVEL = (0xA4093822, 0x299F31D0), 11, 20000
# (batch, ...): whole 16-byte packs, a last block of half a pack's numbers, odd widths, no numbers
SHAPES = [(3, 16), (2, 3, 4), (5, 7), (4,), (2, 1001), (0, 8)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_kernel_is_its_numpy_twin(dtype, shape):
    generator = np.random.default_rng(0)
    x, dy = generator.standard_normal((2, *shape)).astype(dtype_of(dtype))
    samples = generator.integers(0, 1 << 40, shape[0])
    y, dx = np.empty_like(x), np.empty_like(x)
    dropout_backward(dropout(x, LEVEL, KEY, samples, STEP, y), dy, LEVEL, dx)
    for seed in SEEDS:
        given, found, found_dx = guarded(x, seed % 2), unwritten(shape, x.dtype), unwritten(shape, x.dtype, seed // 2)
        with thread_order(seed):
            kept = dropout(given.array, LEVEL, KEY, samples, STEP, found.array)
            dropout_backward(kept, guarded(dy).array, LEVEL, found_dx.array)
        for one, expected in ((given, x), (found, y), (found_dx, dx)):
            np.testing.assert_array_equal(one.numbers(), expected)


def test_no_synchronisation():
    before = xp.synchronisations()
    x = xp.ones((3, 4), np.float32)
    kept = dropout(x, LEVEL, KEY, np.arange(3), STEP, xp.empty_like(x))
    dropout_backward(kept, x, LEVEL, xp.empty_like(x))
    assert xp.synchronisations() == before


def test_philox():
    """Words of random counters and keys; the twin is checked against the authors' answers."""
    text = (
        source("dropout.cu")
        + """
        extern "C" __global__ void words(const Words *counters, Words *found, unsigned int key0, unsigned int key1) {
            found[threadIdx.x] = philox(counters[threadIdx.x], key0, key1);
        }"""
    )
    counters = np.random.default_rng(0).integers(0, 1 << 32, (64, 4), np.uint32)
    found = xp.empty((64, 4), np.uint32)
    kernel(text, "words")((1,), (64,), (xp.asarray(counters), found, *map(np.uint32, KEY)))
    np.testing.assert_array_equal(found.get(), philox(counters.T.astype(np.uint64), KEY).T)


def only_float32(text):
    """Others would take their time to compile."""
    return re.sub(r"^KERNEL\((?!float32).*$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("sample >> 32", "sample >> 31"),
        ("first + block * BLOCK < width", "true"),  # packs beyond the row
    ],
)
def test_a_wrong_kernel_is_seen(right, wrong):
    with mutated("dropout.cu", lambda text: only_float32(text.replace(right, wrong))), pytest.raises(AssertionError):
        for shape in SHAPES:
            test_kernel_is_its_numpy_twin("float32", shape)
