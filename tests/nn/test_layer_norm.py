"""LayerNorm and RMSNorm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import LayerNorm, RMSNorm
from mpitrain.ops import normalise

layers = pytest.mark.parametrize("layer", [LayerNorm, RMSNorm])
both = st.sampled_from([LayerNorm, RMSNorm])


@given(layer=both, bias=st.booleans(), batch=st.integers(1, 3), length=st.integers(1, 3), width=st.integers(2, 5))
@settings(max_examples=15, deadline=None)
def test_gradients(bench, layer, bias, batch, length, width):
    norm = bench(layer(width, eps=0.1, bias=bias))
    norm.check(norm.draw(batch, length, width))


def test_rows_have_mean_0_and_variance_1(bench):
    norm = bench(LayerNorm(64, eps=0))
    norm.values[:] = [1] * 64 + [0] * 64
    y, _ = norm.forward(norm.draw(3, 2, 64) + 100)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=-1), 1, rtol=1e-12)


def test_rows_have_mean_square_1(bench):
    norm = bench(RMSNorm(64, eps=0))
    norm.values[:] = 1
    x = norm.draw(3, 2, 64) + 1
    y, _ = norm.forward(x)
    np.testing.assert_allclose((y**2).mean(axis=-1), 1, rtol=1e-12)
    np.testing.assert_allclose(y / x, np.broadcast_to(y[..., :1] / x[..., :1], x.shape), rtol=1e-12)


def test_gain_bias_and_eps(bench):
    norm = bench(LayerNorm(2, eps=3))
    norm.values[:] = [10, 20, 1, 2]
    y, _ = norm.forward(np.array([[4.0, 6.0]]))  # less the mean -1 and 1, variance 1, over sqrt(1 + 3)
    np.testing.assert_allclose(y, [[-4, 12]], rtol=1e-15)


@layers
def test_microbatches_and_no_rows(bench, layer):
    norm = bench(layer(4))
    norm.check_microbatches(norm.draw(5, 3, 4), cut=2)
    norm.check_empty(3, 4)


@layers
def test_many_tiles_are_one(bench, layer, monkeypatch):
    norm = bench(layer(4))
    x = norm.draw(7, 1, 4)
    y, context = norm.forward(x)
    dx, gradients = norm.layer.backward(context, y), norm.gradients.copy()
    monkeypatch.setattr(normalise, "TILE", 8)
    again, context = norm.forward(x)
    np.testing.assert_allclose(again, y, rtol=1e-13)
    np.testing.assert_allclose(norm.layer.backward(context, y), dx, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(norm.gradients, gradients, rtol=1e-13)


@layers
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_round_once(bench, layer, dtype):
    dtype = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else np.float16
    norm = bench(layer(8))
    x = norm.draw(5, 8).astype(dtype)
    norm.values[:] = norm.values.astype(dtype)
    y, context = norm.forward(x.astype(np.float64))
    dy = norm.draw(5, 8, seed=3).astype(dtype)
    dx = norm.layer.backward(context, dy.astype(np.float64))
    half, context = norm.forward(x)
    assert half.dtype == dtype
    half_dx = norm.layer.backward(context, dy)
    assert half_dx.dtype == dtype
    epsilon = 2.0**-8 if dtype != np.float16 else 2.0**-11
    np.testing.assert_allclose(half.astype(float), y, rtol=1.01 * epsilon, atol=1e-6)
    np.testing.assert_allclose(half_dx.astype(float), dx, rtol=1.01 * epsilon, atol=1e-6)


def test_far_from_zero_the_variance_does_not_cancel(bench):
    norm = bench(LayerNorm(64, eps=0))
    norm.values[:] = [1] * 64 + [0] * 64
    x = (norm.draw(3, 64) + 10_000).astype(np.float32)  # mean of squares less square of mean would lose all digits
    y, _ = norm.forward(x)
    expected, _ = norm.forward(x.astype(np.float64))
    np.testing.assert_allclose(y, expected, atol=2e-3)


def test_another_width_is_refused(bench):
    with pytest.raises(ValueError) as error:
        bench(LayerNorm(4)).forward(np.zeros((2, 3)))
    assert str(error.value) == "expected rows of 4 numbers, found an input of shape (2, 3)"
