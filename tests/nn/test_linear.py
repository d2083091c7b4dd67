"""Linear: its gradients, and the rule for writing them, which every layer with weights shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import GELU, Call, Layer, Layout, Linear, Parameter, ReLU, Sequential, Sigmoid, SiLU, Tanh
from mpitrain.nn.initialise import he_normal
from mpitrain.nn.linear import FEW_ROWS

sides = st.integers(1, 5)
LAYERS = {"relu": ReLU, "gelu": GELU, "silu": SiLU, "tanh": Tanh, "sigmoid": Sigmoid}


@given(
    leading=st.lists(sides, min_size=1, max_size=3),
    inputs=sides,
    outputs=sides,
    bias=st.booleans(),
    transposed=st.booleans(),
    activation=st.sampled_from(["identity", *LAYERS]),
)
@settings(max_examples=30, deadline=None)
def test_gradients(bench, leading, inputs, outputs, bias, transposed, activation):
    linear = bench(Linear(inputs, outputs, bias=bias, transposed=transposed, activation=activation))
    linear.check(linear.draw(*leading, inputs))


def test_gradient_of_many_rows(bench):
    """The input's is computed another way."""
    linear = bench(Linear(2, 3))
    x = linear.draw(FEW_ROWS + 1, 2)
    y, context = linear.forward(x)
    linear.close(linear.layer.backward(context, y), y @ linear.layer.values["weight"].T, tolerance=1e-14)
    linear.check_microbatches(x, cut=FEW_ROWS)


@pytest.mark.parametrize("activation", LAYERS)
def test_an_activation_is_that_of_a_layer_behind(bench, activation):
    fused, apart = Linear(3, 4, activation=activation), Sequential(linear=Linear(3, 4), f=LAYERS[activation]())
    (y, dx, gradients), expected = (
        (y, one.layer.backward(context, 2 * y), one.gradients)
        for one in map(bench, (fused, apart))
        for y, context in [one.forward(one.draw(2, 5, 3))]
    )
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(dx, expected[1])
    np.testing.assert_array_equal(gradients, expected[2])


def test_input_and_gradient_are_left_alone(bench):
    """Others may hold them: a residual connection hands both to two layers."""
    for activation in ("identity", *LAYERS):
        linear = bench(Linear(3, 3, activation=activation))
        x = linear.draw(4, 3)
        y, context = linear.forward(x)
        dy, kept = y.copy(), y.copy()
        linear.layer.backward(context, dy)
        np.testing.assert_array_equal(x, linear.draw(4, 3))
        np.testing.assert_array_equal(dy, kept)
        np.testing.assert_array_equal(y, kept)


def test_transposed_weight_starts_from_the_same_numbers_turned():
    """The inputs that an output sums over are the second axis then."""
    plain, turned = (Layout.of(Linear(50, 3, transposed=transposed)) for transposed in (False, True))
    for layout, shape in ((plain, (50, 3)), (turned, (3, 50))):
        assert layout.slots[0].shape == shape
    generators = np.random.default_rng(0), np.random.default_rng(0)
    found = turned.initialisers["weight"](generators[0], (3, 50))
    np.testing.assert_array_equal(found.T, he_normal(generators[1], (50, 3)))


class Table(Layer):
    """The least of an embedding: all rows of its table."""

    def parameters(self):
        return (Parameter("weight", (3, 2), he_normal),)

    def forward(self, x, call):
        return x @ self.values["weight"], x

    def backward_input(self, context, dy):
        return dy @ self.values["weight"].T

    def backward_weights(self, context, dy, accumulate=False):
        product = context.reshape(-1, 3).T @ dy.reshape(-1, 2)
        if self.adds("weight", accumulate):
            product += self.gradients["weight"]
        self.gradients["weight"][...] = product


def test_tied_to_a_table(bench):
    tied = bench(
        Sequential({"head.weight": "embed.weight"}, embed=Table(), head=Linear(2, 3, bias=False, transposed=True))
    )
    assert tied.layout.count == 6
    tied.check(tied.draw(4, 3))
    tied.check_microbatches(tied.draw(4, 3), cut=1)


def test_tied_to_one_another(bench):
    ties = {"second.weight": "first.weight", "second.bias": "first.bias"}
    tied = bench(Sequential(ties, first=Linear(3, 3, activation="tanh"), second=Linear(3, 3)))
    assert tied.layout.count == 12
    tied.check(tied.draw(4, 3))
    tied.check_microbatches(tied.draw(4, 3), cut=1)


def test_an_activation_that_there_is_not():
    with pytest.raises(ValueError) as error:
        Linear(2, 3, activation="softplus")
    assert str(error.value) == ("activation 'softplus': expected one of identity, relu, gelu, silu, tanh, sigmoid")


def test_without_training_no_slope_is_kept(bench):
    linear = bench(Linear(2, 3, activation="gelu"))
    _, (_, slope) = linear.layer.forward(np.ones((1, 2)), Call(training=False))
    assert slope is None


def test_forward_is_x_times_weight_plus_bias(bench):
    linear = bench(Linear(2, 3))
    linear.values[:] = [1, 2, 3, 4, 5, 6, 10, 20, 30]
    y, _ = linear.forward(np.array([[1.0, 0.0], [1.0, -1.0]]))
    np.testing.assert_array_equal(y, [[11, 22, 33], [7, 17, 27]])


def test_first_microbatch_overwrites_and_later_ones_accumulate(bench):
    linear = bench(Linear(3, 2))
    linear.check_microbatches(linear.draw(5, 3), cut=2)


def test_no_rows(bench):
    for activation in ("identity", *LAYERS):
        bench(Linear(3, 2, activation=activation)).check_empty(3)
        bench(Linear(3, 2, activation=activation)).check_empty(4, 3)


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
