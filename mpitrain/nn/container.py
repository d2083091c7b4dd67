"""What all layers that are made of layers share: names that become paths, and weights that several of them share.

Parameters, buffers and units carry the path of names: `fc1.weight` belongs to unit `fc1`. Units come last layer first,
which is the order in which every container's backward finishes them.

Tied weights are one parameter under two names. `ties={"head.weight": "embed.weight"}` lets the layer `head` work on the
values and the gradient of `embed`, which must come earlier in forward order: so `head` is the first in the backward
and overwrites the gradient, `embed` adds to it, and the unit `embed` is finished when both are. Several layers may work
on one: the last of them in forward order overwrites, all others add.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from mpitrain.nn.layer import Array, Buffer, Finished, Layer, Parameter


class Container(Layer):
    """Named layers in forward order; a subclass says how data go through them.

    Raises ValueError for ties that cannot be.
    """

    def __init__(self, layers: Mapping[str, Layer], ties: Mapping[str, str] | None = None):
        self.layers = dict(layers)
        self.ties = dict(ties or {})
        for user, owner in self.ties.items():
            self._check_tie(user, owner)
        order = [path for path, _ in leaves(self)]
        for owner in set(self.ties.values()):
            users = (user for user, other in self.ties.items() if other == owner)
            uses = sorted((use.rpartition(".") for use in (owner, *users)), key=lambda use: order.index(use[0]))
            for path, _, name in uses[:-1]:
                layer = self._at(path)
                layer.begun_elsewhere = layer.begun_elsewhere | {name}

    def children(self) -> Mapping[str, Layer]:
        return self.layers

    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(parameter for parameter in self._all_parameters() if parameter.name not in self.ties)

    def buffers(self) -> tuple[Buffer, ...]:
        return tuple(
            buffer._replace(name=f"{name}.{buffer.name}")
            for name, layer in self.layers.items()
            for buffer in layer.buffers()
        )

    def place(self, path: str) -> None:
        self.path = path
        for name, layer in self.layers.items():
            layer.place(joined(path, name))

    def units(self) -> Iterator[tuple[str, tuple[Parameter, ...]]]:
        for name, layer in reversed(self.layers.items()):
            for unit, parameters in layer.units():
                named = (parameter._replace(name=f"{name}.{parameter.name}") for parameter in parameters)
                if own := tuple(parameter for parameter in named if parameter.name not in self.ties):
                    yield joined(name, unit), own

    def bind(
        self, values: Mapping[str, Array], gradients: Mapping[str, Array], state: Mapping[str, Array] = Layer.state
    ) -> None:
        values, gradients = (
            {**arrays, **{user: arrays[owner] for user, owner in self.ties.items()}} for arrays in (values, gradients)
        )
        for name, layer in self.layers.items():
            layer.bind(_below(name, values), _below(name, gradients), _below(name, state))

    def backward_weights(self, context: object, dy: Array, accumulate: bool = False) -> None:
        """Goes through the layers once more, since each one's weights want the `dy` that the next one gives."""
        self.backward(_copied(context), dy, accumulate, input_gradient=False)

    def _reports(self, finished: Finished | None, name: str) -> Finished | None:
        """What the layer of that name is to call: `finished`, with its name before the unit's."""
        return None if finished is None else partial(self._report, finished, name)

    def _report(self, finished: Finished, name: str, unit: str) -> None:
        path = joined(name, unit)
        if not self.ties or any(path == own for own, _ in self.units()):
            finished(path)

    def _all_parameters(self) -> Iterator[Parameter]:
        for name, layer in self.layers.items():
            for parameter in layer.parameters():
                yield parameter._replace(name=f"{name}.{parameter.name}")

    def _check_tie(self, user: str, owner: str) -> None:
        shapes = {parameter.name: parameter.shape for parameter in self._all_parameters()}
        for name in (user, owner):
            if name not in shapes:
                raise ValueError(f"ties: no parameter {name}, expected one of {', '.join(shapes)}")
        if owner in self.ties:
            raise ValueError(f"ties: {owner} is tied itself, expected {self.ties[owner]} in its place")
        if shapes[user] != shapes[owner]:
            raise ValueError(f"ties: {user} has shape {shapes[user]}, expected that of {owner}, {shapes[owner]}")
        order = list(self.layers)
        if order.index(owner.partition(".")[0]) >= order.index(user.partition(".")[0]):
            raise ValueError(f"ties: {owner} does not come before {user}, expected it in an earlier layer")

    def _at(self, path: str) -> Layer:
        layer: Layer = self
        for name in path.split("."):
            layer = layer.children()[name]
        return layer


def leaves(layer: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """The layers that are no containers and their paths, in forward order."""
    if not layer.children():
        yield path, layer
    for name, child in layer.children().items():
        yield from leaves(child, joined(path, name))


def joined(*names: str) -> str:
    """A path of the names that are not empty."""
    return ".".join(name for name in names if name)


def _copied(context: Any) -> Any:
    """The same contexts of layers in lists of their own, for a backward to empty."""
    if isinstance(context, list):
        return [_copied(part) for part in context]
    if isinstance(context, dict):
        return {name: _copied(part) for name, part in context.items()}
    return tuple(_copied(part) for part in context) if type(context) is tuple else context


def _below(name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of the layer of this name, by the names it gave them itself."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
