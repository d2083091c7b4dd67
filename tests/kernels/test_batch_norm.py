"""Batch normalisation on the emulated device against its NumPy twin."""

import numpy as np
import pytest
from results import guarded_results

from kernels import BARRIER, DTYPES, SEEDS, count, dtype_of, guarded, mutated, thread_order, without
from mpitrain.ops import batch_norm
from mpitrain.ops.batch_norm import Running

SHAPES = [(1, 1), (7, 3), (300, 8), (70, 65), (9, 264)]
TOLERANCE = {"float32": 2e-6, "float64": 1e-14, "float16": 2e-3, "bfloat16": 2e-2}  # a half type's last bit


def step(x, dy, gain, bias, running, others=None):
    """All of a training step, in the order in which the layer asks for it."""
    sums = batch_norm.column_sums(x)
    by = batch_norm.moments(sums, 1e-3, running, 0.25)
    y = batch_norm.normalise(x, by, gain, bias)
    slopes = batch_norm.slope_sums(x, dy, by)
    dx = batch_norm.gradient(x, dy, by, gain, slopes, sums[:1])
    constant = batch_norm.gradient(x, dy, by, gain, slopes, None)
    return {"sums": sums, "mean": by.mean, "scale": by.scale, "y": y, "slopes": slopes, "dx": dx, "constant": constant}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("start", [0, 1])
def test_kernels_are_their_numpy_twins(shape, dtype, start):
    generator = np.random.default_rng(shape[0])
    kind = dtype_of(dtype)
    x, dy = (generator.standard_normal((2, *shape)) + [[[3]], [[0]]]).astype(kind)
    gain, bias = generator.standard_normal((2, shape[1])).astype(kind)
    running = Running(*generator.random((2, shape[1])).astype(np.float32))
    kept = [numbers.copy() for numbers in running]
    expected = step(x, dy, gain, bias, running)
    for seed in SEEDS:
        given = [guarded(numbers, start) for numbers in (x, dy, gain, bias)]
        moved = [guarded(numbers, start) for numbers in kept]
        with thread_order(seed), guarded_results(batch_norm, start):
            found = step(*(one.array for one in given), Running(*(one.array for one in moved)))
            for name, other in expected.items():
                one = found[name].get()
                assert one.dtype == other.dtype
                close(one, other, TOLERANCE[dtype] if one.dtype == kind else min(TOLERANCE[dtype], 2e-6))
        for one, other in zip(moved, running, strict=True):
            close(one.numbers(), other, 1e-6)
        for one, other in zip(given, (x, dy, gain, bias), strict=True):
            np.testing.assert_array_equal(one.numbers(), other)


def close(found, expected, tolerance):
    found, expected = found.astype(float), expected.astype(float)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max(initial=0))


def test_a_large_mean_leaves_the_variance():
    """Of float32 numbers beside which the deviation is small; their squares in float32 would lose it."""
    x = (np.random.default_rng(0).standard_normal((500, 5)) + 1e4).astype(np.float32)
    found = batch_norm.moments(batch_norm.column_sums(guarded(x).array), 0.0, None, 0.0)
    exact = x.astype(float)
    np.testing.assert_allclose(found.mean.get(), exact.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found.scale.get(), 1 / exact.std(axis=0), rtol=1e-5)


def test_no_rows_leave_the_running_moments():
    x, gain = np.zeros((0, 3), np.float32), guarded(np.ones(3, np.float32))
    running = [guarded(np.float32([1, 2, 3])) for _ in range(2)]
    empty = guarded(x).array
    found = step(empty, empty, gain.array, gain.array, Running(*(one.array for one in running)))
    np.testing.assert_array_equal(found["sums"].get(), 0)
    np.testing.assert_array_equal(found["slopes"].get(), 0)
    assert found["y"].shape == found["dx"].shape == (0, 3)
    for one in running:
        np.testing.assert_array_equal(one.numbers(), [1, 2, 3])


def test_running_moments_are_numpys():
    numbers = np.random.default_rng(0).random((2, 5)).astype(np.float32)
    expected = batch_norm.running_moments(Running(*numbers), 1e-3)
    found = batch_norm.running_moments(Running(*(guarded(one).array for one in numbers)), 1e-3)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.get(), other, rtol=1e-15)


CHANGES = {
    "barrier of the columns": lambda text: without(text, BARRIER, count("batch_norm.cu", BARRIER) - 1),
    "barrier of the parts": lambda text: without(text, BARRIER, 1),
    "rows counted wrongly": lambda text: text.replace("left < before ? 0", "left <= before ? 1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_wrong_kernel_is_seen(change):
    with mutated("batch_norm.cu", CHANGES[change]), pytest.raises(AssertionError):
        for shape in SHAPES[2:4]:
            test_kernels_are_their_numpy_twins(shape, "float32", 0)
