"""A training of ours as the trainer does it, but on one device and without ranks."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mpitrain.device import Device
from mpitrain.nn.layer import Call, Layer
from mpitrain.nn.layout import Layout
from mpitrain.nn.loss import softmax_cross_entropy

Array = Any


class Training:
    """`dtype` is the network's; masters are float32. `optimiser(values, copy)` gives what takes (gradients, lr)."""

    def __init__(
        self, device: Device, model: Layer, dtype: Any, optimiser: Callable[..., Any], inputs: Any, targets: Any
    ):
        xp, self.model, layout = device.xp, model, Layout.of(model)
        start, buffers = np.zeros(layout.count, np.float32), np.zeros(layout.buffer_count, np.float32)
        layout.bind(model, start, start, buffers)
        layout.initialise(start, seed=0)
        layout.initialise_buffers(buffers)
        self.values = device.array(start)
        working = self.values if dtype == np.float32 else self.values.astype(dtype)
        self.gradients = xp.zeros(layout.count, dtype)
        layout.bind(model, working, self.gradients, device.array(buffers))
        self.optimiser = optimiser(self.values, None if working is self.values else working)
        self.inputs, self.targets = device.array(inputs), device.array(targets)
        if inputs.dtype.kind == "f":
            self.inputs = self.inputs.astype(dtype)
        self.samples, self.done = np.arange(len(inputs)), 0

    def step(self) -> Array:
        """Forward, backward, update; the sum of the losses."""
        call = Call(True, 0, self.done, self.samples)
        output, context = self.model.forward(self.inputs, call)
        scored = softmax_cross_entropy(output, self.targets, 1 / self.targets.size)
        self.model.backward(context, scored.gradient, input_gradient=False)
        self.optimiser(self.gradients, 1e-3)
        self.done += 1
        return scored.loss_sum
