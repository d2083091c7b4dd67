"""Convolutions against central differences, and against the definition written out as loops."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mpitrain.nn import Conv1d, Conv2d
from mpitrain.ops import columns, direct

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
options = st.fixed_dictionaries(
    {
        "kernel": pairs,
        "stride": pairs,
        "padding": st.tuples(st.integers(0, 2), st.integers(0, 2)),
        "dilation": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "groups": st.integers(1, 3),
        "bias": st.booleans(),
    }
)
batches, sides, channels = st.integers(1, 3), st.integers(1, 6), st.integers(1, 2)


def by_definition(x, weight, bias, stride, padding, dilation, groups):
    """y[n, i, j, o] = bias[o] + sum of x[n, i * stride + a * dilation - padding, ..., c] * weight[a, b, c, o].

    Zero outside; c runs over the channels of o's group.
    """
    down, across, inputs, outputs = weight.shape
    x = np.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)))
    reach = [(kernel - 1) * apart + 1 for kernel, apart in zip((down, across), dilation, strict=True)]
    height, width = ((side - r) // s + 1 for side, r, s in zip(x.shape[1:3], reach, stride, strict=True))
    y = np.empty((len(x), height, width, outputs))
    for n, i, j, o in np.ndindex(y.shape):
        rows = slice(i * stride[0], i * stride[0] + reach[0], dilation[0])
        pixels = slice(j * stride[1], j * stride[1] + reach[1], dilation[1])
        group = o // (outputs // groups)
        window = x[n, rows, pixels, group * inputs : (group + 1) * inputs]
        y[n, i, j, o] = bias[o] + (window * weight[..., o]).sum()
    return y


def fits(options, height, width):
    return all(
        side + 2 * padding > (kernel - 1) * dilation
        for side, padding, kernel, dilation in zip(
            (height, width), options["padding"], options["kernel"], options["dilation"], strict=True
        )
    )


@given(options=options, batch=batches, height=sides, width=sides, inputs=channels, outputs=channels)
@settings(max_examples=80, deadline=None)
def test_gradients(bench, options, batch, height, width, inputs, outputs):
    assume(fits(options, height, width) and height * width <= 16)
    inputs, outputs = inputs * options["groups"], outputs * options["groups"]
    convolution = bench(Conv2d(inputs, outputs, **options))
    convolution.check(convolution.draw(batch, height, width, inputs))


@given(options=options, batch=batches, height=sides, width=sides, inputs=channels, outputs=channels)
@settings(max_examples=100, deadline=None)
def test_forward_is_the_definition(bench, options, batch, height, width, inputs, outputs):
    assume(fits(options, height, width))
    inputs, outputs = inputs * options["groups"], outputs * options["groups"]
    convolution = bench(Conv2d(inputs, outputs, **options))
    x, values = convolution.draw(batch, height, width, inputs), convolution.layer.values
    y, _ = convolution.forward(x)
    bias = values["bias"] if options["bias"] else np.zeros(outputs)
    named = {name: options[name] for name in ("stride", "padding", "dilation", "groups")}
    convolution.close(y, by_definition(x, values["weight"], bias, **named), 1e-12)


@given(
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.integers(1, 2),
    length=st.integers(1, 9),
)
@settings(max_examples=20, deadline=None)
def test_a_series_is_an_image_one_pixel_high(bench, kernel, stride, padding, dilation, groups, length):
    assume(length + 2 * padding > (kernel - 1) * dilation)
    series = bench(Conv1d(2, 4, kernel, stride, padding, dilation, groups))
    x = series.draw(2, length, 2)
    y, _ = series.forward(x)
    values, row = series.layer.values, ((1, stride), (0, padding), (1, dilation))
    expected = by_definition(x[:, None], values["weight"], values["bias"], *row, groups)
    series.close(y, expected[:, 0], 1e-12)
    series.check(x)


LAYERS = {
    "one channel": lambda: Conv2d(1, 3, kernel=3, stride=2, padding=1),
    "two channels": lambda: Conv2d(2, 3, kernel=3, stride=2, padding=1),
    "side by side": lambda: Conv2d(2, 3, kernel=3, padding=1),
    "groups": lambda: Conv2d(4, 6, kernel=3, padding=2, groups=2),
    "depthwise": lambda: Conv2d(2, 4, kernel=3, padding=1, groups=2),
    "points": lambda: Conv2d(3, 2, kernel=1, bias=False),
}
each_layer = pytest.mark.parametrize("name", LAYERS)


@each_layer
@pytest.mark.parametrize("scratch", [1, 100, 10**6])
def test_cutting_the_batch_changes_nothing(bench, monkeypatch, name, scratch):
    """However little the scratch holds, and if the last part is smaller than the others."""
    convolution = bench(LAYERS[name]())
    x = convolution.draw(7, 5, 4, convolution.layer.inputs)
    expected, context = convolution.forward(x)
    dx, gradients = convolution.layer.backward(context, expected), convolution.gradients.copy()

    monkeypatch.setattr(columns, "SCRATCH", scratch)
    monkeypatch.setattr(columns, "NARROW_SCRATCH", scratch)
    monkeypatch.setattr(direct, "TILE", scratch)
    y, context = convolution.forward(x)
    convolution.gradients[:] = np.nan
    convolution.close(y, expected, 1e-12)
    convolution.close(convolution.layer.backward(context, expected), dx, 1e-12)
    convolution.close(convolution.gradients, gradients, 1e-12)


@each_layer
def test_microbatches(bench, name):
    convolution = bench(LAYERS[name]())
    convolution.check_microbatches(convolution.draw(5, 4, 5, convolution.layer.inputs), cut=2)


@each_layer
def test_no_rows(bench, name):
    convolution = bench(LAYERS[name]())
    convolution.check_empty(4, 5, convolution.layer.inputs)


@each_layer
def test_what_it_keeps_is_its_input(bench, name):
    convolution = bench(LAYERS[name]())
    x = convolution.draw(1, 4, 5, convolution.layer.inputs)
    assert convolution.forward(x)[1] is x


@each_layer
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_types_stay_what_they_are(bench, name, dtype):
    """And half types are as exact as rounding the float64 result allows, since they are summed in float32."""
    exact = bench(LAYERS[name]())
    exact.values[:] = exact.values.astype(dtype)
    x = (exact.draw(2, 4, 5, exact.layer.inputs) / 8).astype(dtype)
    y, context = exact.forward(x.astype(float))
    dx = exact.layer.backward(context, y.astype(dtype).astype(float))
    gradients, rounded = exact.gradients.copy(), [exact.values.astype(dtype), exact.gradients.astype(dtype)]
    exact.layout.bind(exact.layer, *rounded)
    found, context = exact.forward(x)
    found_dx = exact.layer.backward(context, y.astype(dtype))
    tolerance = 2 * np.finfo(dtype).eps
    for one, other in ((found, y), (found_dx, dx), (rounded[1], gradients)):
        assert one.dtype == dtype
        exact.close(one.astype(float), other, tolerance)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 2}, "groups must divide inputs and outputs, found 2 for 3 and 4"),
        ({"groups": 0}, "groups must divide inputs and outputs, found 0 for 3 and 4"),
        ({"kernel": (3, 0)}, "kernel must be at least 1 down and across, found (3, 0)"),
        ({"stride": 0}, "stride must be at least 1 down and across, found (0, 0)"),
        ({"padding": -1}, "padding must be at least 0 down and across, found (-1, -1)"),
        ({"dilation": (1, 2, 3)}, "dilation must be a number or a pair (down, across), found (1, 2, 3)"),
    ],
)
def test_what_cannot_be_is_named(options, message):
    with pytest.raises(ValueError) as error:
        Conv2d(3, 4, **{"kernel": 3, **options})
    assert str(error.value) == message


def test_kernel_larger_than_the_image_is_named(bench):
    convolution = bench(Conv2d(1, 1, kernel=3, padding=1, dilation=2))
    with pytest.raises(ValueError) as error:
        convolution.forward(np.zeros((1, 2, 9, 1)))
    assert str(error.value) == "a window of 5 x 5 does not fit an image of 4 x 11 pixels, padding included"


@pytest.mark.parametrize(("groups", "flops"), [(1, 2 * 9 * 4 * 2 * 25 * 8), (4, 2 * 9 * 2 * 25 * 8)])
def test_flops_are_a_multiplication_and_an_addition_for_each_weight_and_result(groups, flops):
    assert Conv2d(4, 8, kernel=3, groups=groups).flops((2, 7, 7, 4), (2, 5, 5, 8)) == flops
