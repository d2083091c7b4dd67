"""The CUDA sources of top-k, signs and eight bits against their NumPy twins."""

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import DTYPES, SEEDS, dtype_of, guarded, thread_order, unwritten
from mpitrain.ops import topk
from mpitrain.ops.quantise import Quantised, dequantise, quantise
from mpitrain.ops.sign import Signs, pack_signs, unpack_signs
from mpitrain.ops.topk import top_k

TYPES = pytest.mark.parametrize("name", DTYPES)
COUNTS = (0, 1, 3, 8, 1003)


def numbers_of(count, name):
    """Some of which tie, and some of which are 0."""
    numbers = np.random.default_rng(count).standard_normal(count)
    numbers[::3] = np.round(numbers[::3])
    return numbers.astype(dtype_of(name))


@TYPES
def test_top_k(name):
    for count, k in [(0, 0), (1, 1), (3, 1), (3, 3), (1003, 1), (1003, 100), (1003, 700), (1003, 1003)]:
        vector = numbers_of(count, name)
        expected = top_k(vector, k)
        for seed in SEEDS:
            on_device, waited = guarded(vector, seed), xp.synchronisations()
            with thread_order(seed):
                found = top_k(on_device.array, k)
            assert xp.synchronisations() == waited
            for one, other in zip(found, expected, strict=True):
                assert one.dtype == other.dtype
                np.testing.assert_array_equal(one.get(), other)
            on_device.numbers()


def test_top_k_where_blocks_have_several_tiles(monkeypatch):
    monkeypatch.setattr(topk, "BLOCKS", 3)
    vector = numbers_of(5003, "float32")
    for k in (1, 999, 4000):
        for one, other in zip(top_k(xp.asarray(vector), k), top_k(vector, k), strict=True):
            np.testing.assert_array_equal(one.get(), other)


@TYPES
def test_signs(name):
    for count in COUNTS:
        vector = numbers_of(count, name)
        expected = pack_signs(vector)
        back = unpack_signs(expected, np.empty_like(vector))
        for seed in SEEDS:
            on_device, out = guarded(vector, seed), unwritten((count,), vector.dtype, seed // 2)
            with thread_order(seed):
                signs = pack_signs(on_device.array)
                unpack_signs(Signs(*map(xp.asarray, expected)), out.array)
            np.testing.assert_array_equal(signs.bits.get(), expected.bits)
            np.testing.assert_allclose(signs.scale.get(), expected.scale, rtol=1e-6)
            np.testing.assert_array_equal(out.numbers(), back)
            on_device.numbers()


@TYPES
@pytest.mark.parametrize("group", [3, 256])
def test_eight_bits(name, group):
    for count in COUNTS:
        vector = numbers_of(count, name)
        vector[group : 2 * group] = 1e-31
        expected = quantise(vector, group)
        rough = quantise(vector, group, (1, 2), 3)
        back = dequantise(expected, np.empty_like(vector), group)
        for seed in SEEDS:
            on_device, out = guarded(vector, seed), unwritten((count,), vector.dtype, seed // 2)
            with thread_order(seed):
                quantised = quantise(on_device.array, group)
                by_chance = quantise(on_device.array, group, (1, 2), 3)
                dequantise(Quantised(*map(xp.asarray, expected)), out.array, group)
            np.testing.assert_array_equal(quantised.codes.get(), expected.codes)
            np.testing.assert_array_equal(by_chance.codes.get(), rough.codes)
            np.testing.assert_array_equal(quantised.scales.get(), expected.scales)
            np.testing.assert_array_equal(out.numbers(), back)
            on_device.numbers()
