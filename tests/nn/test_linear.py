"""Linear: its gradients, and the rule for writing them, which every layer with weights shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import Layout, Linear

sides = st.integers(1, 5)


@given(batch=sides, inputs=sides, outputs=sides)
@settings(max_examples=15, deadline=None)
def test_gradients(bench, batch, inputs, outputs):
    linear = bench(Linear(inputs, outputs))
    linear.check(linear.draw(batch, inputs))


def test_forward_is_x_times_weight_plus_bias(bench):
    linear = bench(Linear(2, 3))
    linear.values[:] = [1, 2, 3, 4, 5, 6, 10, 20, 30]
    y, _ = linear.forward(np.array([[1.0, 0.0], [1.0, -1.0]]))
    np.testing.assert_array_equal(y, [[11, 22, 33], [7, 17, 27]])


def test_first_microbatch_overwrites_and_later_ones_accumulate(bench):
    linear = bench(Linear(3, 2))
    linear.check_microbatches(linear.draw(5, 3), cut=2)


def test_no_rows(bench):
    bench(Linear(3, 2)).check_empty(3)


def test_no_rows_add_nothing(bench):
    linear = bench(Linear(3, 2))
    x = linear.draw(4, 3)
    y, context = linear.forward(x)
    linear.layer.backward(context, y)
    expected = linear.gradients.copy()
    empty, context = linear.forward(x[:0])
    linear.layer.backward(context, empty, accumulate=True)
    np.testing.assert_array_equal(linear.gradients, expected)


def test_a_plain_layer_is_one_unit_without_a_name(bench):
    linear, finished = bench(Linear(3, 2)), []
    y, context = linear.forward(linear.draw(4, 3))
    linear.layer.backward(context, y, finished=finished.append)
    assert finished == [""] == list(linear.layout.units)


def test_wrong_shape_is_refused():
    layout = Layout.of(Linear(3, 2))
    arrays = layout.named(np.zeros(8))
    with pytest.raises(ValueError) as error:
        Linear(2, 3).bind(arrays, arrays)
    assert str(error.value) == "the value of weight must have shape (2, 3), found (3, 2)"


def test_use_before_binding_is_named():
    with pytest.raises(LookupError) as error:
        Linear(3, 2).forward(np.zeros((1, 3)), None)
    assert str(error.value) == "no weight yet; bind vectors to the model with Layout.bind"
