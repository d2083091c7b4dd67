"""What a model's passes cost, in floating-point operations for one sample.

A forward costs each layer what its `flops` say. A backward costs it as much again for the gradient of its input, and
again for those of its parameters; below the first layer that learns nothing is left to do, and that layer itself needs
no gradient of its input (see `Sequential`).
"""

from collections.abc import Generator, Mapping
from typing import NamedTuple

from mpitrain.nn.layer import Array, Call, Layer
from mpitrain.nn.sequential import Sequential

Leaf = tuple[str, Layer, float]
"""A layer that is no container, its path, and what its forward costs."""


class Cost(NamedTuple):
    """`backward` has the units in the order in which they are finished, and what each costs since the one before."""

    forward: float
    backward: Mapping[str, float]


def cost(model: Sequential, x: Array) -> Cost:
    """Of one sample like those in the batch `x`, which goes through the model once."""
    leaves = list(_leaves("", model, x))[::-1]
    forward = sum(flops for _, _, flops in leaves)
    backward: dict[str, float] = {}
    since = 0.0
    for path, layer, flops in leaves:
        if layer.parameters():
            backward[path], since = (since + flops) / len(x), 0.0
        since += flops
    return Cost(forward / len(x), backward)


def _leaves(path: str, layer: Layer, x: Array) -> Generator[Leaf, None, Array]:
    """All layers in forward order; the generator's result is what comes out."""
    if isinstance(layer, Sequential):
        for name, child in layer.layers.items():
            x = yield from _leaves(f"{path}.{name}" if path else name, child, x)
        return x
    y, _ = layer.forward(x, Call(False))
    yield path, layer, layer.flops(x.shape, y.shape)
    return y
