"""Every model on the emulated device: the numbers of the CPU, and in a step the host never waits for the device."""

import numpy as np
import pytest
from small_data import SmallData

import mpitrain.emulated as xp
from mpitrain.emulated import synchronisations
from mpitrain.models import MODELS, gpt
from mpitrain.models.recipe import Size
from mpitrain.models.resnet import resnet
from mpitrain.models.task import NUMBERS
from mpitrain.nn import Call, Layout
from mpitrain.optim import SGD

SMALL = {
    "gpt": lambda data, recipe: gpt(Size(layers=2, width=16, heads=2, sequence=8)),
    "resnet20": lambda data, recipe: resnet(8, data.shape, 3),
}
DEEP = ("resnet56",)  # the same again and again


def on(device, arrays):
    return tuple(on(device, array) for array in arrays) if isinstance(arrays, tuple) else device.asarray(arrays)


def train(device, name):
    """Values, buffers and losses of three steps, and how often the host has waited in them."""
    build, kind, task, recipe = MODELS[name]
    data = SmallData(kind, classes=None if task is NUMBERS else 3)
    model = SMALL.get(name, build)(data, recipe)
    layout = Layout.of(model)
    host, state = np.zeros(layout.count, np.float32), np.zeros(layout.buffer_count, np.float32)
    layout.bind(model, host, host, state)
    layout.initialise(host, seed=0)
    layout.initialise_buffers(state)
    values, gradients, state = device.asarray(host), device.zeros(layout.count, np.float32), device.asarray(state)
    layout.bind(model, values, gradients, state)
    optimiser, losses = SGD(values, momentum=0.9), []
    inputs, targets = (on(device, arrays) for arrays in data.batch(slice(None)))
    before = synchronisations()
    for step in range(3):
        output, context = model.forward(inputs, Call(True, 0, step, np.arange(data.count)))
        scored = task.loss(output, targets, 1 / (data.count * data.predictions))
        model.backward(context, scored.gradient, input_gradient=False)
        optimiser.step(gradients, lr=0.01)
        losses.append(scored.loss_sum)
    return values, state, losses, synchronisations() - before


@pytest.mark.parametrize("name", [name for name in MODELS if name not in DEEP])
def test_trains_as_on_the_cpu(name):
    *there, waits = train(xp, name)
    *here, _ = train(np, name)
    for found, expected in zip(there[:2], here[:2], strict=True):
        np.testing.assert_allclose(found.get(), expected, rtol=0, atol=1e-4 * max(1, np.abs(expected).max(initial=0)))
    np.testing.assert_allclose([float(loss) for loss in there[2]], here[2], rtol=1e-4)
    assert waits == 0
