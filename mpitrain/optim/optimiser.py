"""What all optimisers are: values that are stepped in place, and arrays of their own that a checkpoint keeps."""

from collections.abc import Mapping
from typing import Any

from mpitrain.array import namespace
from mpitrain.errors import UsageError

Array = Any


class Optimiser:
    """Steps `values`, a flat vector of float32 or float64, in place.

    The learning rate comes with each step, so schedules are the caller's. `weights`, where an optimiser takes them, are
    slices of the vector, ascending and disjoint, one for each parameter that decays: biases and the scales of norms are
    commonly left out. By default all of the vector decays.
    """

    def __init__(self, values: Array, **own: Array):
        self.values, self.own = values, own

    def step(self, gradients: Array, lr: float, scale: float | Array = 1.0, copy: Array | None = None) -> None:
        """One step down `scale` * `gradients`, a vector that is left as it is.

        Gradients are like the values, or float16 or bfloat16 beside values of float32. `scale`, a number or an array of
        one on the values' device, undoes the scale of the loss or clips. `copy`, a vector of float16 or bfloat16,
        receives the new values, rounded.
        """
        raise NotImplementedError

    def state(self) -> dict[str, Array]:
        """What a checkpoint keeps besides the values. These are the optimiser's own arrays, not copies."""
        return dict(self.own)

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from a `state()` saved earlier. Raises UsageError, and changes nothing, if it is not one of this kind.

        Unlike a hyperparameter, a dtype or a shape that differs could only be guessed right.
        """
        load_arrays(self.own, state, "optimiser", type(self).__name__)


def load_arrays(own: Mapping[str, Array], state: Mapping[str, Array], what: str, kind: str) -> None:
    """Fill arrays from saved ones of the same names, shapes and dtypes. `UsageError`, and no change, if they differ."""
    if set(state) != set(own):
        raise UsageError(f"the saved {what} state has {_listed(state)}, expected {_listed(own)} of {kind}")
    for name, array in own.items():
        saved = state[name]
        if saved.shape != array.shape or saved.dtype != array.dtype:
            raise UsageError(
                f"{name} in the saved {what} state is {saved.shape} {saved.dtype}, expected {array.shape} "
                f"{array.dtype}; resume with the model that was saved"
            )
    for name, array in own.items():
        array[...] = namespace(array).asarray(state[name])


def _listed(state: Mapping[str, Array]) -> str:
    return ", ".join(sorted(state)) or "nothing"
