"""Where each parameter lies in the flat vectors that hold a model's values and gradients.

    backward finishes:   fc2 first ............ fc1 last
    vector:            | fc2.weight | fc2.bias | fc1.weight | fc1.bias |

Parameters lie back to back in the order in which the backward pass finishes them, so what is ready to be sent is always
a prefix of the gradient vector, and a bucket is a slice: nothing is ever packed. The same slot table serves optimisers,
shards and checkpoints.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.nn.layer import Layer

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
    """The slot table of a model, in the order of memory, and how each parameter starts, by name."""

    slots: tuple[Slot, ...]
    initialisers: dict[str, Callable[..., Array]]

    @classmethod
    def of(cls, model: Layer) -> "Layout":
        """The layout of a model: its units in the order in which its backward finishes them, no padding."""
        slots, initialisers, offset = [], {}, 0
        for unit, parameters in model.units():
            for parameter in parameters:
                slots.append(Slot(parameter.name, offset, parameter.shape, unit, REPLICATED))
                initialisers[parameter.name] = parameter.initialise
                offset = slots[-1].span.stop
        return cls(tuple(slots), initialisers)

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

    def named(self, vector: Array) -> dict[str, Array]:
        """Views of a flat vector by parameter name. Raises ValueError if the vector is not one of `count` elements."""
        if vector.shape != (self.count,):
            raise ValueError(f"a vector of this layout has shape {(self.count,)}, found {vector.shape}")
        return {slot.name: vector[slot.span].reshape(slot.shape) for slot in self.slots}

    def bind(self, model: Layer, values: Array, gradients: Array) -> None:
        """Let the model work on these two vectors, of one dtype: it reads the first and writes the second."""
        if values.dtype != gradients.dtype:
            raise ValueError(f"values are {values.dtype} but gradients {gradients.dtype}; both must be alike")
        model.bind(self.named(values), self.named(gradients))

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
