"""What a case of the check is, and the numbers it is made of.

A case makes arrays and calls an operation on them, which finds out by itself where they live. What it returns is
compared: the largest difference, relative to the largest number, against `TOLERANCE` of the dtype.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace

Array = Any
Make = Callable[["Numbers"], tuple[Array, ...]]

FLOATS = ("float32", "float64")
HALVES = ("float16", "bfloat16")
ALL = FLOATS + HALVES
TOLERANCE = {"float32": 2e-5, "float64": 1e-11, "float16": 4e-3, "bfloat16": 3e-2}

COUNT = 10_007  # of a flat vector: odd, a prime, many blocks


class Case(NamedTuple):
    name: str
    dtypes: tuple[str, ...]
    make: Make
    call: Callable[..., Any]


class Numbers:
    """Random arrays of one dtype, alike in every process."""

    def __init__(self, dtype: Any):
        self.dtype, self.generator = dtype, np.random.default_rng(7)

    def __call__(self, *shape: int) -> Array:
        return self.generator.standard_normal(shape).astype(self.dtype)

    def positive(self, *shape: int) -> Array:
        return np.abs(self(*shape))

    def whole(self, below: int, *shape: int) -> Array:
        return self.generator.integers(0, below, shape)

    def vectors(self, count: int) -> tuple[Array, ...]:
        return tuple(self(COUNT) for _ in range(count))


def in_place(step: Callable[..., None], *options: Any, **named: Any) -> Callable[..., tuple[Array, ...]]:
    """An operation that changes the arrays it is given."""

    def call(*arrays: Array) -> tuple[Array, ...]:
        step(*arrays, *options, **named)
        return arrays

    return call


def like(x: Array) -> Array:
    """Room for a result."""
    return namespace(x).zeros_like(x)
