"""Where each parameter lies in the flat vectors that hold a model's values and gradients.

    backward finishes:   fc2 first ............ fc1 last
    vector:            | fc2.weight | fc2.bias | fc1.weight | fc1.bias |

Parameters lie back to back in the order in which the backward pass finishes them, so what is ready to be sent is always
a prefix of the gradient vector, and a bucket is a slice: nothing is ever packed. The same slot table serves optimisers,
shards and checkpoints. What layers keep without learning it (running statistics) lies in a vector of its own, float32.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.nn.layer import Buffer, Layer

Array = Any

REPLICATED = "replicated"  # the group of parameters that every rank holds in full


class Slot(NamedTuple):
    """One parameter's place: `prod(shape)` elements from element `offset` on."""

    name: str
    offset: int
    shape: tuple[int, ...]
    unit: str
    group: str

    @property
    def span(self) -> slice:
        return slice(self.offset, self.offset + math.prod(self.shape))


@dataclass(frozen=True)
class Layout:
    """The slot table of a model, in the order of memory, and how each parameter starts, by name; and its buffers."""

    slots: tuple[Slot, ...]
    initialisers: dict[str, Callable[..., Array]]
    buffers: tuple[Buffer, ...] = ()

    @classmethod
    def of(cls, model: Layer) -> "Layout":
        """The layout of a model: its units in the order in which its backward finishes them, no padding.

        Tells each layer its path, too.
        """
        model.place("")
        slots, initialisers, offset = [], {}, 0
        for unit, parameters in model.units():
            for parameter in parameters:
                slots.append(Slot(parameter.name, offset, parameter.shape, unit, REPLICATED))
                initialisers[parameter.name] = parameter.initialise
                offset = slots[-1].span.stop
        return cls(tuple(slots), initialisers, model.buffers())

    @property
    def count(self) -> int:
        """Elements in a vector of this layout."""
        return self.slots[-1].span.stop if self.slots else 0

    @cached_property
    def units(self) -> dict[str, slice]:
        """Each unit's range of the vector, in the order in which backward finishes them."""
        units: dict[str, slice] = {}
        for slot in self.slots:
            start = units[slot.unit].start if slot.unit in units else slot.offset
            units[slot.unit] = slice(start, slot.span.stop)
        return units

    @property
    def buffer_count(self) -> int:
        """Elements in the vector of the buffers."""
        return sum(math.prod(buffer.shape) for buffer in self.buffers)

    def named(self, vector: Array) -> dict[str, Array]:
        """Views of a flat vector by parameter name. Raises ValueError if the vector is not one of `count` elements."""
        if vector.shape != (self.count,):
            raise ValueError(f"a vector of this layout has shape {(self.count,)}, found {vector.shape}")
        return {slot.name: vector[slot.span].reshape(slot.shape) for slot in self.slots}

    def named_buffers(self, vector: Array) -> dict[str, Array]:
        """Views of the buffers' vector by name. Raises ValueError if it is not one of `buffer_count` elements."""
        if vector.shape != (self.buffer_count,):
            raise ValueError(
                f"a vector of this layout's buffers has shape {(self.buffer_count,)}, found {vector.shape}"
            )
        views, offset = {}, 0
        for name, shape, _ in self.buffers:
            views[name] = vector[offset : offset + math.prod(shape)].reshape(shape)
            offset += math.prod(shape)
        return views

    def bind(self, model: Layer, values: Array, gradients: Array, state: Array | None = None) -> None:
        """Let the model work on these vectors: it reads the first, writes the second, both of one dtype, and keeps its
        buffers in the third; a model with buffers gets a new one of float32 if none is given."""
        if values.dtype != gradients.dtype:
            raise ValueError(f"values are {values.dtype} but gradients {gradients.dtype}; both must be alike")
        if state is None:
            state = namespace(values).empty(self.buffer_count, np.float32)
            self.initialise_buffers(state)
        model.bind(self.named(values), self.named(gradients), self.named_buffers(state))

    def initialise_buffers(self, state: Array) -> None:
        """Fill the buffers' vector with what they start from."""
        views = self.named_buffers(state)
        for name, _, start in self.buffers:
            views[name][...] = start

    def initialise(self, values: Array, seed: int) -> None:
        """Fill the vector with starting values, drawn for each parameter by (seed, name).

        The draw knows neither rank nor place, so every rank starts alike, and a layer added elsewhere changes nothing
        here.
        """
        xp = namespace(values)
        for name, view in self.named(values).items():
            generator = np.random.default_rng([seed, _stable_hash(name)])
            view[...] = xp.asarray(self.initialisers[name](generator, view.shape))


def _stable_hash(name: str) -> int:
    """64 bits that are the same in every process, which those of `hash` are not."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
