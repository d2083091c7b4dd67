"""One rank's copy of the network: its layers, the vectors they work on, and a batch's way through them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import to_host
from mpitrain.data.samples import Inputs, Samples
from mpitrain.device import Device
from mpitrain.models import MODELS
from mpitrain.nn.cost import cost
from mpitrain.nn.layer import Call, Finished
from mpitrain.nn.layout import Layout
from mpitrain.nn.loss import Scored
from mpitrain.ops.cast import cast
from mpitrain.optim import Average
from mpitrain.training.config import Config
from mpitrain.training.precision import PRECISIONS
from mpitrain.world import World

Array = Any


class Passed(NamedTuple):
    """A batch that has been forward, and the way back, once: `backward(accumulate, finished)`. The gradient of the loss
    is not in `scored` any more, so that it can go as soon as the backward is past the last layer."""

    scored: Scored
    backward: Callable[[bool, Finished | None], None]


class Replica:
    """`values` are the parameters, float32; `working` what the network computes with: the same, or a copy of a half
    type. `buffers` are what its layers keep. Gradients are the caller's; see `bind`."""

    def __init__(self, world: World, config: Config, dataset: Samples, device: Device):
        """`world` gives memory of the device. Collective."""
        model, precision = MODELS[config.model], PRECISIONS[config.precision]
        self.device, self.task, self.model = device, model.task, model.build(dataset, config.recipe)
        self.layout = Layout.of(self.model)
        self.values = world.empty(self.layout.count)
        self.layout.initialise(self.values, config.seed)
        self.copy = world.empty(self.layout.count, precision.dtype) if precision.half else None
        self.working = self.values if self.copy is None else self.copy
        self.buffers = device.xp.empty(self.layout.buffer_count, np.float32)
        self.layout.initialise_buffers(self.buffers)
        self._renew_working()

    def bind(self, gradients: Array, inputs: Inputs) -> None:
        """Backward writes to this vector of the layout. `inputs` are some on which to count what a pass costs."""
        self.layout.bind(self.model, self.working, gradients, self.buffers)
        self.cost = cost(self.model, self._cast(self._placed(inputs)))

    def forward(self, inputs: Inputs, targets: np.ndarray, scale: float, call: Call) -> Passed:
        """A batch on the host, through the network and its loss, whose gradient is multiplied by `scale`."""
        return self.forward_placed(self._placed(inputs), self.device.array(targets), scale, call)

    def forward_placed(self, inputs: Any, targets: Array, scale: float, call: Call) -> Passed:
        """The same, of a batch that is on the device."""
        output, context = self.model.forward(self._cast(inputs), call)
        scored = self.task.loss(output, targets, scale)
        gradient = [scored.gradient]

        def backward(accumulate: bool, finished: Finished | None) -> None:
            self.model.backward(context, gradient.pop(), accumulate, finished, input_gradient=False)

        return Passed(scored._replace(gradient=None), backward)

    @contextmanager
    def averaged(self, average: Average | None) -> Iterator[None]:
        """While it lasts, the values are their moving average, if one is kept."""
        if average is None:
            yield
            return
        kept = self.values.copy()
        average.read(self.values)
        self._renew_working()
        try:
            yield
        finally:
            self.values[...] = kept
            self._renew_working()

    def weights(self) -> dict[str, np.ndarray]:
        """Parameters and buffers by name, on the host."""
        named = self.layout.named(self.values) | self.layout.named_buffers(self.buffers)
        return {name: np.array(to_host(array)) for name, array in named.items()}

    def state(self) -> dict[str, Array]:
        return {"values": self.values, "buffers": self.buffers}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        self.values[...], self.buffers[...] = self.device.array(state["values"]), self.device.array(state["buffers"])
        self._renew_working()

    def _renew_working(self) -> None:
        """The network's own numbers become the values, rounded."""
        if self.copy is not None:
            cast(self.values, self.copy)

    def _placed(self, inputs: Inputs) -> Any:
        return tuple(map(self._placed, inputs)) if isinstance(inputs, tuple) else self.device.array(inputs)

    def _cast(self, inputs: Any) -> Any:
        """Numbers in the network's own precision; ids as they are."""
        if isinstance(inputs, tuple):
            return tuple(map(self._cast, inputs))
        return inputs.astype(self.working.dtype, copy=False) if inputs.dtype.kind == "f" else inputs
