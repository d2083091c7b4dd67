"""The CUDA source of the activations against its NumPy twin."""

import re

import ml_dtypes
import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import DTYPES, SEEDS, dtype_of, guarded, mutated, thread_order, unwritten
from mpitrain.ops.bias_activation import activation_backward, bias_activation, keeps_slope

ACTIVATIONS = ("identity", "relu", "gelu", "silu", "tanh", "sigmoid")
# (rows, width): whole 16-byte packs, odd ones, more columns than a block has threads, more rows than blocks.
SHAPES = [(5, 16), (3, 7), (2, 1100), (700, 1), (0, 4)]


def forward(activation, x, bias, start, in_place=False):
    """What the kernel gives: y, and the slope if there is one to keep."""
    arrays = [guarded(x, start), None if bias is None else guarded(bias, start)]
    y = arrays[0] if in_place else unwritten(x.shape, x.dtype, start)
    slope = unwritten(x.shape, x.dtype, start) if keeps_slope(activation) else None
    given = [None if one is None else one.array for one in (*arrays, y, slope)]
    bias_activation(given[0], given[1], activation, given[2], given[3])
    if not in_place:
        np.testing.assert_array_equal(arrays[0].numbers(), x)
    return y.numbers(), None if slope is None else slope.numbers()


def close(found, expected):
    """Up to roundings of the result, and of what cancels in float32 on the way to it."""
    rounding, inside = (
        ml_dtypes.finfo(dtype).eps for dtype in (expected.dtype, np.result_type(expected.dtype, np.float32))
    )
    np.testing.assert_allclose(found.astype(float), expected.astype(float), rtol=2 * rounding, atol=64 * inside)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_and_backward(activation, dtype):
    generator = np.random.default_rng(0)
    for number, shape in enumerate(SHAPES):
        x, bias, dy = (3 * generator.standard_normal(size) for size in (shape, shape[1], shape))
        x, bias, dy = (array.astype(dtype_of(dtype)) for array in (x, bias, dy))
        for added in (bias, None):
            y, slope = np.empty_like(x), np.empty_like(x) if keeps_slope(activation) else None
            bias_activation(x, added, activation, y, slope)
            kept, dx = (y if slope is None else slope), np.empty_like(x)
            activation_backward(kept, dy, activation, dx)
            with thread_order(SEEDS[number % len(SEEDS)]):
                found, found_slope = forward(activation, x, added, start=number % 2, in_place=number % 3 == 0)
                found_dx = unwritten(shape, x.dtype, number % 2)
                activation_backward(guarded(kept, 0).array, guarded(dy, 0).array, activation, found_dx.array)
            close(found, y)
            if slope is not None:
                close(found_slope, slope)
            close(found_dx.numbers(), dx)


def test_what_needs_no_function_is_equal_bit_by_bit():
    x, bias = np.random.default_rng(0).standard_normal((2, 5, 16)).astype(np.float32)
    for activation in ("identity", "relu"):
        for seed in SEEDS:
            expected = np.empty_like(x)
            bias_activation(x, bias[0], activation, expected)
            with thread_order(seed):
                np.testing.assert_array_equal(forward(activation, x, bias[0], start=0)[0], expected)


def test_arrays_that_are_not_contiguous():
    x = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    turned, y = xp.asarray(x).T, xp.empty((6, 4), np.float32)
    bias_activation(turned, None, "relu", y)
    np.testing.assert_array_equal(y.get(), np.maximum(x.T, 0))
    activation_backward(turned, turned, "relu", y)
    np.testing.assert_array_equal(y.get(), np.maximum(x.T, 0))


def test_no_synchronisation():
    before = xp.synchronisations()
    x = xp.ones((3, 4), np.float32)
    y, slope = xp.empty_like(x), xp.empty_like(x)
    bias_activation(x, xp.ones(4, np.float32), "gelu", y, slope)
    activation_backward(slope, x, "gelu", y)
    assert xp.synchronisations() == before


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("row += gridDim.y * blockDim.y", "row += gridDim.y * blockDim.y + 1"),  # rows are left out
        ("3 * cubic", "2 * cubic"),  # another slope
    ],
)
def test_a_wrong_kernel_is_seen(right, wrong):
    others = re.compile(r"^KERNELS\((?!float32).*$", re.MULTILINE)  # which would take their time to compile
    with (
        mutated("bias_activation.cu", lambda text: others.sub("", text.replace(right, wrong))),
        pytest.raises(AssertionError),
    ):
        test_forward_and_backward("gelu", "float32")
