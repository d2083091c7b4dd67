"""What every layer is: numbers bound from outside, and a forward and backward with nothing hidden in between.

A layer owns no memory. `parameters()` says what it needs, `bind()` hands it views of the flat vectors that hold the
values and gradients of the whole model (see `layout.py`). `forward` returns its result together with a `context`,
whatever its backward needs; the layer itself remembers nothing, so that several microbatches can be in flight.

What a layer keeps from step to step without learning it, such as the running statistics of a normalisation, are named
buffers: views of one more flat vector, which a training forward moves on, unless it is a recomputation.

The backward comes whole or split. `backward_weights` writes the gradients of the parameters and `backward_input` the
gradient of the input; neither depends on the other, so a pipeline may put off the first to fill a bubble. The whole
one does the weights first: their gradients can then travel while the input's is computed. It may use up the context,
so that the memory of a layer is free as soon as its backward is done; the halves leave it as it is, for each other.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Array = Any  # a NumPy or CuPy array
Finished = Callable[[str], None]
Reduce = Callable[[Array], Array]


class Call(NamedTuple):
    """The circumstances of one forward pass; all the randomness of a layer derives from these and its path."""

    training: bool
    seed: int = 0
    step: int = 0
    samples: Array | None = None  # (batch,) indices in the data set, on the host
    reduce: Reduce | None = None  # sums a small vector over all ranks, in place; None: there is one rank
    recomputing: bool = False  # for the second time, to save memory: buffers stay as they are
    forgetting: bool = False  # no backward will follow: containers keep no contexts
    mask: Array | None = None  # (batch, length) bool, where x is: which positions are real, not padding; None: all


class Parameter(NamedTuple):
    """A named array of numbers that a layer learns."""

    name: str
    shape: tuple[int, ...]
    initialise: Callable[..., Array]  # (numpy Generator, shape) -> float64 array; see initialise.py


class Buffer(NamedTuple):
    """A named array of float32 numbers that a layer keeps without learning them, all `start` at first."""

    name: str
    shape: tuple[int, ...]
    start: float


class _Unbound(dict[str, Array]):
    """What a layer has in the place of values, gradients and buffers until it is bound."""

    def __missing__(self, name: str) -> Array:
        raise LookupError(f"no {name} yet; bind vectors to the model with Layout.bind")


class Layer:
    """A layer without parameters; subclasses give at least `forward` and `backward_input`."""

    values: Mapping[str, Array] = _Unbound()
    gradients: Mapping[str, Array] = _Unbound()
    state: Mapping[str, Array] = _Unbound()
    path = ""  # of names, from the model down to this layer; see `place`
    begun_elsewhere: frozenset[str] = frozenset()  # parameters whose gradient another layer has begun (tied weights)

    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, by names of their own such as `weight`."""
        return ()

    def buffers(self) -> tuple[Buffer, ...]:
        """What it keeps besides, by names of their own such as `mean`."""
        return ()

    def children(self) -> Mapping[str, "Layer"]:
        """The layers that it is made of, in forward order; none, unless it is a container."""
        return {}

    def place(self, path: str) -> None:
        """Learn where in the model it stands; `Layout.of` tells every layer."""
        self.path = path

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        """Floating-point operations of a forward from a batch of one shape to one of the other: one for each number
        of the result, unless a layer says otherwise."""
        return math.prod(y_shape)

    def units(self) -> Iterator[tuple[str, tuple[Parameter, ...]]]:
        """The units (name, parameters) in the order in which `backward` finishes them; a plain layer is one, ""."""
        if parameters := self.parameters():
            yield "", parameters

    def bind(
        self, values: Mapping[str, Array], gradients: Mapping[str, Array], state: Mapping[str, Array] = _Unbound()
    ) -> None:
        """Use these arrays, by name of parameter or buffer, from now on. Raises ValueError if one has another shape."""
        for role, arrays, wanted in (
            ("value", values, self.parameters()),
            ("gradient", gradients, self.parameters()),
            ("buffer", state, self.buffers()),
        ):
            for name, shape, *_ in wanted:
                if arrays[name].shape != shape:
                    raise ValueError(f"the {role} of {name} must have shape {shape}, found {arrays[name].shape}")
        self.values, self.gradients, self.state = values, gradients, state

    def adds(self, name: str, accumulate: bool) -> bool:
        """Whether this backward adds to the gradient of a parameter, rather than overwrite it."""
        return accumulate or name in self.begun_elsewhere

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
