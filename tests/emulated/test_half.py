"""__half and __nv_bfloat16 on the CPU round as NumPy's float16 and ml_dtypes' bfloat16 do, bit by bit."""

import ml_dtypes
import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import kernel

SOURCE = """
#include "numbers.cuh"
#define CONVERT(NAME, T)                                                                                     \\
    extern "C" __global__ void to_##NAME(const float *in, T *out) {                                          \\
        const int i = blockIdx.x * blockDim.x + threadIdx.x;                                                 \\
        out[i] = narrow<T>(in[i]);                                                                           \\
    }                                                                                                        \\
    extern "C" __global__ void from_##NAME(const T *in, float *out) {                                        \\
        const int i = blockIdx.x * blockDim.x + threadIdx.x;                                                 \\
        out[i] = widen(in[i]);                                                                               \\
    }
CONVERT(float16, __half)
CONVERT(bfloat16, __nv_bfloat16)
"""
TYPES = [np.float16, ml_dtypes.bfloat16]
EVERY = np.arange(1 << 16, dtype=np.uint16)


def run(name, numbers, dtype):
    out = xp.empty(len(numbers), dtype)
    kernel(SOURCE, name)((len(numbers) // 1024,), (1024,), (xp.asarray(numbers), out))
    return out.get()


@pytest.mark.parametrize("dtype", TYPES)
def test_to_float_and_back(dtype):
    halves, name = EVERY.view(dtype), np.dtype(dtype).name
    floats = run(f"from_{name}", halves, np.float32)
    np.testing.assert_array_equal(floats, halves.astype(np.float32))
    back = run(f"to_{name}", floats, dtype)
    numbers = ~np.isnan(floats)
    np.testing.assert_array_equal(back.view(np.uint16)[numbers], EVERY[numbers])
    assert np.isnan(back[~numbers]).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_rounding(dtype):
    """Floats on both sides of every border between two halves, on it, and anywhere."""
    with np.errstate(all="ignore"):
        halves = EVERY.view(dtype).astype(np.float32)
        borders = ((halves.astype(np.float64) + np.roll(halves, 1)) / 2).astype(np.float32)
    anywhere = np.random.default_rng(0).integers(0, 1 << 32, 1 << 16, np.uint32).view(np.float32)
    numbers = np.concatenate([borders, np.nextafter(borders, np.inf), np.nextafter(borders, -np.inf), anywhere])
    found = run(f"to_{np.dtype(dtype).name}", numbers, dtype)
    with np.errstate(all="ignore"):
        expected = numbers.astype(dtype)
    nan = np.isnan(numbers)
    np.testing.assert_array_equal(found.view(np.uint16)[~nan], expected.view(np.uint16)[~nan])
    assert np.isnan(found[nan].astype(np.float32)).all()
