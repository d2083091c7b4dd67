"""Direct convolution on the emulated device against its NumPy twin."""

import numpy as np
import pytest
from results import guarded_results

from kernels import BARRIER, DTYPES, SEEDS, dtype_of, guarded, mutated, thread_order, without
from mpitrain.ops import direct
from mpitrain.ops.windows import Window, inside, pad

# Window, height and width, inputs and outputs of a group, groups
CASES = {
    "depthwise": (Window.of(3, 1, 1), (4, 5), 1, 1, 40),
    "strides": (Window.of((3, 2), (2, 3), (1, 0)), (7, 6), 1, 1, 5),
    "multiplier": (Window.of(2, (1, 2), 1), (3, 4), 1, 3, 3),
    "dilated groups": (Window.of(2, 1, 1, (2, 3)), (4, 5), 3, 2, 2),
    "groups of one output": (Window.of((1, 2)), (2, 4), 2, 1, 3),
    "all in one": (Window.of(2), (3, 3), 3, 2, 1),
}


def drawn(case, dtype):
    """Images, weight, and slopes of the result: small whole numbers, which are summed exactly in every order."""
    window, sides, inputs, outputs, groups = CASES[case]
    generator = np.random.default_rng(groups)
    shapes = [(3, *sides, inputs * groups), (*window.kernel, inputs, outputs * groups)]
    shapes.append((3, *window.sides(sides), outputs * groups))
    return [generator.integers(-2, 3, shape).astype(dtype_of(dtype)) for shape in shapes]


@pytest.mark.parametrize("case", CASES)
def test_the_numpy_twin_is_the_sum_over_places(case):
    """By definition, number by number, in a group's channels."""
    window, _, inputs, outputs, _ = CASES[case]
    x, weight, dy = drawn(case, "float64")
    padded = pad(x, window.padding)
    y, gradient, dx = np.zeros_like(dy), np.zeros_like(weight), np.zeros_like(padded)
    for n, i, j, o, a, b in np.ndindex(*dy.shape, *window.kernel):
        down, across = (
            at * stride + place * apart
            for at, stride, place, apart in zip((i, j), window.stride, (a, b), window.dilation, strict=True)
        )
        seen = n, down, across, slice(o // outputs * inputs, (o // outputs + 1) * inputs)
        y[n, i, j, o] += padded[seen] @ weight[a, b, :, o]
        gradient[a, b, :, o] += padded[seen] * dy[n, i, j, o]
        dx[seen] += weight[a, b, :, o] * dy[n, i, j, o]
    found = np.empty_like(weight)
    direct.direct_weight_gradient(x, dy, found, window, accumulate=False)
    np.testing.assert_array_equal(direct.direct(x, weight, window), y)
    np.testing.assert_array_equal(found, gradient)
    np.testing.assert_array_equal(direct.direct_input_gradient(dy, weight, window, x.shape), inside(dx, window.padding))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("start", [0, 1])
def test_kernels_are_their_numpy_twins(case, dtype, start):
    window = CASES[case][0]
    x, weight, dy = drawn(case, dtype)
    y, gradient = direct.direct(x, weight, window), np.empty_like(weight)
    dx = direct.direct_input_gradient(dy, weight, window, x.shape)
    direct.direct_weight_gradient(x, dy, gradient, window, accumulate=False)
    for seed in SEEDS:
        images, kernels, slopes = (guarded(numbers, start) for numbers in (x, weight, dy))
        found_gradient = guarded(weight, start)
        with thread_order(seed), guarded_results(direct, start):
            found = direct.direct(images.array, kernels.array, window)
            found_dx = direct.direct_input_gradient(slopes.array, kernels.array, window, x.shape)
            direct.direct_weight_gradient(images.array, slopes.array, found_gradient.array, window, False)
            for one, other in ((found.get(), y), (found_dx.get(), dx), (found_gradient.numbers(), gradient)):
                np.testing.assert_array_equal(one, other)
            direct.direct_weight_gradient(images.array, slopes.array, found_gradient.array, window, True)
        np.testing.assert_array_equal(found_gradient.numbers(), 2 * gradient)


def test_no_images():
    window, weight = Window.of(3, 1, 1), guarded(np.ones((3, 3, 1, 4), np.float32))
    x = guarded(np.zeros((0, 4, 4, 4), np.float32)).array
    y = direct.direct(x, weight.array, window)
    assert y.shape == direct.direct_input_gradient(y, weight.array, window, x.shape).shape == (0, 4, 4, 4)
    direct.direct_weight_gradient(x, y, weight.array, window, accumulate=False)
    np.testing.assert_array_equal(weight.numbers(), 0)


CHANGES = {
    "barrier": lambda text: without(text, BARRIER, 0),
    "another channel": lambda text: text.replace("o / of_group * inputs", "o % of_group * inputs"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_wrong_kernel_is_seen(change):
    with mutated("direct.cu", CHANGES[change]), pytest.raises(AssertionError):
        test_kernels_are_their_numpy_twins("dilated groups", "float32", 0)
        test_kernels_are_their_numpy_twins("strides", "float32", 0)
