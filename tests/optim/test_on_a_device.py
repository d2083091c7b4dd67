"""Every optimiser on the emulated device walks as it does on the host, and waits for nothing."""

import numpy as np
import pytest

import mpitrain.emulated as xp
from mpitrain.optim import OPTIMISERS, Average

WEIGHTS = [slice(0, 40), slice(60, 60), slice(70, 200)]


@pytest.mark.parametrize("kind", OPTIMISERS.values(), ids=OPTIMISERS)
def test_walks_as_on_the_host(kind):
    values = np.random.default_rng(7).standard_normal(230).astype(np.float32)
    gradients = np.random.default_rng(0).standard_normal((4, 230)).astype(np.float32)
    host, device = (kind(own, weight_decay=0.1, weights=WEIGHTS) for own in (values.copy(), xp.asarray(values)))
    slopes = [xp.asarray(gradient) for gradient in gradients]
    factor = xp.asarray(np.float32([0.5]))
    for number, gradient in enumerate(gradients):
        host.step(gradient, lr=0.1, scale=0.5)
        waited = xp.synchronisations()
        device.step(slopes[number], lr=0.1, scale=factor)
        assert xp.synchronisations() == waited
        if number == 1:  # a checkpoint's way: over the host, into a new one
            state = {name: array.copy() if array.ndim == 0 else array.get() for name, array in device.state().items()}
            device = kind(device.values, weight_decay=0.1, weights=WEIGHTS)
            device.load_state(state)
    np.testing.assert_allclose(device.values.get(), host.values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("corrected", [False, True])
def test_the_average_follows_as_on_the_host(corrected):
    host_values = np.zeros(230, np.float32)
    device_values = xp.zeros(230, np.float32)
    host, device = (Average(own, 0.9, True, corrected) for own in (host_values, device_values))
    for row in np.random.default_rng(0).standard_normal((4, 230)).astype(np.float32):
        host_values[...] = row
        device_values[...] = xp.asarray(row)
        host.update()
        device.update()
    found, expected = xp.empty(230, np.float32), np.empty(230, np.float32)
    host.read(expected)
    device.read(found)
    np.testing.assert_allclose(found.get(), expected, rtol=1e-6)
