"""Conv2d against central differences, and against the definition written out as loops."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mpitrain.nn import Conv2d, windows

convolutions = st.fixed_dictionaries(
    {
        "inputs": st.integers(1, 3),
        "outputs": st.integers(1, 3),
        "kernel": st.integers(1, 3),
        "stride": st.integers(1, 3),
        "padding": st.integers(0, 2),
    }
)
batches, sides = st.integers(1, 3), st.integers(1, 6)


def by_definition(x, weight, bias, stride, padding):
    """y[n, i, j, o] = bias[o] + sum of x[n, i * stride + a - padding, ...] * weight[a, b, c, o], zero outside."""
    kernel = len(weight)
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    batch, height, width, _ = x.shape
    height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    y = np.empty((batch, height, width, len(bias)))
    for n, i, j, o in np.ndindex(y.shape):
        window = x[n, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
        y[n, i, j, o] = bias[o] + (window * weight[..., o]).sum()
    return y


def fits(options, height, width):
    return min(height, width) + 2 * options["padding"] >= options["kernel"]


@given(options=convolutions, batch=batches, height=sides, width=sides)
@settings(max_examples=40, deadline=None)
def test_gradients(bench, options, batch, height, width):
    assume(fits(options, height, width) and height * width <= 16)
    convolution = bench(Conv2d(**options))
    convolution.check(convolution.draw(batch, height, width, options["inputs"]))


@given(options=convolutions, batch=batches, height=sides, width=sides)
@settings(max_examples=60, deadline=None)
def test_forward_is_the_definition(bench, options, batch, height, width):
    assume(fits(options, height, width))
    convolution = bench(Conv2d(**options))
    x = convolution.draw(batch, height, width, options["inputs"])
    weight, bias = convolution.layer.values["weight"], convolution.layer.values["bias"]
    y, _ = convolution.forward(x)
    convolution.close(y, by_definition(x, weight, bias, options["stride"], options["padding"]), 1e-12)


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("scratch", [1, 100, 10**6])
def test_cutting_the_batch_changes_nothing(bench, monkeypatch, inputs, scratch):
    """However little the scratch holds, and if the last part is smaller than the others."""
    convolution = bench(Conv2d(inputs, 3, kernel=3, stride=2, padding=1))
    x = convolution.draw(7, 5, 4, inputs)
    expected, context = convolution.forward(x)
    dx, gradients = convolution.layer.backward(context, expected), convolution.gradients.copy()

    monkeypatch.setitem(windows.SCRATCH, "numpy", scratch)
    y, context = convolution.forward(x)
    convolution.gradients[:] = np.nan
    convolution.close(y, expected, 1e-12)
    convolution.close(convolution.layer.backward(context, expected), dx, 1e-12)
    convolution.close(convolution.gradients, gradients, 1e-12)


@pytest.mark.parametrize("inputs", [1, 3])
def test_microbatches(bench, inputs):
    convolution = bench(Conv2d(inputs, 2, kernel=3, padding=1))
    convolution.check_microbatches(convolution.draw(5, 4, 5, inputs), cut=2)


@pytest.mark.parametrize("inputs", [1, 3])
def test_no_rows(bench, inputs):
    bench(Conv2d(inputs, 2, kernel=3, padding=1)).check_empty(4, 5, inputs)


def test_kernel_larger_than_the_image_is_named(bench):
    convolution = bench(Conv2d(1, 1, kernel=5, padding=1))
    with pytest.raises(ValueError) as error:
        convolution.forward(np.zeros((1, 2, 9, 1)))
    assert str(error.value) == "a window of 5 x 5 does not fit an image of 4 x 11 pixels, padding included"
