"""Layers one after the other, themselves a layer."""

from collections.abc import Mapping
from typing import Any

from mpitrain.nn.container import Container
from mpitrain.nn.layer import Array, Call, Finished, Layer

SPENT = "a forward is followed by one whole backward, which uses its context up, and by none if it is `forgetting`"


class Sequential(Container):
    """Named layers in forward order: `Sequential(fc1=Linear(784, 128), relu1=ReLU(), fc2=Linear(128, 10))`.

    Ties come first: `Sequential({"head.weight": "embed.weight"}, embed=..., head=...)`; see `container.py`.
    """

    def __init__(self, ties: Mapping[str, str] | None = None, /, **layers: Layer):
        super().__init__(layers, ties)
        with_parameters = (position for position, layer in enumerate(layers.values()) if layer.parameters())
        # No gradient is needed below the first layer that learns, unless the caller wants that of the input.
        self.first_learning = next(with_parameters, len(layers))

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        contexts = []
        for layer in self.layers.values():
            x, context = layer.forward(x, call)
            if not call.forgetting:
                contexts.append(context)
        return x, contexts

    def backward(
        self,
        context: Any,
        dy: Array,
        accumulate: bool = False,
        finished: Finished | None = None,
        input_gradient: bool = True,
    ) -> Array | None:
        """As in `Layer`, last layer first; `finished` hears `fc2`, then `fc1`. It empties the context on its way."""
        if len(context) != len(self.layers):
            raise ValueError(f"expected the contexts of {len(self.layers)} layers, found {len(context)}: {SPENT}")
        for position, (name, layer) in reversed(list(enumerate(self.layers.items()))):
            goes_on = input_gradient or position > self.first_learning
            report = self._reports(finished, name)
            dy = layer.backward(context.pop(), dy, accumulate, report, input_gradient=goes_on)
            if not goes_on:
                context.clear()
                return None
        return dy

    def backward_input(self, context: Any, dy: Array) -> Array:
        for layer, layer_context in zip(reversed(self.layers.values()), reversed(context), strict=True):
            dy = layer.backward_input(layer_context, dy)
        return dy
