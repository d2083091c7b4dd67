"""The activations and Flatten."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpitrain.emulated as xp
from mpitrain.array import to_host
from mpitrain.nn import GELU, Call, Flatten, ReLU, Sigmoid, SiLU, Tanh
from mpitrain.ops import bias_activation

shapes = st.lists(st.integers(1, 3), min_size=1, max_size=4)

FORMULAS = {
    ReLU: lambda x: max(x, 0),
    Tanh: math.tanh,
    Sigmoid: lambda x: 1 / (1 + math.exp(-x)),
    SiLU: lambda x: x / (1 + math.exp(-x)),
    GELU: lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}
activations = pytest.mark.parametrize("layer", FORMULAS)


@given(shape=shapes)
@settings(max_examples=20, deadline=None)
def test_gradients(bench, shape):
    for layer in (*FORMULAS, Flatten):
        one = bench(layer())
        one.check(one.draw(*shape))


@activations
def test_formula(bench, layer):
    x = np.linspace(-6, 6, 101)
    y, _ = bench(layer()).forward(x)
    np.testing.assert_allclose(y, [FORMULAS[layer](number) for number in x], rtol=1e-12, atol=1e-15)


@activations
def test_far_from_zero_nothing_overflows(bench, layer):
    one = bench(layer())
    x = np.array([-1e4, 1e4], np.float32)
    y, context = one.forward(x)
    low, high = FORMULAS[layer](-500), y[1]
    np.testing.assert_allclose(y[0], low, atol=1e-30)
    assert high == (1 if layer in (Tanh, Sigmoid) else 1e4)
    np.testing.assert_array_equal(
        one.layer.backward(context, np.ones_like(x)), [0, 0 if layer in (Tanh, Sigmoid) else 1]
    )


@activations
def test_tiles_change_nothing(bench, layer, monkeypatch):
    x = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    one = bench(layer())
    whole, context = one.forward(x)
    slope = one.layer.backward(context, x)
    monkeypatch.setattr(bias_activation, "TILE", 4)
    y, context = one.forward(x)
    np.testing.assert_array_equal(y, whole)
    np.testing.assert_array_equal(one.layer.backward(context, x), slope)


@activations
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_types_are_rounded_once(bench, layer, dtype):
    one = bench(layer())
    x = np.linspace(-4, 4, 33).astype(dtype)
    y, context = one.forward(x)
    wide, wide_context = one.forward(x.astype(np.float32))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, wide.astype(dtype))
    dx = one.layer.backward(context, x)
    assert dx.dtype == dtype
    wide_dx = one.layer.backward(wide_context, x.astype(np.float32))
    unit = ml_dtypes.finfo(dtype).eps  # of the slope or the result, which the context keeps in that type
    np.testing.assert_allclose(dx.astype(np.float32), wide_dx, rtol=2 * unit, atol=4 * unit)


def test_without_training_no_slope_is_kept():
    for layer in FORMULAS:
        y, context = layer().forward(np.ones(3), Call(training=False))
        assert context is (None if layer in (GELU, SiLU) else y)


def test_relu(bench):
    relu = bench(ReLU())
    y, context = relu.forward(np.array([-2.0, 0.0, 3.0]))
    np.testing.assert_array_equal(y, [0, 0, 3])
    np.testing.assert_array_equal(relu.layer.backward(context, np.array([5.0, 6.0, 7.0])), [0, 0, 7])


@activations
def test_float32_stays_float32(bench, layer):
    one = bench(layer())
    x = np.ones(3, np.float32)
    y, context = one.forward(x)
    assert y.dtype == one.layer.backward(context, y).dtype == np.float32
    np.testing.assert_array_equal(x, 1)


def test_flatten_is_a_view_of_rows(bench):
    x = np.arange(24.0).reshape(2, 3, 4)
    y, _ = bench(Flatten()).forward(x)
    assert y.shape == (2, 12) and np.shares_memory(x, y)


def test_no_rows(bench):
    for layer in FORMULAS:
        bench(layer()).check_empty(3)
    bench(Flatten()).check_empty(3, 4)


@activations
def test_in_place_is_the_same_in_the_inputs_memory(bench, layer):
    plain, in_place = bench(layer()), bench(layer(in_place=True))
    x = plain.draw(4, 5)
    own = x.copy()
    expected, context = plain.forward(x)
    y, own_context = in_place.forward(own)
    assert y is own
    np.testing.assert_array_equal(y, expected)
    dy = plain.draw(4, 5, seed=2)
    np.testing.assert_array_equal(
        in_place.layer.backward_input(own_context, dy), plain.layer.backward_input(context, dy)
    )


@activations
@pytest.mark.parametrize("module", [np, xp], ids=["cpu", "device"])
def test_a_view_with_gaps_is_not_overwritten(layer, module):
    whole = np.random.default_rng(0).standard_normal((4, 10)).astype(np.float32)
    there = module.asarray(whole.copy())
    expected, _ = layer().forward(whole[:, ::2], Call(True))
    y, _ = layer(in_place=True).forward(there[:, ::2], Call(True))
    np.testing.assert_allclose(to_host(y), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(to_host(there), whole)
