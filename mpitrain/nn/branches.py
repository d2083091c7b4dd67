"""Layers side by side, from one input: residual connections and parallel branches.

Each branch gets the whole input and the whole (or its part of the) gradient; the input's gradient is the sum of theirs,
or None where none of them has one, such as an `Embedding`.
The last branch goes first in the backward, as the last layer does in a `Sequential`.
"""

from itertools import accumulate as running_sums
from typing import Any, Literal

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.container import Container
from mpitrain.nn.layer import Array, Call, Finished, Layer


class Parallel(Container):
    """Named branches whose results are summed, or concatenated along the last axis.

    `Parallel("concatenate", wide=Linear(8, 4), narrow=Linear(8, 2))` takes (batch, 8) to (batch, 6).
    """

    def __init__(self, join: Literal["sum", "concatenate"] = "sum", /, **branches: Layer):
        if join not in ("sum", "concatenate"):
            raise ValueError(f"join {join!r}: expected sum or concatenate")
        if not branches:
            raise ValueError("no branches: expected one or more")
        super().__init__(branches)
        self.join = join

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        results, contexts = [], []
        for branch in self.layers.values():
            y, context = branch.forward(x, call)
            results.append(y)
            if not call.forgetting:
                contexts.append(context)
        if self.join == "sum":
            return _sum(results), (None, contexts)
        widths = [y.shape[-1] for y in results]
        return namespace(results[0]).concatenate(results, axis=-1), (list(running_sums(widths)), contexts)

    def backward(
        self,
        context: Any,
        dy: Array,
        accumulate: bool = False,
        finished: Finished | None = None,
        input_gradient: bool = True,
    ) -> Array | None:
        ends, contexts = context
        slopes = []
        for number, (name, branch) in reversed(list(enumerate(self.layers.items()))):
            report = self._reports(finished, name)
            part, branch_context = _part(dy, ends, number), contexts.pop()
            if input_gradient or branch.parameters():
                slopes.append(branch.backward(branch_context, part, accumulate, report, input_gradient))
        return _sum_of_slopes(slopes) if input_gradient else None

    def backward_input(self, context: Any, dy: Array) -> Array | None:
        ends, contexts = context
        parts = [
            branch.backward_input(contexts[number], _part(dy, ends, number))
            for number, branch in enumerate(self.layers.values())
        ]
        return _sum_of_slopes(parts[::-1])


class Residual(Parallel):
    """body(x) + shortcut(x); without a shortcut body(x) + x (He et al. 2016, section 3.2)."""

    def __init__(self, body: Layer, shortcut: Layer | None = None):
        super().__init__(shortcut=Identity() if shortcut is None else shortcut, body=body)


class Identity(Layer):
    """x itself."""

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return 0

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        return x, None

    def backward_input(self, context: Any, dy: Array) -> Array:
        return dy


def _part(dy: Array, ends: list[int] | None, number: int) -> Array:
    """What of the gradient is one branch's: all of it, where the results were summed. Contiguous."""
    if ends is None:
        return dy
    return namespace(dy).ascontiguousarray(dy[..., ends[number - 1] if number else 0 : ends[number]])


def _sum_of_slopes(slopes: list[Array | None]) -> Array | None:
    given = [slope for slope in slopes if slope is not None]
    return _sum(given) if given else None


def _sum(arrays: list[Array]) -> Array:
    """In a fresh array, since those given may be somebody's."""
    first, *rest = arrays
    if not rest:
        return first
    xp = namespace(first)
    total = xp.add(first, rest[0], out=empty(first.shape, first.dtype, xp))
    for array in rest[1:]:
        total += array
    return total
