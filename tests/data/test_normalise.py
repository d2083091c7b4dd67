"""Mean and deviation of each channel against NumPy, whole or looked at in part."""

import numpy as np
import pytest

from mpitrain.data import normalise
from mpitrain.data.normalise import Statistics


@pytest.mark.parametrize("dtype", ["u1", "i2", "f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (700, 5, 3), (90, 6, 7, 2)])
def test_against_numpy(monkeypatch, dtype, shape):
    monkeypatch.setattr(normalise, "AT_ONCE", 1000)
    values = np.random.default_rng(0).integers(0, 200, shape) + np.arange(shape[-1])
    rows = values.astype(dtype)
    found = Statistics.of(rows)
    axes = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(found.mean, values.mean(axes), rtol=1e-12)
    deviation = values.std(axes)
    np.testing.assert_allclose(found.deviation, np.where(deviation > 0, deviation, 1), rtol=1e-12)
    expected = (values - found.mean) / found.deviation
    np.testing.assert_allclose(found.normalised(rows), expected, rtol=1e-5, atol=2e-6)
    assert found.normalised(rows).dtype == np.float32


def test_numbers_far_from_zero_keep_their_deviation():
    rows = 1e9 + np.random.default_rng(0).normal(size=(5000, 4, 1))
    assert Statistics.of(rows).deviation == pytest.approx(rows.std(), rel=1e-9)


def test_what_is_missing_does_not_count():
    rows = np.random.default_rng(0).normal(3, 2, (50, 9, 2)).astype(np.float32)
    rows[:, 5:, 0] = rows[7] = np.nan
    found = Statistics.of(rows)
    np.testing.assert_allclose(found.mean, np.nanmean(rows.astype("f8"), (0, 1)), rtol=1e-9)
    np.testing.assert_allclose(found.deviation, np.nanstd(rows.astype("f8"), (0, 1)), rtol=1e-9)
    nothing = Statistics.of(np.full((3, 2, 1), np.nan))
    assert (nothing.mean, nothing.deviation) == (0, 1)


def test_a_large_part_is_looked_at_here_and_there(monkeypatch):
    monkeypatch.setattr(normalise, "LOOKED_AT", 10 * 4)
    rows = np.arange(1000, dtype=np.float32).reshape(1000, 1, 1)
    assert Statistics.of(rows).mean == np.mean(np.arange(0, 1000, 100))
    monkeypatch.setattr(normalise, "LOOKED_AT", 1)
    assert Statistics.of(rows).mean == 0
