"""Looking on while layers work, to count what they cost and keep."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mpitrain.nn.layer import Array, Call, Layer

Saw = Callable[[str, Any, Array, Any], None]


@contextmanager
def watching(layers: Mapping[str, Layer], saw: Saw) -> Iterator[None]:
    """While it lasts, `saw(path, x, y, context)` is called after each forward of one of these layers, by path."""
    for path, layer in layers.items():

        def forward(x: Any, call: Call, path: str = path, layer: Layer = layer) -> tuple[Array, Any]:
            y, context = type(layer).forward(layer, x, call)
            saw(path, x, y, context)
            return y, context

        layer.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers.values():
            del layer.forward
