"""ReLU and Flatten."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import Flatten, ReLU

shapes = st.lists(st.integers(1, 3), min_size=1, max_size=4)


@given(shape=shapes)
@settings(max_examples=20, deadline=None)
def test_gradients(bench, shape):
    for layer in (ReLU(), Flatten()):
        one = bench(layer)
        one.check(one.draw(*shape))


def test_relu(bench):
    relu = bench(ReLU())
    y, context = relu.forward(np.array([-2.0, 0.0, 3.0]))
    np.testing.assert_array_equal(y, [0, 0, 3])
    np.testing.assert_array_equal(relu.layer.backward(context, np.array([5.0, 6.0, 7.0])), [0, 0, 7])


def test_float32_stays_float32(bench):
    relu = bench(ReLU())
    y, context = relu.forward(np.ones(3, np.float32))
    assert y.dtype == relu.layer.backward(context, y).dtype == np.float32


def test_flatten_is_a_view_of_rows(bench):
    x = np.arange(24.0).reshape(2, 3, 4)
    y, _ = bench(Flatten()).forward(x)
    assert y.shape == (2, 12) and np.shares_memory(x, y)


def test_no_rows(bench):
    bench(ReLU()).check_empty(3)
    bench(Flatten()).check_empty(3, 4)
