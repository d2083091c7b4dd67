"""Clipping by the global norm: gradients longer than a limit are shortened to it, all by one factor.

    scale = scale * min(1, limit / (norm + 1e-6))          norm = |scale * gradients|

Pascanu, Mikolov and Bengio 2013, algorithm 1; the 1e-6 is PyTorch's. The gradients are only read: the factor is handed
to the optimiser's step, which multiplies by it as it reads them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from mpitrain.ops.norm import clip_factor, sum_of_squares

Array = Any

UNLIMITED = float("inf")


class Clipped(NamedTuple):
    """On the host two numbers; on a device two arrays of one number there, for which nothing waits."""

    norm: Any
    """Of all gradients, times the scale that was given. Not finite exactly if one of them is not (see ops/norm.py)."""
    scale: Any
    """What the step shall multiply the gradients by."""


def clip_norm(
    gradients: Array,
    limit: float = UNLIMITED,
    scale: float = 1.0,
    reduce: Callable[[Array], Array] | None = None,
) -> Clipped:
    """What clips `scale` * `gradients`, a flat vector, to a norm of at most `limit`.

    Where the vector is a rank's shard, `reduce` sums an array of one float64 over the ranks. It is also what keeps
    replicas alike on unlike machines, whose sums differ in the last bit: let each rank take the norm of a share.
    """
    squares = sum_of_squares(gradients)
    if reduce is not None:
        squares = reduce(squares)
    return Clipped(*clip_factor(squares, limit, scale))
