"""What a program does between its messages on data of a device: kernels, in whatever stream is the current one."""

from functools import partial
from types import ModuleType
from typing import Any

from mpitrain.engines.actions import Action, Arithmetic, copying
from mpitrain.engines.reduction import OPS, Op
from mpitrain.ops import reduce

Array = Any


def arithmetic_of(xp: ModuleType) -> Arithmetic:
    """That of a device; `xp` is the module of its arrays."""

    def empty(count: int, dtype: Any) -> Array:
        return xp.empty(count, dtype)

    return Arithmetic(empty, copying, _combining, _scaling, _mixing, _dividing)


def _combining(op: Op, own: Array, incoming: Array, side: object) -> Action:
    """`side` does not matter: what a device can do commutes."""
    name = "sum" if op.name == "mean" else op.name
    if op is not OPS.get(op.name):
        raise TypeError(f"op {op.name!r} on a device: expected one of {', '.join(OPS)}, which are kernels")
    reduce.check("reduce", own.dtype)
    return partial(reduce.combine, own, incoming, name)


def _scaling(source: Array, target: Array, weight: float) -> Action:
    return partial(reduce.scale, source, target, weight)


def _mixing(own: Array, incoming: Array, weight: float) -> Action:
    return partial(reduce.mix, own, incoming, weight)


def _dividing(array: Array, size: int) -> Action:
    reduce.check("divide", array.dtype)
    return partial(reduce.divide, array, size)
