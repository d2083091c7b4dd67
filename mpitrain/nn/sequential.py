"""Layers one after the other, themselves a layer."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from mpitrain.nn.layer import Array, Call, Finished, Layer, Parameter


class Sequential(Layer):
    """Named layers in forward order: `Sequential(fc1=Linear(784, 128), relu1=ReLU(), fc2=Linear(128, 10))`.

    Parameters and units carry the path of names: `fc1.weight` belongs to unit `fc1`.
    """

    def __init__(self, **layers: Layer):
        self.layers = layers
        with_parameters = (position for position, layer in enumerate(layers.values()) if layer.parameters())
        # No gradient is needed below the first layer that learns, unless the caller wants that of the input.
        self.first_learning = next(with_parameters, len(layers))

    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(
            parameter._replace(name=f"{name}.{parameter.name}")
            for name, layer in self.layers.items()
            for parameter in layer.parameters()
        )

    def units(self) -> Iterator[tuple[str, tuple[Parameter, ...]]]:
        for name, layer in reversed(self.layers.items()):
            for unit, parameters in layer.units():
                path = _path(name, unit)
                yield path, tuple(parameter._replace(name=f"{name}.{parameter.name}") for parameter in parameters)

    def bind(self, values: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        for name, layer in self.layers.items():
            layer.bind(_below(name, values), _below(name, gradients))

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        contexts = []
        for layer in self.layers.values():
            x, context = layer.forward(x, call)
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
        """As in `Layer`, last layer first; `finished` hears `fc2`, then `fc1`."""
        steps = list(zip(self.layers.items(), context, strict=True))
        for position, ((name, layer), layer_context) in reversed(list(enumerate(steps))):
            report = None if finished is None else partial(_report, finished, name)
            goes_on = input_gradient or position > self.first_learning
            dy = layer.backward(layer_context, dy, accumulate, report, input_gradient=goes_on)
            if not goes_on:
                return None
        return dy

    def backward_input(self, context: Any, dy: Array) -> Array:
        for layer, layer_context in zip(reversed(self.layers.values()), reversed(context), strict=True):
            dy = layer.backward_input(layer_context, dy)
        return dy

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        """Goes through the layers once more, since each one's weights want the `dy` that the next one gives."""
        self.backward(context, dy, accumulate, input_gradient=False)


def _path(name: str, unit: str) -> str:
    return f"{name}.{unit}" if unit else name


def _report(finished: Finished, name: str, unit: str) -> None:
    finished(_path(name, unit))


def _below(name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of the layer of this name, by the names it gave them itself."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
