"""Convolutions, pooling and batch normalisation as layers: on the emulated device they give the CPU's numbers.

And never ask the device for one: the host does not wait.
"""

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import dtype_of
from mpitrain.nn import (
    AveragePool2d,
    BatchNorm,
    Call,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    GlobalAveragePool,
    Layout,
    MaxPool2d,
    SyncBatchNorm,
)

LAYERS = {
    "convolution": (lambda: Conv2d(4, 6, 3, padding=1), (3, 5, 6, 4)),
    "strides": (lambda: Conv2d(3, 4, 3, stride=2, padding=1, dilation=(1, 2)), (3, 7, 8, 3)),
    "groups": (lambda: Conv2d(4, 6, 3, stride=(1, 2), groups=2), (3, 5, 6, 4)),
    "depthwise": (lambda: Conv2d(4, 8, 3, padding=1, groups=4), (3, 5, 6, 4)),
    "points": (lambda: Conv2d(4, 6, 1, bias=False), (3, 2, 2, 4)),
    "series": (lambda: Conv1d(3, 5, 3, padding=1), (2, 9, 3)),
    "transposed": (lambda: ConvTranspose2d(4, 2, 3, stride=2, padding=1), (3, 5, 6, 4)),
    "largest": (lambda: MaxPool2d(3, 2, 1), (3, 5, 6, 4)),
    "mean": (lambda: AveragePool2d(3, 2, 1), (3, 5, 6, 4)),
    "mean over all": (GlobalAveragePool, (3, 5, 6, 4)),
    "batch norm": (lambda: BatchNorm(4), (3, 5, 6, 4)),
    "of all ranks": (lambda: SyncBatchNorm(3), (7, 3)),
}


def run(module, layer, shape, dtype, training):
    """Of the layer on this module's arrays: result, input gradient, gradients and buffers, all on the host."""
    layout, generator = Layout.of(layer), np.random.default_rng(0)
    values = module.asarray(generator.standard_normal(layout.count).astype(dtype))
    gradients, state = module.zeros(layout.count, dtype), module.zeros(layout.buffer_count, np.float32)
    state += 1
    layout.bind(layer, values, gradients, state)
    x = module.asarray(generator.standard_normal(shape).astype(dtype))
    dy = module.asarray(generator.standard_normal(layer.forward(x, Call(False))[0].shape).astype(dtype))
    before = xp.synchronisations()
    y, context = layer.forward(x, Call(training, reduce=lambda array: array))
    layer.backward(context, dy)
    dx = layer.backward(context, dy, accumulate=True)
    assert xp.synchronisations() == before
    return [array if module is np else array.get() for array in (y, dx, gradients, state)]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 5e-3), ("bfloat16", 4e-2)])
@pytest.mark.parametrize("training", [True, False])
def test_numbers_are_the_cpus(name, dtype, tolerance, training):
    (make, shape), dtype = LAYERS[name], dtype_of(dtype)
    for batch in (shape[0], 0):
        expected = run(np, make(), (batch, *shape[1:]), dtype, training)
        for one, other in zip(run(xp, make(), (batch, *shape[1:]), dtype, training), expected, strict=True):
            assert one.dtype == other.dtype
            largest = np.abs(other.astype(float)).max(initial=1e-3)
            np.testing.assert_allclose(one.astype(float), other.astype(float), rtol=0, atol=tolerance * largest)
