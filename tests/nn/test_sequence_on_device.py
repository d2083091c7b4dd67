"""The layers of sequences on the emulated device: what NumPy gives, and never a wait for the device."""

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import dtype_of
from mpitrain.nn import Attention, Call, Embedding, LayerNorm, Layout, LearnedPositions, RMSNorm

X = np.random.default_rng(0).standard_normal((2, 37, 24))
IDS = np.random.default_rng(1).integers(0, 9, (2, 37))
MASK = np.random.default_rng(2).random((2, 37)) < 0.8

LAYERS = {
    "attention": (lambda: Attention(24, 3), X),
    "causal": (lambda: Attention(24, 3, causal=True, bias=False), X),
    "rotary": (lambda: Attention(24, 3, causal=True, rotary=10_000.0), X),
    "layer norm": (lambda: LayerNorm(24), X),
    "rms norm": (lambda: RMSNorm(24), X),
    "positions": (lambda: LearnedPositions(40, 24), X),
    "embedding": (lambda: Embedding(9, 24), IDS),
}


def numbers(layer, x, values, device, mask):
    """Result, input's gradient and parameters' gradients of two microbatches, as NumPy arrays."""
    layout = Layout.of(layer)
    values, x = device.asarray(values), device.asarray(x)
    gradients = device.empty(layout.count, values.dtype)
    layout.bind(layer, values, gradients)
    call = Call(True, mask=None if mask is None else device.asarray(mask))
    dy = device.asarray(np.random.default_rng(3).standard_normal((2, 37, 24)).astype(values.dtype))
    waits = xp.synchronisations()
    for accumulate in (False, True):
        y, context = layer.forward(x, call)
        dx = layer.backward(context, dy, accumulate)
    assert xp.synchronisations() == waits
    return [
        None if array is None else np.asarray(array.get() if device is xp else array) for array in (y, dx, gradients)
    ]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_it_is_numpys(name, dtype):
    kind, (make, x) = dtype_of(dtype), LAYERS[name]
    if x.dtype.kind == "f":
        x = x.astype(kind)
    values = (np.random.default_rng(4).standard_normal(Layout.of(make()).count) * 0.3).astype(kind)
    mask = MASK if name in ("attention", "causal") else None
    tolerance = {"float32": 1e-5, "float16": 1e-2, "bfloat16": 8e-2}[dtype]
    ours, theirs = (numbers(make(), x, values, device, mask) for device in (xp, np))
    for found, expected in zip(ours, theirs, strict=True):
        if expected is None:
            assert found is None
        else:
            assert found.dtype == expected.dtype == kind
            found, expected = found.astype(float), expected.astype(float)
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())
