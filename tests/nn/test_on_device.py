"""Layers and losses on the emulated device: the host's numbers, and no waiting for the device in between."""

import ml_dtypes
import numpy as np
import pytest

import mpitrain.emulated as xp
from mpitrain.nn import (
    GELU,
    GRU,
    LSTM,
    Call,
    Dropout,
    Layout,
    Linear,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
    binary_cross_entropy,
    huber,
    mean_squared_error,
    softmax_cross_entropy,
)

LAYERS = {
    "linear": (lambda: Linear(6, 8), (5, 6)),
    "of sequences": (lambda: Linear(6, 3, bias=False, activation="silu"), (2, 3, 6)),
    "transposed": (lambda: Linear(6, 8, transposed=True, activation="gelu"), (70, 6)),
    "dropout": (lambda: Dropout(0.3), (4, 5, 3)),
    "gru": (lambda: GRU(3, 4), (2, 5, 3)),
    "lstm": (lambda: LSTM(3, 4, last=True), (2, 5, 3)),
    **{layer.__name__: (layer, (3, 7)) for layer in (ReLU, GELU, SiLU, Tanh, Sigmoid)},
}
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])


def run(layer, module, values, x, dy, call):
    """Result, gradient of the input, and gradients, on one device."""
    layout = Layout.of(layer)
    bound, gradients = module.asarray(values), module.zeros(layout.count, values.dtype)
    layout.bind(layer, bound, gradients)
    x, dy = module.asarray(x), module.asarray(dy)
    before = xp.synchronisations()
    y, context = layer.forward(x, call)
    dx = layer.backward(context, dy)
    layer.backward(context, dy, accumulate=True)
    assert xp.synchronisations() == before
    return (y, dx, gradients) if module is np else (y.get(), dx.get(), gradients.get())


@DTYPES
@pytest.mark.parametrize("name", LAYERS)
def test_layer(name, dtype):
    make, shape = LAYERS[name]
    generator = np.random.default_rng(0)
    layer, call = make(), Call(True, seed=3, step=4, samples=np.arange(shape[0]) + 10)
    values = generator.standard_normal(Layout.of(layer).count).astype(dtype)
    x = generator.standard_normal(shape).astype(dtype)
    layer.bind(*2 * [Layout.of(layer).named(values)])
    dy = generator.standard_normal(layer.forward(x, call)[0].shape).astype(dtype)
    tolerance = 32 * ml_dtypes.finfo(dtype).eps
    for found, expected in zip(run(make(), xp, values, x, dy, call), run(make(), np, values, x, dy, call), strict=True):
        assert found.dtype == expected.dtype == dtype
        largest = np.abs(expected.astype(float)).max(initial=1)
        np.testing.assert_allclose(
            found.astype(float), expected.astype(float), rtol=tolerance, atol=tolerance * largest
        )


@DTYPES
@pytest.mark.parametrize("loss", [softmax_cross_entropy, mean_squared_error, huber, binary_cross_entropy])
def test_loss(loss, dtype):
    generator = np.random.default_rng(0)
    output = generator.standard_normal((4, 3, 8)).astype(dtype)
    targets = generator.integers(0, 8, (4, 3)) if loss is softmax_cross_entropy else generator.random(output.shape)
    expected = loss(output, targets, 0.5)
    output, targets = xp.asarray(output), xp.asarray(targets)
    before = xp.synchronisations()
    found = loss(output, targets, 0.5)
    assert xp.synchronisations() == before
    for number in (0, 1):
        assert found[number].shape == ()
        np.testing.assert_allclose(found[number].get(), expected[number], rtol=1e-5)
    assert found.gradient.dtype == dtype
    np.testing.assert_allclose(
        found.gradient.get().astype(float), expected.gradient.astype(float), rtol=ml_dtypes.finfo(dtype).eps, atol=1e-6
    )
