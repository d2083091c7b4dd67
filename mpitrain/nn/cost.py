"""What a model's passes cost, in floating-point operations for one sample.

A forward costs each layer what its `flops` say. A backward costs it as much again for the gradient of its input, and
again for those of its parameters; below the first layer that learns nothing is left to do, and that layer itself needs
no gradient of its input (see `Sequential`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from mpitrain.nn.container import leaves
from mpitrain.nn.layer import Array, Call, Layer


class Cost(NamedTuple):
    """`backward` has the units in the order in which they are finished, and what each costs since the one before."""

    forward: float
    backward: Mapping[str, float]


def cost(model: Layer, x: Any) -> Cost:
    """Of one sample like those in the batch `x` (an array, or a tuple of arrays), which goes through the model once."""
    with _counted(model) as flops:
        model.forward(x, Call(False, forgetting=True))
    samples = len(x[0] if isinstance(x, tuple) else x)
    backward: dict[str, float] = {}
    units, since = [unit for unit, _ in model.units()], 0.0
    for path in reversed(flops):
        if path in units:
            backward[path], since = (since + flops[path]) / samples, 0.0
        since += flops[path]
    return Cost(sum(flops.values()) / samples, backward)


@contextmanager
def _counted(model: Layer) -> Iterator[dict[str, float]]:
    """While it lasts, each forward of a layer adds what it costs under the layer's path, in forward order."""
    flops: dict[str, float] = defaultdict(float)
    watched = dict(leaves(model))
    for path, layer in watched.items():

        def forward(x: Any, call: Call, path: str = path, layer: Layer = layer) -> tuple[Array, Any]:
            y, context = type(layer).forward(layer, x, call)
            flops[path] += layer.flops(_shape(x), y.shape)
            return y, context

        layer.forward = forward  # type: ignore[method-assign]
    try:
        yield flops
    finally:
        for layer in watched.values():
            del layer.forward


def _shape(x: Any) -> Any:
    return tuple(map(_shape, x)) if isinstance(x, tuple) else x.shape
