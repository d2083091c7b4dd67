"""The CUDA source of the sum over rows against sums in float64, and the same bits in any order."""

import re

import ml_dtypes
import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import BARRIER, DTYPES, SEEDS, count, dtype_of, guarded, mutated, thread_order
from mpitrain.ops import row_sum as op
from mpitrain.ops.row_sum import row_sum

# (rows, width): none, one, whole packs, odd widths, several blocks across and down.
SHAPES = [(0, 3), (1, 1), (5, 16), (700, 10), (300, 37), (3, 1100), (40, 264)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_sum_over_rows(dtype, shape):
    generator = np.random.default_rng(0)
    matrix = generator.standard_normal(shape).astype(dtype_of(dtype))
    start = generator.standard_normal(shape[1]).astype(matrix.dtype)
    tolerance = max(ml_dtypes.finfo(matrix.dtype).eps, 1e-5 if dtype == "float32" else 1e-12)
    for accumulate in (False, True):
        expected = matrix.astype(float).sum(axis=0) + accumulate * start.astype(float)
        results = []
        for seed in SEEDS:
            given, out = guarded(matrix), guarded(start, start=seed)
            with thread_order(seed):
                row_sum(given.array, out.array, accumulate)
            given.numbers()
            results.append(out.numbers())
            np.testing.assert_array_equal(results[0], results[-1])
        np.testing.assert_allclose(results[0].astype(float), expected, rtol=tolerance, atol=tolerance)
        on_host = start.copy()
        row_sum(matrix, on_host, accumulate)
        np.testing.assert_allclose(on_host.astype(float), expected, rtol=2 * tolerance, atol=2 * tolerance)


def test_rows_off_the_boundary_and_columns_of_a_wider_matrix():
    matrix = np.random.default_rng(0).standard_normal((9, 16)).astype(np.float32)
    out = xp.empty(16, np.float32)
    row_sum(guarded(matrix, start=1).array, out)
    np.testing.assert_allclose(out.get(), matrix.sum(axis=0), rtol=1e-5, atol=1e-6)
    row_sum(xp.asarray(matrix)[:, 3:8], out[:5])
    np.testing.assert_allclose(out.get()[:5], matrix[:, 3:8].sum(axis=0), rtol=1e-5, atol=1e-6)


def test_half_types_are_summed_in_float32():
    """A running sum in float16 would stay at 2048."""
    out = xp.empty(1, np.float16)
    row_sum(xp.ones((5000, 1), np.float16), out)
    assert out.get()[0] == 5000


@pytest.mark.parametrize("parts", [1, 3])
def test_however_many_parts(parts, monkeypatch):
    monkeypatch.setattr(op, "PARTS", parts)
    test_sum_over_rows("float32", (300, 37))


def test_the_barrier_is_needed():
    assert count("row_sum.cu", BARRIER) == 1

    def change(text):
        return re.sub(r"^KERNELS\((?!float32).*$", "", text.replace(BARRIER, ""), flags=re.MULTILINE)

    with mutated("row_sum.cu", change), pytest.raises(AssertionError):
        test_sum_over_rows("float32", (300, 37))
