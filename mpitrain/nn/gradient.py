"""How the gradient of a parameter takes in one microbatch: the first overwrites it, later ones add to it.

Overwriting saves the pass over memory that zeroing would cost. A microbatch without rows gives a product over nothing,
which is zero, and needs no case of its own.
"""

from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.matmul import matmul
from mpitrain.ops.row_sum import row_sum

Array = Any


def take_product(gradient: Array, a: Array, b: Array, accumulate: bool) -> None:
    """gradient = a @ b, or gradient += a @ b."""
    if accumulate:
        gradient += matmul(a, b, out=empty(gradient.shape, gradient.dtype, namespace(gradient)))
    else:
        matmul(a, b, out=gradient)


def take_row_sum(gradient: Array, rows: Array, accumulate: bool) -> None:
    """The same for the sum over the rows of a matrix."""
    row_sum(rows, gradient, accumulate)
