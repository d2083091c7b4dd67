"""The CUDA source of the global norm against sums that are exact, and clipping that nobody waits for."""

import math

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import DTYPES, SEEDS, dtype_of, guarded, thread_order
from mpitrain.ops import norm
from mpitrain.ops.norm import sum_of_squares
from mpitrain.optim import clip_norm


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("size", [0, 1, 3, 1003, 5000])
def test_sum_of_squares(name, size):
    vector = np.random.default_rng(size).standard_normal(size).astype(dtype_of(name))
    exact = math.fsum(float(number) ** 2 for number in vector)
    for seed in SEEDS:
        on_device = guarded(vector, start=seed)
        with thread_order(seed):
            found = sum_of_squares(on_device.array)
        assert found.shape == (1,) and found.dtype == np.float64
        assert found.get()[0] == pytest.approx(exact, rel=1e-13)
        on_device.numbers()


def test_the_order_of_the_threads_changes_no_bit(monkeypatch):
    """With one element or many to a thread, since as many blocks are launched on every device."""
    vector = xp.asarray(np.random.default_rng(0).standard_normal(100_003))
    for blocks in (norm.BLOCKS, 3):
        monkeypatch.setattr(norm, "BLOCKS", blocks)
        found = set()
        for seed in SEEDS:
            with thread_order(seed):
                found.add(sum_of_squares(vector).get()[0])
        assert len(found) == 1


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("name", DTYPES)
def test_a_norm_tells_whether_all_is_finite(bad, name):
    largest = np.full(1003, 1e4 if name == "float16" else 1e38, dtype_of(name))
    assert math.isfinite(clip_norm(xp.asarray(largest)).norm.get()[0])
    largest[777] = bad
    assert not math.isfinite(clip_norm(xp.asarray(largest)).norm.get()[0])


@pytest.mark.parametrize("limit", [0.5, 1e4, math.inf])
@pytest.mark.parametrize("scale", [1.0, 2.0**-10])
def test_clipping_is_the_hosts_and_waits_for_nothing(limit, scale):
    vector = np.random.default_rng(0).standard_normal(1003).astype(np.float32) / np.float32(scale)
    on_device, waited = xp.asarray(vector), xp.synchronisations()
    found = clip_norm(on_device, limit, scale)
    assert xp.synchronisations() == waited
    expected = clip_norm(vector, limit, scale)
    assert found.norm.get()[0] == pytest.approx(expected.norm, rel=1e-6)
    assert found.scale.get()[0] == pytest.approx(expected.scale, rel=1e-6)
