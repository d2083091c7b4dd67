"""Stochastic gradient descent with momentum, as an optimiser with a state."""

from collections.abc import Mapping
from typing import Any

from mpitrain.array import namespace
from mpitrain.errors import UsageError
from mpitrain.ops.sgd import sgd_step

Array = Any


class SGD:
    """Steps `values`, a flat vector, in place; see `ops/sgd.py` for the formula.

    It keeps one vector of its own, the velocity. The learning rate comes with each step, so schedules are the caller's.
    """

    def __init__(self, values: Array, momentum: float = 0.9, nesterov: bool = False, weight_decay: float = 0.0):
        if not 0 <= momentum < 1:
            raise UsageError(f"momentum must be at least 0 and less than 1, found {momentum}")
        if not weight_decay >= 0:
            raise UsageError(f"weight decay must be at least 0, found {weight_decay}")
        if nesterov and momentum == 0:
            raise UsageError(f"nesterov needs a momentum above 0, found {momentum}; set one, or leave nesterov off")
        self.values, self.momentum, self.nesterov, self.weight_decay = values, momentum, nesterov, weight_decay
        self.velocity = namespace(values).zeros_like(values)

    def step(self, gradients: Array, lr: float) -> None:
        """One step down `gradients`, a vector like the values, which it leaves as they are."""
        sgd_step(self.values, gradients, self.velocity, lr, self.momentum, self.weight_decay, self.nesterov)

    def state(self) -> dict[str, Array]:
        """What a checkpoint keeps besides the values. These are the optimiser's own arrays, not copies."""
        return {"velocity": self.velocity}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from a `state()` saved earlier. Raises UsageError, and changes nothing, if it is not one of this kind.

        Unlike a hyperparameter, a dtype or a shape that differs could only be guessed right.
        """
        own = self.state()
        if set(state) != set(own):
            raise UsageError(f"the saved optimiser state has {_listed(state)}, expected {_listed(own)} of SGD")
        for name, array in own.items():
            saved = state[name]
            if saved.shape != array.shape or saved.dtype != array.dtype:
                raise UsageError(
                    f"{name} in the saved optimiser state is {saved.shape} {saved.dtype}, expected {array.shape} "
                    f"{array.dtype}; resume with the model that was saved"
                )
        for name, array in own.items():
            array[...] = namespace(array).asarray(state[name])


def _listed(state: Mapping[str, Array]) -> str:
    return ", ".join(sorted(state)) or "nothing"
