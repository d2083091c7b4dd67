"""What a model's passes cost, in floating-point operations for one sample.

A forward costs each layer what its `flops` say. A backward costs it as much again for the gradient of its input, and
again for those of its parameters; below the first layer that learns nothing is left to do, and that layer itself needs
no gradient of its input (see `Sequential`).
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from mpitrain.nn.container import leaves
from mpitrain.nn.layer import Array, Call, Layer
from mpitrain.nn.watch import watching


class Cost(NamedTuple):
    """`backward` has the units in the order in which they are finished, and what each costs since the one before."""

    forward: float
    backward: Mapping[str, float]


def cost(model: Layer, x: Any) -> Cost:
    """Of one sample like those in the batch `x` (an array, or a tuple of arrays), which goes through the model once."""
    layers = dict(leaves(model))
    flops: dict[str, float] = defaultdict(float)  # by path of layer, in forward order

    def count(path: str, x: Any, y: Array, context: Any) -> None:
        flops[path] += layers[path].flops(_shape(x), y.shape)

    with watching(layers, count):
        model.forward(x, Call(False, forgetting=True))
    samples = len(x[0] if isinstance(x, tuple) else x)
    backward: dict[str, float] = {}
    units, since = [unit for unit, _ in model.units()], 0.0
    for path in reversed(flops):
        if path in units:
            backward[path], since = (since + flops[path]) / samples, 0.0
        since += flops[path]
    return Cost(sum(flops.values()) / samples, backward)


def _shape(x: Any) -> Any:
    return tuple(map(_shape, x)) if isinstance(x, tuple) else x.shape
