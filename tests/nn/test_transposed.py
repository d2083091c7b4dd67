"""ConvTranspose2d: gradients, and that it is the transpose of a convolution."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mpitrain.nn import Conv2d, ConvTranspose2d

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
options = st.fixed_dictionaries(
    {
        "kernel": pairs,
        "stride": pairs,
        "padding": st.tuples(st.integers(0, 2), st.integers(0, 2)),
        "output_padding": st.tuples(st.integers(0, 1), st.integers(0, 1)),
        "dilation": st.tuples(st.integers(1, 2), st.integers(1, 2)),
        "groups": st.integers(1, 2),
    }
)
sides = st.integers(1, 4)


def made(options, inputs, outputs, height, width, bias=True):
    """The layer and the sides of its result; tries other options where there is none."""
    assume(all(more < stride for more, stride in zip(options["output_padding"], options["stride"], strict=True)))
    layer = ConvTranspose2d(inputs * options["groups"], outputs * options["groups"], bias=bias, **options)
    result = [
        (side - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + more
        for side, stride, padding, dilation, kernel, more in zip(
            (height, width),
            *(options[name] for name in ("stride", "padding", "dilation", "kernel", "output_padding")),
            strict=True,
        )
    ]
    assume(min(result) >= 1)
    return layer, result


@given(options=options, height=sides, width=sides, inputs=st.integers(1, 2), outputs=st.integers(1, 2))
@settings(max_examples=50, deadline=None)
def test_gradients(bench, options, height, width, inputs, outputs):
    layer, result = made(options, inputs, outputs, height, width)
    transposed = bench(layer)
    x = transposed.draw(2, height, width, layer.inputs)
    assert transposed.forward(x)[0].shape == (2, *result, layer.outputs)
    transposed.check(x)


@given(options=options, height=sides, width=sides, inputs=st.integers(1, 2), outputs=st.integers(1, 2))
@settings(max_examples=50, deadline=None)
def test_it_is_the_transpose_of_a_convolution(bench, options, height, width, inputs, outputs):
    """<y, T x> = <C y, x> for all x and y, where C has the same kernel the other way round."""
    layer, result = made(options, inputs, outputs, height, width, bias=False)
    transposed = bench(layer)
    named = {name: options[name] for name in ("stride", "padding", "dilation", "groups")}
    convolution = bench(Conv2d(layer.outputs, layer.inputs, options["kernel"], bias=False, **named))
    for group in range(options["groups"]):  # Each one's weight is the other's with its last axes swapped.
        rows, columns = slice(group * inputs, (group + 1) * inputs), slice(group * outputs, (group + 1) * outputs)
        weight = layer.values["weight"][..., columns]
        convolution.layer.values["weight"][..., rows] = weight.swapaxes(2, 3)
    x, y = transposed.draw(1, height, width, layer.inputs), transposed.draw(1, *result, layer.outputs, seed=3)
    forth, back = transposed.forward(x)[0], convolution.forward(y)[0]
    assert back.shape == x.shape
    assert (y * forth).sum() == pytest.approx((back * x).sum(), rel=1e-9, abs=1e-9)


def test_a_pixel_becomes_its_kernel(bench):
    transposed = bench(ConvTranspose2d(1, 1, kernel=2, stride=2))
    transposed.values[:] = [1, 2, 3, 4, 0.5]
    y, _ = transposed.forward(np.array([1.0, 10]).reshape(1, 1, 2, 1))
    np.testing.assert_array_equal(y[0, :, :, 0], [[1.5, 2.5, 10.5, 20.5], [3.5, 4.5, 30.5, 40.5]])


@pytest.mark.parametrize("stride", [1, 2])
def test_microbatches(bench, stride):
    transposed = bench(ConvTranspose2d(4, 2, kernel=3, stride=stride, padding=1, groups=2))
    transposed.check_microbatches(transposed.draw(5, 3, 4, 4), cut=2)


@pytest.mark.parametrize("stride", [1, 2])
def test_no_rows(bench, stride):
    bench(ConvTranspose2d(2, 3, kernel=3, stride=stride, padding=1)).check_empty(4, 5, 2)


def test_what_cannot_be_is_named():
    with pytest.raises(ValueError) as error:
        ConvTranspose2d(1, 1, kernel=3, stride=2, output_padding=2)
    assert str(error.value) == ("output_padding must be at least 0 and less than the stride (2, 2), found (2, 2)")


def test_padding_that_leaves_nothing_is_named(bench):
    transposed = bench(ConvTranspose2d(1, 1, kernel=2, padding=2))
    with pytest.raises(ValueError) as error:
        transposed.forward(np.zeros((1, 3, 5, 1)))
    assert str(error.value) == "padding (2, 2) leaves 0 x 2 pixels of a result from 3 x 5"


def test_flops_are_those_of_the_convolution():
    flops = ConvTranspose2d(8, 4, kernel=3).flops((2, 5, 5, 8), (2, 7, 7, 4))
    assert flops == Conv2d(4, 8, kernel=3).flops((2, 7, 7, 4), (2, 5, 5, 8))
