"""How much memory the contexts of a forward keep for the backward, and which layers keep it.

What a context reaches is counted by the owner of the memory, as a whole and once: two layers that keep one array, or
one that keeps a view of another's, share it, and it counts for the first of them in forward order.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import Loan
from mpitrain.nn.container import leaves
from mpitrain.nn.layer import Array, Layer
from mpitrain.nn.watch import watching

OUTSIDE = "between the layers"
"""Where containers keep something themselves."""


class Kept(NamedTuple):
    """Bytes, of one forward."""

    samples: int
    inputs: int
    contexts: Mapping[str, int]  # by path of layer, in forward order, besides the inputs

    @property
    def total(self) -> int:
        """Of the contexts."""
        return sum(self.contexts.values())


@contextmanager
def counting(model: Layer, besides: Any = ()) -> Iterator[list[Kept]]:
    """While it lasts, each forward of the model, a container, adds to the list what it keeps. What `besides` reaches,
    such as the parameters, belongs to others and counts for nobody."""
    contexts: dict[str, Any] = {}
    found: list[Kept] = []

    def keep(path: str, x: Any, y: Array, context: Any) -> None:
        contexts[path] = context
        if path == OUTSIDE:
            found.append(_counted(x, contexts, besides))
            del contexts[OUTSIDE]

    with watching(dict(leaves(model)) | {OUTSIDE: model}, keep):
        yield found


def _counted(x: Any, contexts: dict[str, Any], besides: Any) -> Kept:
    inputs = owned(x)
    seen, sizes = owned(besides) | inputs, {}
    for path, context in contexts.items():
        own = {owner: size for owner, size in owned(context).items() if owner not in seen}
        seen |= own
        sizes[path] = sum(own.values())
    samples = len(x[0] if isinstance(x, tuple) else x)
    return Kept(samples, sum(inputs.values()), {path: size for path, size in sizes.items() if size})


def owned(holder: Any) -> dict[int, int]:
    """Bytes by owner of all memory of arrays that tuples, lists and dicts reach."""
    return dict(map(_owner, _arrays(holder)))


def _arrays(holder: Any) -> Iterator[Array]:
    if isinstance(holder, np.ndarray) or namespace(holder) is not np:
        yield holder
    elif isinstance(holder, tuple | list):
        for part in holder:
            yield from _arrays(part)
    elif isinstance(holder, dict):
        yield from _arrays(list(holder.values()))


def _owner(array: Array) -> tuple[int, int]:
    """Who has the memory under an array, as an id that no other has as long as it lives, and how many bytes."""
    if namespace(array) is not np:
        owner = array if array.base is None else array.base
        return owner.data.ptr, owner.nbytes
    while isinstance(array.base, np.ndarray):
        array = array.base
    return id(array.base if isinstance(array.base, Loan) else array), array.nbytes
