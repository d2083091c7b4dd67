"""Something to do between messages, or in shared memory, on arrays of one length: a function with its arguments bound.

What is bound here runs millions of times, so each is the fastest call that NumPy has for it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mpitrain.collectives.schedule import LEFT
from mpitrain.engines.reduction import Op, divide, wide

Action = Callable[[], object]

OUT_BY_POSITION = (np.add, np.multiply)
"""These take their output as a third argument in half the time that `out=` takes; others have it deprecated."""


def copying(source: np.ndarray, target: np.ndarray) -> Action:
    return partial(target.__setitem__, Ellipsis, source)


def combining(op: Op, own: np.ndarray, incoming: np.ndarray, side: object) -> Action:
    """own = own (op) incoming, or incoming (op) own from the left."""
    left, right = (incoming, own) if side is LEFT else (own, incoming)
    if op.combine in OUT_BY_POSITION:
        if own.dtype.name == "bfloat16":
            return partial(_through_float32, op.combine, left, right, own)
        return partial(op.combine, left, right, own)
    return partial(op.combine, left, right, out=own)


def scaling(source: np.ndarray, target: np.ndarray, weight: float) -> Action:
    """target = weight source."""
    return partial(_scale, target, source, weight)


def mixing(own: np.ndarray, incoming: np.ndarray, weight: float) -> Action:
    """own = (1 - weight) own + weight incoming."""
    return partial(_mix, own, incoming, weight)


def _through_float32(ufunc: np.ufunc, left: np.ndarray, right: np.ndarray, own: np.ndarray) -> None:
    """The same bits as ml_dtypes' own loop, which converts number by number, in half the time."""
    wide_left = left.astype(np.float32)
    own[...] = ufunc(wide_left, right.astype(np.float32), wide_left)


def _scale(target: np.ndarray, value: np.ndarray, weight: float) -> None:
    target[...] = wide(value) * weight


def _mix(own: np.ndarray, incoming: np.ndarray, weight: float) -> None:
    own[...] = (1 - weight) * wide(own) + weight * wide(incoming)


class Arithmetic(NamedTuple):
    """Where a program is bound to memory, and what it does there: `empty(count, dtype)`, and what makes the actions.

    `dividing(array, size)` makes a mean of a sum. On the host these are the functions above.
    """

    empty: Callable[[int, Any], Any]
    copying: Callable[[Any, Any], Action]
    combining: Callable[[Op, Any, Any, object], Action]
    scaling: Callable[[Any, Any, float], Action]
    mixing: Callable[[Any, Any, float], Action]
    dividing: Callable[[Any, int], Action]


HOST = Arithmetic(np.empty, copying, combining, scaling, mixing, partial(partial, divide))
