"""GRU and LSTM against their formulas written out, and central differences."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import GRU, LSTM

sides = st.integers(1, 3)
kinds = pytest.mark.parametrize("kind", [GRU, LSTM])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(values, x, h, c):
    i, f, o, g = np.split(x @ values["input_weight"] + h @ values["state_weight"] + values["bias"], 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(values, x, h, c):
    of_x, of_h = x @ values["input_weight"] + values["bias"], h @ values["state_weight"]
    r, z, n = np.split(of_x, 3)
    of_r, of_z, of_n = np.split(of_h, 3)
    n = np.tanh(n + sigmoid(r + of_r) * (of_n + values["state_bias"]))
    z = sigmoid(z + of_z)
    return (1 - z) * n + z * h, c


STEPS = {LSTM: lstm_step, GRU: gru_step}


@given(kind=st.sampled_from([GRU, LSTM]), batch=sides, length=sides, inputs=sides, hidden=sides, last=st.booleans())
@settings(max_examples=25, deadline=None)
def test_gradients(bench, kind, batch, length, inputs, hidden, last):
    layer = bench(kind(inputs, hidden, last=last))
    layer.check(layer.draw(batch, length, inputs))


@kinds
def test_formulas(bench, kind):
    layer = bench(kind(3, 2))
    x = layer.draw(4, 5, 3)
    y, _ = layer.forward(x)
    for sample in range(4):
        h = c = np.zeros(2)
        for t in range(5):
            h, c = STEPS[kind](layer.layer.values, x[sample, t], h, c)
            np.testing.assert_allclose(y[sample, t], h, rtol=1e-12, atol=1e-15)


@kinds
def test_last_is_the_end_of_the_sequence(bench, kind):
    whole, last = bench(kind(3, 2)), bench(kind(3, 2, last=True))
    x = whole.draw(4, 5, 3)
    y, context = whole.forward(x)
    end, end_context = last.forward(x)
    np.testing.assert_array_equal(end, y[:, -1])
    dy = np.zeros_like(y)
    dy[:, -1] = end
    np.testing.assert_array_equal(last.layer.backward(end_context, end), whole.layer.backward(context, dy))
    np.testing.assert_array_equal(last.gradients, whole.gradients)


@kinds
def test_microbatches(bench, kind):
    layer = bench(kind(3, 2))
    layer.check_microbatches(layer.draw(5, 4, 3), cut=2)


@kinds
def test_no_rows(bench, kind):
    for last in (False, True):
        bench(kind(3, 2, last=last)).check_empty(4, 3)


@kinds
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_narrow_types_are_near(bench, kind, dtype):
    found, expected = bench(kind(3, 2)), bench(kind(3, 2))
    found.values = (0.3 * found.values).astype(dtype)
    expected.values[:] = found.values
    found.gradients = np.empty_like(found.values)
    found.layout.bind(found.layer, found.values, found.gradients)
    x = found.draw(4, 5, 3).astype(dtype)
    y, context = found.forward(x)
    dx = found.layer.backward(context, y)
    right, context = expected.forward(x.astype(float))
    right_dx = expected.layer.backward(context, right)
    assert y.dtype == dx.dtype == dtype
    for one, other in ((y, right), (dx, right_dx), (found.gradients, expected.gradients)):
        expected.close(one.astype(float), other, tolerance=8 * ml_dtypes.finfo(dtype).eps)


@kinds
def test_starts_within_the_bound(kind, bench):
    layer = bench(kind(3, 25))
    layer.layout.initialise(layer.values, seed=0)
    assert 0.19 < np.abs(layer.values).max() <= 0.2 and abs(layer.values.mean()) < 0.01
