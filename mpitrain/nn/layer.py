"""What every layer is: numbers bound from outside, and a forward and backward with nothing hidden in between.

A layer owns no memory. `parameters()` says what it needs, `bind()` hands it views of the flat vectors that hold the
values and gradients of the whole model (see `layout.py`). `forward` returns its result together with a `context`,
whatever its backward needs; the layer itself remembers nothing, so that several microbatches can be in flight.

The backward comes whole or split. `backward_weights` writes the gradients of the parameters and `backward_input` the
gradient of the input; neither depends on the other, so a pipeline may put off the first to fill a bubble. The whole
one does the weights first: their gradients can then travel while the input's is computed.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Array = Any  # a NumPy or CuPy array
Finished = Callable[[str], None]


class Call(NamedTuple):
    """The circumstances of one forward pass; all the randomness of a layer derives from these and its name."""

    training: bool
    seed: int = 0
    step: int = 0
    samples: Array | None = None  # (batch,) indices in the data set


class Parameter(NamedTuple):
    """A named array of numbers that a layer learns."""

    name: str
    shape: tuple[int, ...]
    initialise: Callable[..., Array]  # (numpy Generator, shape) -> float64 array; see initialise.py


class _Unbound(dict[str, Array]):
    """What a layer has in the place of values and gradients until it is bound."""

    def __missing__(self, name: str) -> Array:
        raise LookupError(f"no {name} yet; bind vectors to the model with Layout.bind")


class Layer:
    """A layer without parameters; subclasses give at least `forward` and `backward_input`."""

    values: Mapping[str, Array] = _Unbound()
    gradients: Mapping[str, Array] = _Unbound()

    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, by names of their own such as `weight`."""
        return ()

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        """Floating-point operations of a forward from a batch of one shape to one of the other: one for each number
        of the result, unless a layer says otherwise."""
        return math.prod(y_shape)

    def units(self) -> Iterator[tuple[str, tuple[Parameter, ...]]]:
        """The units (name, parameters) in the order in which `backward` finishes them; a plain layer is one, ""."""
        if parameters := self.parameters():
            yield "", parameters

    def bind(self, values: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """Use these arrays, by parameter name, from now on. Raises ValueError if one has another shape."""
        for name, shape, _ in self.parameters():
            for role, array in (("value", values[name]), ("gradient", gradients[name])):
                if array.shape != shape:
                    raise ValueError(f"the {role} of {name} must have shape {shape}, found {array.shape}")
        self.values, self.gradients = values, gradients

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        """The result for input `x`, and the context that the backward of this very input takes."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(
        self,
        context: Any,
        dy: Array,
        accumulate: bool = False,
        finished: Finished | None = None,
        input_gradient: bool = True,
    ) -> Array | None:
        """Write the gradients of the parameters and return that of the input, given `dy`, that of the result.

        The first microbatch overwrites the bound gradients, later ones are told to `accumulate`. `finished(unit)` is
        called as soon as a unit's gradients are complete. Without `input_gradient` only the parameters' gradients are
        computed, and None is returned.
        """
        self.backward_weights(context, dy, accumulate)
        if finished is not None and self.parameters():
            finished("")
        return self.backward_input(context, dy) if input_gradient else None

    def backward_input(self, context: Any, dy: Array) -> Array:
        """The gradient of the input; touches no gradient of a parameter."""
        raise NotImplementedError(f"{type(self).__name__} has no backward_input")

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        """Overwrite the bound gradients of the parameters, or add to them."""
