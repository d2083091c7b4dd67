"""Depthwise convolution on the emulated device against its NumPy twin."""

import numpy as np
import pytest
from results import guarded_results

from kernels import BARRIER, DTYPES, SEEDS, dtype_of, guarded, mutated, thread_order, without
from mpitrain.ops import depthwise
from mpitrain.ops.windows import Window

# Window, height and width, channels, multiplier
CASES = {
    "plain": (Window.of(3, 1, 1), (4, 5), 40, 1),
    "strides": (Window.of((3, 2), (2, 3), (1, 0)), (7, 6), 5, 1),
    "dilated": (Window.of(2, 1, 1, (2, 3)), (4, 5), 3, 1),
    "multiplier": (Window.of(2, (1, 2), 1), (3, 4), 3, 3),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("start", [0, 1])
def test_kernels_are_their_numpy_twins(case, dtype, start):
    """Bit by bit, since small whole numbers are summed exactly in every order."""
    window, sides, channels, multiplier = CASES[case]
    generator = np.random.default_rng(channels)

    def drawn(*shape):
        return generator.integers(-2, 3, shape).astype(dtype_of(dtype))

    x, weight = drawn(3, *sides, channels), drawn(*window.kernel, 1, channels * multiplier)
    y = depthwise.depthwise(x, weight, window)
    dy, gradient = drawn(*y.shape), np.empty_like(weight)
    dx = depthwise.depthwise_input_gradient(dy, weight, window, x.shape)
    depthwise.depthwise_weight_gradient(x, dy, gradient, window, accumulate=False)
    for seed in SEEDS:
        images, kernels, slopes = (guarded(numbers, start) for numbers in (x, weight, dy))
        found_gradient = guarded(weight, start)
        with thread_order(seed), guarded_results(depthwise, start):
            found = depthwise.depthwise(images.array, kernels.array, window)
            found_dx = depthwise.depthwise_input_gradient(slopes.array, kernels.array, window, x.shape)
            depthwise.depthwise_weight_gradient(images.array, slopes.array, found_gradient.array, window, False)
            for one, other in ((found.get(), y), (found_dx.get(), dx), (found_gradient.numbers(), gradient)):
                np.testing.assert_array_equal(one, other)
            depthwise.depthwise_weight_gradient(images.array, slopes.array, found_gradient.array, window, True)
        np.testing.assert_array_equal(found_gradient.numbers(), 2 * gradient)


def test_no_images():
    window, weight = Window.of(3, 1, 1), guarded(np.ones((3, 3, 1, 4), np.float32))
    x = guarded(np.zeros((0, 4, 4, 4), np.float32)).array
    y = depthwise.depthwise(x, weight.array, window)
    assert y.shape == depthwise.depthwise_input_gradient(y, weight.array, window, x.shape).shape == (0, 4, 4, 4)
    depthwise.depthwise_weight_gradient(x, y, weight.array, window, accumulate=False)
    np.testing.assert_array_equal(weight.numbers(), 0)


CHANGES = {
    "barrier": lambda text: without(text, BARRIER, 0),
    "another channel": lambda text: text.replace("o / multiplier", "o % multiplier"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_wrong_kernel_is_seen(change):
    with mutated("depthwise.cu", CHANGES[change]), pytest.raises(AssertionError):
        test_kernels_are_their_numpy_twins("multiplier", "float32", 0)
        test_kernels_are_their_numpy_twins("strides", "float32", 0)
