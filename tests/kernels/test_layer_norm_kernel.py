"""The CUDA source of layer and RMS norm against its NumPy twin."""

import numpy as np
import pytest

from kernels import BARRIER, DTYPES, SEEDS, count, dtype_of, guarded, mutated, thread_order, without
from mpitrain.ops import normalise as module
from mpitrain.ops.normalise import normalise, normalise_backward

# Rows shorter than a warp, a warp's, a block's; in packs and not; and so long that they do not fit the registers.
SHAPES = [(1, 1), (3, 7), (9, 128), (5, 516), (3, 1001), (2, 8448)]
# Sums of thousands of numbers come in another order than NumPy's.
TOLERANCE = {"float32": 3e-6, "float64": 1e-13, "float16": 2e-3, "bfloat16": 1.6e-2}


def close(found, expected, dtype):
    found, expected = (np.asarray(x, np.float64) for x in (found, expected))
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * np.abs(expected).max())


def compare(dtype, shape, seed, centred=True, with_bias=True, start=0):
    generator, kind = np.random.default_rng(shape[1]), dtype_of(dtype)
    x, dy = (1 + generator.standard_normal((2, *shape))).astype(kind)
    gain, bias = generator.standard_normal((2, shape[1])).astype(kind)
    arrays = [guarded(array, start) for array in (x, gain, bias, dy)]
    with thread_order(seed):
        on_x, on_gain, on_bias, on_dy = (array.array for array in arrays)
        y, mean, rstd = normalise(on_x, on_gain, on_bias if with_bias else None, 0.01, centred)
        slopes = normalise_backward(on_x, mean, rstd, on_gain, on_dy, of_input=True, of_weights=True)
    right_y, right_mean, right_rstd = normalise(x, gain, bias if with_bias else None, 0.01, centred)
    right = normalise_backward(x, right_mean, right_rstd, gain, dy, of_input=True, of_weights=True)
    close(y.get(), right_y, dtype)
    if centred:
        close(mean.get(), right_mean, dtype)
    else:
        assert mean is None
    close(rstd.get(), right_rstd, dtype)
    assert (y.dtype, rstd.dtype, slopes.x.dtype) == (kind, right_rstd.dtype, kind)
    for found, expected in zip(slopes, right, strict=True):
        close(found.get(), expected, dtype)
    for array, numbers in zip(arrays, (x, gain, bias, dy), strict=True):
        np.testing.assert_array_equal(array.numbers(), numbers)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_its_numpy_twin(dtype, shape):
    for seed, (centred, with_bias) in zip(SEEDS, [(True, True), (False, False), (True, False)], strict=True):
        compare(dtype, shape, seed, centred, with_bias)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(9, 128), (5, 520)])
def test_arrays_that_start_anywhere(dtype, shape):
    compare(dtype, shape, seed=2, start=1)


def test_many_rows_are_summed_in_parts(monkeypatch):
    monkeypatch.setattr(module, "ROWS_OF_BLOCK", 4)
    compare("float32", (37, 132), seed=2)


def test_sums_have_the_same_bits_in_any_order_of_threads():
    generator = np.random.default_rng(0)
    x, dy = (guarded(array).array for array in generator.standard_normal((2, 100, 36)).astype(np.float32))
    gain, found = guarded(np.ones(36, np.float32)).array, []
    for seed in SEEDS:
        with thread_order(seed):
            _, mean, rstd = normalise(x, gain, None, 0.01, True)
            slopes = normalise_backward(x, mean, rstd, gain, dy, of_input=False, of_weights=True)
        assert slopes.x is None
        found.append([slopes.gain.get(), slopes.bias.get(), rstd.get()])
    for other in found[1:]:
        for one, another in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, another)


def test_no_rows():
    x, gain = guarded(np.zeros((0, 4), np.float32)).array, guarded(np.ones(4, np.float32)).array
    y, mean, rstd = normalise(x, gain, None, 0.01, True)
    slopes = normalise_backward(x, mean, rstd, gain, y, of_input=True, of_weights=True)
    assert y.shape == slopes.x.shape == (0, 4)
    np.testing.assert_array_equal(slopes.gain.get(), 0)


def test_its_barrier_is_needed():
    """The last in the file: those before it are those of warp.cuh, which has tests of its own."""

    def change(text):
        others = [f"LAYER_NORM({name})" for name in ("float64, double", "float16, __half", "bfloat16, __nv_bfloat16")]
        for other in others:  # not to be compiled anew
            text = text.replace(other, "")
        return without(text, BARRIER, count("layer_norm.cu", BARRIER) - 1)

    with mutated("layer_norm.cu", change), pytest.raises(AssertionError):
        for seed in SEEDS:
            compare("float32", (9, 128), seed)
