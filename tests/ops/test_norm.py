"""The sum of squares."""

import math

import ml_dtypes
import numpy as np
import pytest

from mpitrain.ops import norm
from mpitrain.ops.norm import sum_of_squares, sums_of_squares


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("count", [0, 1, 3, 1003])
def test_it_is_the_sum_of_squares(monkeypatch, dtype, count):
    monkeypatch.setattr(norm, "TILE", 64)
    vector = np.random.default_rng(0).standard_normal(count).astype(dtype)
    exact = math.fsum(float(number) ** 2 for number in vector)
    found = sum_of_squares(vector)
    assert found.shape == (1,) and found.dtype == np.float64
    assert found[0] == pytest.approx(exact, rel=1e-12 if dtype == np.float64 else 1e-6)


@pytest.mark.parametrize("size", [1e-30, 4e-23, 1e25])
def test_squares_that_float32_cannot_hold(size):
    vector = np.full(100, size, np.float32)
    assert sum_of_squares(vector)[0] == pytest.approx(100 * size**2, rel=1e-6, abs=0)


def test_only_a_float_that_is_not_finite_gives_a_sum_that_is_not():
    vector = np.full(100_000, np.finfo(np.float32).max)
    assert math.isfinite(sum_of_squares(vector)[0])
    vector[-1] = math.inf
    assert sum_of_squares(vector)[0] == math.inf
    vector[0] = math.nan
    assert math.isnan(sum_of_squares(vector)[0])


def test_parts():
    vector = np.arange(10.0)
    np.testing.assert_array_equal(sums_of_squares(vector, [slice(0, 3), slice(3, 3), slice(8, 10)]), [5, 0, 145])
